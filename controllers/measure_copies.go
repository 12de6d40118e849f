// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"sync"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/objectstore"
)

// storeName is what may be shown of what a tenant's writer has written.
var storeName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// looksAtOnce bounds the requests a store gets at a time: a fleet's first look must not crowd out backups.
const looksAtOnce = 8

// lookAtCopies reads of each tenant's newest backup what a listing does not tell: its lock, and what its manifest says
// of a restore. It looks again only at what is new or half-way stale, so that a steady fleet costs no store much, and
// takes no more than half of the time that is left: what it does not come to stands as it was, or is not known.
// A look that fails spoils no listing; it stands for itself. What known says is of the round before.
func lookAtCopies(ctx context.Context, c *objectstore.Client, found, known map[string]compliance.Store) {
	if deadline, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	looks := map[string]*compliance.Sample[compliance.Copy]{}
	for dataID, store := range found {
		if len(store.Backups) == 0 {
			continue
		}
		last := known[dataID].Newest
		if !last.Value.Snapshot.Equal(store.Backups[0]) {
			last = compliance.Sample[compliance.Copy]{Value: compliance.Copy{Snapshot: store.Backups[0]}}
		}
		looks[dataID] = &last
	}
	var wg sync.WaitGroup
	turns := make(chan struct{}, looksAtOnce)
	for dataID, look := range looks {
		if standsFor(*look, compliance.CopyEvidenceAge/2) {
			continue
		}
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			// A lock that was seen cannot be taken back: a look that fails takes nothing from one that is not stale.
			if now := lookAtCopy(ctx, c, dataID, *look); now.Err == nil || !standsFor(*look, compliance.CopyEvidenceAge) {
				*look = now
			}
		})
	}
	wg.Wait()
	for dataID, look := range looks {
		store := found[dataID]
		store.Newest = *look
		found[dataID] = store
	}
}

func standsFor(look compliance.Sample[compliance.Copy], age time.Duration) bool {
	return look.Err == nil && !look.At.IsZero() && time.Since(look.At).Abs() < age
}

// lookAtCopy looks at one backup. A manifest that was read once is not read again: it does not change.
func lookAtCopy(ctx context.Context, c *objectstore.Client, dataID string, last compliance.Sample[compliance.Copy]) compliance.Sample[compliance.Copy] {
	look := compliance.Sample[compliance.Copy]{Value: compliance.Copy{Snapshot: last.Value.Snapshot, Shown: last.Value.Shown}, At: time.Now()}
	info, err := c.Stat(ctx, objectstore.Key(dataID+"/", last.Value.Snapshot, objectstore.KindDump), "")
	if err == nil {
		look.Value.LockMode, look.Value.LockedUntil = info.LockMode, info.LockedUntil
		if look.Value.Shown == nil {
			look.Value.Shown, err = readShown(ctx, c, dataID, last.Value.Snapshot)
		}
	}
	look.Err = err
	return look
}

// readShown gives what a manifest says of a restore; nil when it says nothing. A manifest is written by the tenant's own
// writer, so it is held against where it lies.
func readShown(ctx context.Context, c *objectstore.Client, dataID string, snapshot time.Time) (*compliance.Shown, error) {
	key := objectstore.Key(dataID+"/", snapshot, objectstore.KindManifest)
	content, err := c.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	defer func() { _ = content.Close() }()
	raw, err := io.ReadAll(io.LimitReader(content, backup.ManifestLimit+1))
	if err != nil {
		return nil, err
	}
	m, err := backup.ParseManifest(raw)
	if err == nil && (m.DataID != dataID || !m.SnapshotStart.Equal(snapshot)) {
		err = errors.New("it is that of another backup")
	}
	if err != nil {
		return nil, fmt.Errorf("store %s: %s: %w", c.Name(), key, err)
	}
	if m.Shown == nil || m.Tables <= 0 || m.Tables > math.MaxInt32 || m.Shown.Proof != v1alpha1.RestoreProofListed || !storeName.MatchString(m.Shown.Store) {
		return nil, nil //nolint:nilnil // says nothing we know, and that is no error
	}
	return &compliance.Shown{Proof: m.Shown.Proof, At: m.Shown.At, Store: m.Shown.Store, Tables: m.Tables}, nil
}
