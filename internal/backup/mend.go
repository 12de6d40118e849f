// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/termintreu/termintreu/internal/objectstore"
)

// settled is how old a backup is before a copy that is not there is missing, and not on its way: longer than a job runs.
const settled = 2 * time.Hour

var errNoGoodCopy = errors.New("no other store has a good copy of it")

// mend makes good what stores have lost of backups that are still to be kept.
func (j *job) mend(ctx context.Context) error {
	e, err := j.expiry()
	if err != nil {
		return nil //nolint:nilerr // expire has said so
	}
	j.each(func(t *target) {
		if t.err == nil {
			t.err = t.uncover(ctx, e)
		}
		if t.err == nil {
			t.held, t.err = t.holds(ctx)
		}
	})
	failures := j.storeErrors()
	for _, t := range j.targets {
		if t.err != nil {
			t.MendError = objectstore.ClassOf(t.err)
		}
	}
	for _, start := range j.wanted(e) {
		for _, t := range j.targets {
			if t.err != nil || t.held[start] {
				continue
			}
			if err := j.mendCopy(ctx, t, start, e); err != nil {
				t.MendError = objectstore.ClassOf(err)
				failures = append(failures, fmt.Errorf("mending the copy of %s: %w", start.Format(objectstore.KeyTime), err))
				continue
			}
			t.Mended++
			t.held[start] = true
		}
	}
	return errors.Join(failures...)
}

// uncover takes delete markers off backups that are not due. Nobody of ours sets one: what lies beneath is a good copy
// somebody hid, and some stores (Versity Gateway 1.8 with --sidecar) make a marker of whatever is written over one.
func (t *target) uncover(ctx context.Context, e expiry) error {
	var markers []objectstore.Version
	err := t.client.ListVersions(ctx, t.prefix, func(v objectstore.Version) error {
		_, start, kind, ours := objectstore.ParseKey(v.Key)
		live := ours && kind != objectstore.KindUpload && !e.due(start) || v.Journal() && !e.goes(v)
		if v.DeleteMarker && live {
			markers = append(markers, v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, marker := range markers {
		if err := t.client.DeleteVersion(ctx, marker.Key, marker.VersionID); err != nil {
			return err
		}
		t.Uncovered++
	}
	return nil
}

// holds tells the backups a store has whole.
func (t *target) holds(ctx context.Context) (map[time.Time]bool, error) {
	counter := objectstore.NewCounter()
	err := t.client.ListVersions(ctx, t.prefix, func(v objectstore.Version) error {
		counter.Add(v)
		return nil
	})
	held := map[time.Time]bool{}
	for _, b := range counter.Inventory().Backups {
		held[b.SnapshotStart] = true
	}
	return held, err
}

// wanted are the backups that lie at one store at least and must lie at all, newest first: what would be missed most is
// mended first.
func (j *job) wanted(e expiry) (starts []time.Time) {
	for _, t := range j.targets {
		for start := range t.held {
			if !e.due(start) && !start.Add(settled).After(e.now) && !slices.Contains(starts, start) {
				starts = append(starts, start)
			}
		}
	}
	slices.SortFunc(starts, func(a, b time.Time) int { return b.Compare(a) })
	return starts
}

// mendCopy tries the stores that have the backup, one after the other, until one gives what its manifest says.
func (j *job) mendCopy(ctx context.Context, to *target, start time.Time, e expiry) error {
	able, err := to.client.Locks(ctx)
	if err != nil {
		return err
	}
	to.askForLock(able, start, e)
	failures, ended := []error{errNoGoodCopy}, error(nil)
	for _, from := range j.targets {
		if from == to || from.err != nil || !from.held[start] {
			continue
		}
		m, err := from.manifest(ctx, start)
		if err == nil {
			from.versionID = ""
			err = transfer(ctx, from, to, m)
			// Who mends may delete, and so leaves no record of its upload behind, as a writer must. That one stays is to be
			// told, but no reason to copy all of a good copy once more.
			ended = errors.Join(ended, to.client.EndUpload(ctx, to.recordKey(start), to.dumpKey(start)))
		}
		if err == nil {
			return errors.Join(to.ignored, ended)
		}
		failures = append(failures, err)
	}
	return errors.Join(append(failures, ended)...)
}

// manifest of a backup, as the store has it.
func (t *target) manifest(ctx context.Context, start time.Time) (Manifest, error) {
	content, err := t.client.Get(ctx, t.manifestKey(start))
	if err != nil {
		return Manifest{}, err
	}
	defer func() { _ = content.Close() }()
	raw, err := io.ReadAll(io.LimitReader(content, ManifestLimit+1))
	if err != nil {
		return Manifest{}, err
	}
	m, err := ParseManifest(raw)
	if err != nil {
		return Manifest{}, fmt.Errorf("store %s: %s: %w", t.Name, t.manifestKey(start), err)
	}
	return *m, nil
}
