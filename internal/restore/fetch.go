// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/settings"
)

// store is one store and what it holds of the source.
type store struct {
	settings.Store
	client    *objectstore.Client
	snapshots map[time.Time]bool
}

// copyOf is one store's copy of the backup.
type copyOf struct {
	store    *store
	manifest *backup.Manifest
	// key opens it; set by unlock.
	key age.Identity
}

func (c *copyOf) object() string {
	return objectstore.Key(c.store.Prefix, c.manifest.SnapshotStart, objectstore.KindDump)
}

func (r *run) open() error {
	for _, s := range r.Settings.Stores {
		client, err := r.Stores.OpenAny(s, r.Timeout)
		if err != nil {
			return err
		}
		r.stores = append(r.stores, &store{Store: s, client: client})
	}
	return nil
}

// choose gives the copies of the newest snapshot that began by the wanted moment, in the order to try them.
func (r *run) choose(ctx context.Context) ([]*copyOf, error) {
	var (
		failures []error
		newest   time.Time
	)
	for _, s := range r.stores {
		if r.Settings.Store != "" && s.Name != r.Settings.Store {
			continue
		}
		if err := s.list(ctx); err != nil {
			failures = append(failures, err)
			continue
		}
		for start := range s.snapshots {
			if (r.Settings.At == nil || !start.After(*r.Settings.At)) && start.After(newest) {
				newest = start
			}
		}
	}
	if newest.IsZero() {
		return nil, errors.Join(append([]error{r.nothing()}, failures...)...)
	}
	var copies []*copyOf
	for _, s := range r.stores {
		if !s.snapshots[newest] {
			continue
		}
		manifest, err := s.manifest(ctx, newest, r.Settings.Source)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		copies = append(copies, &copyOf{store: s, manifest: manifest})
	}
	if len(copies) == 0 {
		return nil, fmt.Errorf("no store has a readable manifest of the backup of %s: %w", newest.Format(time.RFC3339), errors.Join(failures...))
	}
	return agreeing(copies), nil
}

// agreeing keeps the copies that most stores describe alike: one store that was tampered with is outvoted.
func agreeing(copies []*copyOf) []*copyOf {
	votes := map[string]int{}
	best := copies[0].manifest.SHA256
	for _, c := range copies {
		if votes[c.manifest.SHA256]++; votes[c.manifest.SHA256] > votes[best] {
			best = c.manifest.SHA256
		}
	}
	return slices.DeleteFunc(copies, func(c *copyOf) bool { return c.manifest.SHA256 != best })
}

func (r *run) nothing() error {
	where, when := "no store", ""
	if r.Settings.Store != "" {
		where = "store " + r.Settings.Store + " is not one of the region's, or does not answer, or"
	}
	if r.Settings.At != nil {
		when = " that began by " + r.Settings.At.UTC().Format(time.RFC3339)
	}
	return fmt.Errorf("%s holds no backup of %s%s: name another store or a later time", where, r.Settings.Source, when)
}

// list finds the snapshots that can be read: described by a manifest and not behind a delete marker.
func (s *store) list(ctx context.Context) error {
	dumps, manifests := map[time.Time]bool{}, map[time.Time]bool{}
	err := s.client.ListVersions(ctx, s.Prefix, func(v objectstore.Version) error {
		_, start, kind, ok := objectstore.ParseKey(v.Key)
		if !ok || !v.Latest || v.DeleteMarker || v.Size == 0 {
			return nil
		}
		switch kind {
		case objectstore.KindDump:
			dumps[start] = true
		case objectstore.KindManifest:
			manifests[start] = true
		}
		return nil
	})
	s.snapshots = map[time.Time]bool{}
	for start := range dumps {
		if manifests[start] {
			s.snapshots[start] = true
		}
	}
	return err
}

func (s *store) manifest(ctx context.Context, start time.Time, source string) (*backup.Manifest, error) {
	raw, err := s.read(ctx, objectstore.Key(s.Prefix, start, objectstore.KindManifest), backup.ManifestLimit)
	if err != nil {
		return nil, err
	}
	manifest, err := backup.ParseManifest(raw)
	if err == nil && (manifest.DataID != source || !manifest.SnapshotStart.Equal(start)) {
		err = errors.New("the manifest is that of another backup")
	}
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", s.Name, err)
	}
	return manifest, nil
}

// read gives a small object whole; one byte more than limit tells that it is too large.
func (s *store) read(ctx context.Context, key string, limit int64) ([]byte, error) {
	content, err := s.client.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	return io.ReadAll(io.LimitReader(content, limit+1))
}

// unlock asks for the keys of backup and journal, and tells how long the answer took.
func (r *run) unlock(ctx context.Context, copies []*copyOf, journal *journalOf) (time.Duration, error) {
	header, err := firstHeader(ctx, copies)
	if err != nil {
		return 0, err
	}
	names := journal.names()
	headers := [][]byte{header}
	for _, name := range names {
		wrapped, err := age.ExtractHeader(strings.NewReader(string(journal.wrapped[name])))
		if err != nil {
			return 0, fmt.Errorf("the key of the erasure journal is no age file: %w", err)
		}
		headers = append(headers, wrapped)
	}
	asked := time.Now()
	identities, err := r.Keys.Open(ctx, headers, r.box)
	if err != nil {
		return 0, err
	}
	waited := time.Since(asked)
	for _, c := range copies {
		c.key = identities[0]
	}
	for i, name := range names {
		if err := journal.unlock(name, identities[i+1]); err != nil {
			return 0, err
		}
	}
	return waited, nil
}

// firstHeader reads the age header of the first copy that has one; all copies are the same file.
func firstHeader(ctx context.Context, copies []*copyOf) ([]byte, error) {
	var failures []error
	for _, c := range copies {
		header, err := headerOf(ctx, c.store.client, c.object(), fmt.Errorf("store %s: the copy is no age file", c.store.Name))
		if err == nil {
			return header, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

// headerOf reads the age header of an object; broken is the error when it has none.
func headerOf(ctx context.Context, client *objectstore.Client, key string, broken error) ([]byte, error) {
	const most = 1 << 20
	content, err := client.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	header, err := age.ExtractHeader(bufio.NewReader(io.LimitReader(content, most)))
	if err != nil {
		return nil, broken
	}
	return header, nil
}

// counted is an encrypted file on its way, measured.
type counted struct {
	content io.ReadCloser
	digest  hash.Hash
	size    int64
}

func fetch(ctx context.Context, client *objectstore.Client, key string) (*counted, error) {
	content, err := client.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	return &counted{content: content, digest: sha256.New()}, nil
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.content.Read(p)
	c.digest.Write(p[:n])
	c.size += int64(n)
	return n, err
}

// rest reads what is left and gives the digest of the whole.
func (c *counted) rest() (digest string, err error) {
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{c}, make([]byte, 64<<10)); err != nil {
		return "", err
	}
	return hex.EncodeToString(c.digest.Sum(nil)), nil
}

// verify reads what is left and holds the whole against the manifest.
func (c *counted) verify(of *copyOf) error {
	digest, err := c.rest()
	if err != nil {
		return err
	}
	if c.size != of.manifest.Size || digest != of.manifest.SHA256 {
		return objectstore.Corrupt(of.store.Name, of.object())
	}
	return nil
}
