// SPDX-License-Identifier: Apache-2.0

// Package archive hands records under a statutory period over to the region's archives (T8): each record encrypted to
// the tenant's recipients, locked until its own date, read back from every archive; then, and only then, the database
// takes the receipt that lets its purge delete the record. What is due is decided in the database; the role that hands
// over can read that and nothing else.
package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/retention"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	// page is how many numbers of due records are asked for at once.
	page = 200
	// purgeBatch is small, since a purge looks at each record once more, and a document can be large.
	purgeBatch = 100
)

// ErrUnfinished tells that something due was not handed over, or not deleted.
var ErrUnfinished = errors.New("not everything that is due was handed over")

// Options of a hand-over.
type Options struct {
	Settings settings.Archive
	// Config connects as the tenant's archive role.
	Config *pgx.ConnConfig
	// Keys gives the credentials of the tenant's writer at an archive.
	Keys backup.StoreKeys
	// TimeBudget after which no further record is begun; zero means none.
	TimeBudget time.Duration
	// Log is told of each category; nil means nobody is.
	Log *slog.Logger
}

// Report is what a run did. It holds no personal data.
type Report struct {
	Categories []Category `json:"categories"`
}

// Category is what became of the due records of one category.
type Category struct {
	Name v1alpha1.Category `json:"name"`
	// HandedOver is how many records every archive has shown; Failed how many it has not, and why the first was not.
	HandedOver int64  `json:"handedOver"`
	Failed     int64  `json:"failed,omitempty"`
	Failure    string `json:"failure,omitempty"`
	// Removed are the records that were deleted after they were handed over.
	Removed int64 `json:"removed"`
}

// Run hands over what is due, oldest first, and then has what was handed over deleted. A record that fails stays and is
// tried by the next run; it keeps no other from being handed over.
func Run(ctx context.Context, options Options) (Report, error) {
	r := &run{Options: options}
	if r.Log == nil {
		r.Log = slog.New(slog.DiscardHandler)
	}
	if options.TimeBudget > 0 {
		r.deadline = time.Now().Add(options.TimeBudget)
	}
	var err error
	if r.recipients, err = backup.ParseRecipients(options.Settings.Recipients); err != nil {
		return Report{}, err
	}
	if len(options.Settings.Stores) == 0 {
		return Report{}, errors.New("there is no archive to hand over to: the region must declare one in spec.archives")
	}
	r.open(ctx)
	if r.conn, err = retention.Connect(ctx, options.Config); err != nil {
		return Report{}, err
	}
	defer retention.Disconnect(ctx, r.conn)
	categories, err := r.categories(ctx)
	if err != nil {
		return Report{}, err
	}
	var report Report
	var failures []error
	for _, name := range categories {
		done, err := r.category(ctx, name)
		failures = append(failures, err)
		report.Categories = append(report.Categories, done)
	}
	failures = append(failures, r.purge(ctx, &report))
	return report, errors.Join(failures...)
}

// run is one hand-over.
type run struct {
	Options
	conn       *pgx.Conn
	recipients []age.Recipient
	archives   []archive
	deadline   time.Time
}

// archive is one of those that must show a record; err says why it cannot be asked at all.
type archive struct {
	settings.Store
	client *objectstore.Client
	err    error
}

// open finds out whether each archive answers and can lock, before anything is encrypted for it.
func (r *run) open(ctx context.Context) {
	for _, store := range r.Settings.Stores {
		a := archive{Store: store}
		var (
			locks bool
			err   error
		)
		a.client, err = r.Keys.Open(store, r.Settings.DataID, 0)
		if err == nil {
			if locks, err = a.client.Locks(ctx); err == nil && !locks {
				err = objectstore.LockIgnored(store.Name, "bucket "+store.Bucket)
			}
		}
		if err != nil {
			a.fail(err)
		}
		r.archives = append(r.archives, a)
	}
}

// fail keeps the rest of the run from waiting for an archive once more.
func (a *archive) fail(err error) { a.client, a.err = nil, err }

// categories asks the schema which rules hand over now.
func (r *run) categories(ctx context.Context) ([]v1alpha1.Category, error) {
	rows, err := r.conn.Query(ctx, "SELECT category FROM retention_audit() WHERE action = $1 AND (suspended_until IS NULL OR suspended_until <= now()) ORDER BY category", v1alpha1.ActionArchive)
	if err != nil {
		return nil, fmt.Errorf("reading what is to be handed over: %w", retention.Scrub(err))
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[v1alpha1.Category])
	if err != nil {
		return nil, fmt.Errorf("reading what is to be handed over: %w", retention.Scrub(err))
	}
	return names, nil
}

// place is where a due record is. A record that was changed is at another, and is left for the next run.
type place struct {
	Number int64
	Place  string
	Begun  time.Time
}

// category hands over what is due in one category, a page of places at a time.
func (r *run) category(ctx context.Context, name v1alpha1.Category) (Category, error) {
	done := Category{Name: name}
	last := place{Begun: time.Unix(0, 0)}
	for {
		rows, err := r.conn.Query(ctx, "SELECT number, place::text, begun FROM archive_due($1, $2, $3, $4)", name, page, last.Begun, last.Number)
		if err != nil {
			return done, fmt.Errorf("reading what is due of %s: %w", name, retention.Scrub(err))
		}
		due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
		if err != nil {
			return done, fmt.Errorf("reading what is due of %s: %w", name, retention.Scrub(err))
		}
		for _, record := range due {
			if !r.deadline.IsZero() && !time.Now().Before(r.deadline) {
				return done, fmt.Errorf("%s: %w: time ran out", name, ErrUnfinished)
			}
			if err := r.record(ctx, &done, record); err != nil {
				return done, err
			}
			last = record
		}
		if len(due) < page {
			r.Log.Info("category handed over", "category", name, "records", done.HandedOver, "failed", done.Failed, "failure", done.Failure)
			if done.Failed > 0 {
				return done, fmt.Errorf("%s: %w: %d records wait, the first for %s", name, ErrUnfinished, done.Failed, done.Failure)
			}
			return done, nil
		}
	}
}

// record hands one record over and counts it. Its error is one of the database's, which ends the category; an archive's
// is noted with the record.
func (r *run) record(ctx context.Context, done *Category, at place) error {
	handed, err := r.handOver(ctx, done.Name, at)
	var failed *archiveError
	switch {
	case errors.As(err, &failed):
		if done.Failed++; done.Failure == "" {
			done.Failure = failed.word()
		}
		r.Log.Warn("a record stays, since an archive did not take it", "category", done.Name, "error", failed)
		_, err = r.conn.Exec(ctx, "SELECT archive_failed($1, $2, $3)", done.Name, at.Number, failed.word())
		return wrap(done.Name, err)
	case err != nil:
		return wrap(done.Name, err)
	case handed:
		done.HandedOver++
	}
	return nil
}

// purge deletes what the archives have, and the appointments that waited for it.
func (r *run) purge(ctx context.Context, report *Report) error {
	only := []v1alpha1.Category{v1alpha1.CategoryAppointment}
	for _, c := range report.Categories {
		only = append(only, c.Name)
	}
	if len(only) == 1 {
		return nil
	}
	left := r.TimeBudget
	if left > 0 {
		// A tenth at least, so that also a hand-over that never comes to its end in time has what it brought deleted.
		left = max(time.Until(r.deadline), r.TimeBudget/10)
	}
	purged, err := retention.Sweep(ctx, r.conn, retention.Options{BatchSize: purgeBatch, Only: only, TimeBudget: left, Log: r.Log})
	for _, p := range purged.Categories {
		for i := range report.Categories {
			if report.Categories[i].Name == p.Name {
				report.Categories[i].Removed = p.Removed
			}
		}
	}
	return err
}

func wrap(category v1alpha1.Category, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("handing over %s: %w", category, retention.Scrub(err))
}

// archiveError is what an archive did with a record.
type archiveError struct {
	archive string
	cause   error
}

func (e *archiveError) Error() string { return "archive " + e.archive + ": " + e.cause.Error() }

func (e *archiveError) Unwrap() error { return e.cause }

// word is all of an error that may be kept: the archive's name and the class.
func (e *archiveError) word() string { return e.archive + ": " + string(objectstore.ClassOf(e.cause)) }
