// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/termintreu/termintreu/internal/objectstore"
)

// verifyAll reads back the copy of every store that took one: a store's success is not evidence.
func (j *job) verifyAll(ctx context.Context) {
	j.each(func(t *target) {
		if t.err == nil {
			t.err = j.verify(ctx, t)
		}
		if t.err == nil {
			t.Copy = CopyWritten
		}
	})
}

func (j *job) verify(ctx context.Context, t *target) error {
	key := t.dumpKey(*j.result.SnapshotStart)
	found, err := read(ctx, t.client, key)
	if err != nil {
		return err
	}
	if want := (digest{j.result.Size, j.result.SHA256}); found != want {
		// A copy that is not what it says must not be counted as one.
		return errors.Join(objectstore.Corrupt(t.Name, key), t.client.DeleteAll(ctx, key))
	}
	return j.describe(ctx, t)
}

// describe writes the manifest, last of all: who finds one finds a verified copy.
func (j *job) describe(ctx context.Context, t *target) error {
	raw, err := json.Marshal(Manifest{
		Format: manifestFormat, DataID: j.result.DataID, SnapshotStart: *j.result.SnapshotStart,
		Size: j.result.Size, SHA256: j.result.SHA256,
		ServerVersion: j.result.ServerVersion, ClientVersion: j.result.ClientVersion, SchemaVersion: j.schemaVersion,
	})
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return t.client.PutBytes(ctx, objectstore.Key(t.prefix, *j.result.SnapshotStart, objectstore.KindManifest), raw)
}

func read(ctx context.Context, client *objectstore.Client, key string) (digest, error) {
	content, err := client.Get(ctx, key)
	if err != nil {
		return digest{}, err
	}
	defer func() { _ = content.Close() }()
	sum := sha256.New()
	size, err := io.CopyBuffer(struct{ io.Writer }{sum}, content, make([]byte, 256<<10))
	if err != nil {
		return digest{}, err
	}
	return digest{size: size, sha256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// repairAll gives every store that lacks its copy one more chance, from another store's good copy; one store after the
// other, so that memory stays bounded.
func (j *job) repairAll(ctx context.Context) {
	for _, t := range j.targets {
		if t.err == nil || t.client == nil {
			continue
		}
		source := j.good()
		if source == nil {
			return
		}
		first := t.err
		t.Error = objectstore.ClassOf(first)
		if t.err = j.repair(ctx, source, t); t.err != nil {
			t.err = errors.Join(t.err, first)
			continue
		}
		t.Copy = CopyRepaired
	}
}

func (j *job) good() *target {
	for _, t := range j.targets {
		if t.err == nil {
			return t
		}
	}
	return nil
}

func (j *job) repair(ctx context.Context, from, to *target) error {
	start := *j.result.SnapshotStart
	content, err := from.client.Get(ctx, from.dumpKey(start))
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	if err := to.client.Put(ctx, to.dumpKey(start), to.recordKey(start), content); err != nil {
		return err
	}
	return j.verify(ctx, to)
}
