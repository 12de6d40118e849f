// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
)

// verifyAll reads back the copy of every store that took one: a store's success is not evidence. One of the copies is
// decrypted and listed on the way, and given back; since all must be the same to the byte, what it shows holds for each.
// Manifests come last.
func (j *job) verifyAll(ctx context.Context, p *proof) (shown *target, err error) {
	shown = j.good()
	var proofErr error
	j.each(func(t *target) {
		switch {
		case t.err != nil:
		case t == shown:
			t.err, proofErr = j.prove(ctx, t, p)
		default:
			t.err = verify(ctx, t, j.manifest(), io.Discard)
		}
	})
	// The copy that should have shown it was a bad one: another has to.
	for shown != nil && shown.err != nil {
		if shown = j.good(); shown != nil {
			shown.err, proofErr = j.prove(ctx, shown, p)
		}
	}
	if shown == nil {
		return nil, errors.Join(append([]error{errNoStore}, j.storeErrors()...)...)
	}
	if proofErr != nil {
		return nil, proofErr
	}
	j.result.Tables = p.tables
	j.result.Shown = &Shown{Proof: v1alpha1.RestoreProofListed, At: j.Now().UTC().Truncate(time.Second), Store: shown.Name}
	j.each(func(t *target) {
		if t.err == nil {
			t.err = describe(ctx, t, j.manifest())
		}
		if t.err == nil {
			t.Copy = CopyWritten
		}
	})
	return shown, nil
}

func (j *job) storeErrors() (failures []error) {
	for _, t := range j.targets {
		failures = append(failures, t.err)
	}
	return failures
}

// prove verifies a copy while it is decrypted and listed. storeErr is the copy's fault, proofErr the backup's.
func (j *job) prove(ctx context.Context, t *target, p *proof) (storeErr, proofErr error) {
	content, feed := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := p.show(ctx, content)
		// Whatever is left is still read: the copy is judged by its digest, not by what a decoder wants of it.
		_, _ = io.Copy(io.Discard, content)
		done <- err
	}()
	storeErr = verify(ctx, t, j.manifest(), feed)
	_ = feed.CloseWithError(storeErr)
	proofErr = <-done
	if storeErr != nil {
		proofErr = nil
	}
	return storeErr, proofErr
}

// verify reads a copy back and holds it against its manifest.
func verify(ctx context.Context, t *target, m Manifest, also io.Writer) error {
	key := t.dumpKey(m.SnapshotStart)
	content, err := t.client.GetVersion(ctx, key, t.versionID)
	if err != nil {
		return err
	}
	found, err := digestOf(content, also)
	if err != nil {
		return err
	}
	if found != (digest{m.Size, m.SHA256}) {
		// It cannot be deleted, by us or, under a lock, by anybody; without a manifest it counts nowhere.
		return objectstore.Corrupt(t.Name, key)
	}
	info, err := t.client.Stat(ctx, key, content.VersionID)
	if err != nil {
		return err
	}
	t.VersionID = info.VersionID
	t.seeLock(info.Lock)
	return nil
}

// digestOf reads content to its end, closes it, and writes it to also on the way.
func digestOf(content io.ReadCloser, also io.Writer) (digest, error) {
	defer func() { _ = content.Close() }()
	sum := sha256.New()
	size, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(sum, also)}, struct{ io.Reader }{content}, make([]byte, 256<<10))
	if err != nil {
		return digest{}, err
	}
	return digest{size: size, sha256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func (j *job) manifest() Manifest {
	return Manifest{
		Format: manifestFormat, DataID: j.result.DataID, SnapshotStart: *j.result.SnapshotStart,
		Size: j.result.Size, SHA256: j.result.SHA256,
		ServerVersion: j.result.ServerVersion, ClientVersion: j.result.ClientVersion, SchemaVersion: j.schemaVersion,
		Extensions: j.result.Extensions, Owners: j.result.Owners, Tables: j.result.Tables, Shown: j.result.Shown,
	}
}

// errSuperseded: two jobs that begin in the same second write the same keys, and a manifest of one beside a copy of the
// other would describe neither.
var errSuperseded = errors.New("another job that began in the same second has written over the copy")

// describe writes the manifest, last of all: who finds one finds a verified copy. Whoever writes one last looks last, so
// that of two jobs one at least sees that its copy is not the current one.
func describe(ctx context.Context, t *target, m Manifest) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	if err := t.isCurrent(ctx, m); err != nil {
		return err
	}
	if _, err = t.client.PutLocked(ctx, t.manifestKey(m.SnapshotStart), raw, t.lock); err != nil {
		return err
	}
	return t.isCurrent(ctx, m)
}

// isCurrent tells whether the version that was verified is what a reader of the key meets.
func (t *target) isCurrent(ctx context.Context, m Manifest) error {
	info, err := t.client.Stat(ctx, t.dumpKey(m.SnapshotStart), "")
	if err != nil {
		return err
	}
	if info.VersionID != t.VersionID || info.Size != m.Size {
		return fmt.Errorf("store %s: %s: %w", t.Name, t.dumpKey(m.SnapshotStart), errSuperseded)
	}
	return nil
}

// repairAll gives every store that lacks its copy one more chance, from another store's good copy; one store after the
// other, so that memory stays bounded.
func (j *job) repairAll(ctx context.Context) {
	for _, t := range j.targets {
		if t.err == nil || t.client == nil {
			continue
		}
		source := j.good()
		if errors.Is(t.err, errSuperseded) {
			source = t // its own version is still there, beneath the other
		}
		if source == nil {
			continue
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
	// It may not have answered before, and so not have said whether it locks.
	able, err := to.client.Locks(ctx)
	if err != nil {
		return err
	}
	e, err := j.expiry()
	if err != nil {
		return err
	}
	to.askForLock(able, start, e)
	return transfer(ctx, from, to, j.manifest())
}

// transfer writes one store's copy to another and reads it back. A source that is not what the manifest says, by now,
// is noticed before the copy is completed.
func transfer(ctx context.Context, from, to *target, m Manifest) error {
	content, err := from.client.GetVersion(ctx, from.dumpKey(m.SnapshotStart), from.versionID)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	upload := to.client.NewUpload(to.dumpKey(m.SnapshotStart), to.recordKey(m.SnapshotStart), to.lock)
	checked := &checked{
		Reader: content, sum: sha256.New(), want: digest{m.Size, m.SHA256}, wrong: objectstore.Corrupt(from.Name, from.dumpKey(m.SnapshotStart)),
	}
	if err := upload.From(ctx, checked); err != nil {
		return err
	}
	to.versionID = upload.VersionID()
	if err := verify(ctx, to, m, io.Discard); err != nil {
		return err
	}
	return describe(ctx, to, m)
}

// checked is a reader that ends well only when all it gave was what was wanted.
type checked struct {
	io.Reader
	sum   hash.Hash
	size  int64
	want  digest
	wrong error
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.sum.Write(p[:n])
	c.size += int64(n)
	if errors.Is(err, io.EOF) && (digest{c.size, hex.EncodeToString(c.sum.Sum(nil))}) != c.want {
		err = c.wrong
	}
	return n, err
}
