// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/termintreu/termintreu/internal/objectstore"
)

// abandonedAfter is how long an unfinished upload may be under way before it counts as left by a killed run.
const abandonedAfter = 6 * time.Hour

var errStillThere = errors.New("what was deleted is still listed")

// expiry is the rule: a backup is gone, with all its versions, by the start of its snapshot plus the period. What falls
// due before the next run goes in this one. The newest backup is no exception: keeping "the last one before the window"
// would make the true period one interval longer.
type expiry struct {
	now           time.Time
	period, ahead time.Duration
}

func (j *job) expiry() (expiry, error) {
	period, err := j.Settings.Period.Duration()
	if err != nil {
		return expiry{}, fmt.Errorf("the backup period: %w", err)
	}
	e := expiry{now: j.Now(), period: period}
	if j.Settings.ExpireAhead == "" {
		return e, nil
	}
	if e.ahead, err = j.Settings.ExpireAhead.Duration(); err != nil {
		return expiry{}, fmt.Errorf("the interval of expiry: %w", err)
	}
	if e.ahead >= e.period {
		return expiry{}, fmt.Errorf("backups live %s and expiry comes every %s, so none would ever be kept: back up more often, or keep backups for longer",
			j.Settings.Period, j.Settings.ExpireAhead)
	}
	return e, nil
}

func (e expiry) due(start time.Time) bool { return !start.Add(e.period - e.ahead).After(e.now) }

// abandoned tells whether an upload that is still unfinished was left by a killed run.
func (e expiry) abandoned(start time.Time) bool {
	return e.due(start) || !start.Add(abandonedAfter).After(e.now)
}

func (e expiry) goes(v objectstore.Version) bool {
	if strings.HasSuffix(v.Key, string(objectstore.KindUpload)) {
		return e.abandoned(v.Start())
	}
	// An entry of the journal has outlived every backup that could hold whom it names (B1).
	if v.Journal() {
		return e.due(v.Start().Add(objectstore.JournalExtra))
	}
	return e.due(v.Start())
}

// Expire deletes what is past its period at every store, ends what killed runs left unfinished, and mends what a store
// lost: it takes away delete markers over live backups, and copies a backup from a store that has it to one that has
// it not. Deleting comes first, and goes on whatever else is broken.
func Expire(ctx context.Context, options Options) (Result, error) {
	j := newJob(options)
	if err := j.expire(ctx); err != nil {
		return *j.result, errors.Join(err, j.mend(ctx))
	}
	return *j.result, j.mend(ctx)
}

// expire deletes what is past its period at every store; one store that fails does not keep the others from it.
func (j *job) expire(ctx context.Context) error {
	e, err := j.expiry()
	if err != nil {
		return err
	}
	failures := make(chan error, len(j.targets))
	j.each(func(t *target) {
		if t.client == nil {
			// Its own error was reported where it was opened, or is here.
			t.ExpiryError = objectstore.ClassInternal
			failures <- fmt.Errorf("expiring: %w", t.err)
			return
		}
		var err error
		if t.Expired, err = expireStore(ctx, t, e); err != nil {
			t.ExpiryError = objectstore.ClassOf(err)
		}
		failures <- err
	})
	close(failures)
	var all []error
	for failure := range failures {
		all = append(all, failure)
	}
	return errors.Join(all...)
}

// expireStore deletes, then lists again: that a delete succeeded is not evidence.
func expireStore(ctx context.Context, t *target, e expiry) (int, error) {
	gone, err := expired(ctx, t, e)
	if err != nil {
		return 0, err
	}
	deleted := 0
	var failures []error
	for _, v := range gone {
		// One version that cannot be deleted (a lock, a fault) must not keep the next from it.
		if err := deleteVersion(ctx, t, v); err != nil {
			failures = append(failures, err)
			continue
		}
		deleted++
	}
	if len(failures) > 0 {
		return deleted, errors.Join(failures[:min(len(failures), 3)]...)
	}
	if len(gone) == 0 {
		return 0, nil
	}
	left, err := expired(ctx, t, e)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("store %s: %d versions: %w", t.Name, len(left), errStillThere)
	}
	return deleted, err
}

func expired(ctx context.Context, t *target, e expiry) (found []objectstore.Version, err error) {
	err = t.client.ListVersions(ctx, t.prefix, func(v objectstore.Version) error {
		if e.goes(v) {
			found = append(found, v)
		}
		return nil
	})
	return found, err
}

func deleteVersion(ctx context.Context, t *target, v objectstore.Version) error {
	// The record of an unfinished upload goes only after the upload, which nobody could find without it.
	if stem, isUpload := strings.CutSuffix(v.Key, string(objectstore.KindUpload)); isUpload && v.Latest && !v.DeleteMarker {
		return t.client.EndUpload(ctx, v.Key, stem+string(objectstore.KindDump))
	}
	return t.client.DeleteVersion(ctx, v.Key, v.VersionID)
}
