// SPDX-License-Identifier: Apache-2.0

// Package retention runs the purge of one tenant: small batches of what is due, category by category, through functions
// the retention role may only execute. What is due is decided in the database, by its clock and the operator's rules.
package retention

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

const (
	// DefaultBatchSize is the most records one transaction removes.
	DefaultBatchSize = 2000
	// firstBatch is small, since nobody knows yet how fast the server is.
	firstBatch = 500
	smallest   = 25
	// target leaves room below the 300 ms a batch may hold its locks, on a machine that does other work too.
	target  = 75 * time.Millisecond
	closing = 5 * time.Second
)

// ErrUnfinished tells that the time budget ended before everything due was gone.
var ErrUnfinished = errors.New("time ran out before everything that is due was removed")

// Options of a purge.
type Options struct {
	// Config connects as the tenant's retention role.
	Config *pgx.ConnConfig
	// BatchSize is the most records of one transaction; zero means DefaultBatchSize.
	BatchSize int
	// TimeBudget after which no further batch is begun; zero means none.
	TimeBudget time.Duration
	// Only names the categories to purge; none means every one.
	Only []v1alpha1.Category
	// Log is told of each category; nil means nobody is.
	Log *slog.Logger
	// Progress is told after each batch how many records of the category are gone and how many were due at the start;
	// nil means nobody is.
	Progress func(category v1alpha1.Category, removed, due int64)
	// RewriteEvery asks for a rewrite of the storage when the last one is older; zero means none.
	RewriteEvery time.Duration
}

// Report is what a purge did. It holds no personal data.
type Report struct {
	Categories []Category
	Took       time.Duration
	// Rewritten tells that the storage was written anew.
	Rewritten bool
}

// Category is what a purge did in one category.
type Category struct {
	Name v1alpha1.Category
	// Uncovered tells that no rule gives a period, so that nothing may be removed.
	Uncovered bool
	Removed   int64
	Batches   int
	// Longest batch.
	Longest time.Duration
	// Finished tells that nothing due was left but what others held locked.
	Finished bool
	// SuspendedUntil is set when the policy pauses deletion.
	SuspendedUntil *time.Time
	// Left is what was due when the purge looked again at its end: what fell due meanwhile, or others held locked.
	Left int64
}

// Run purges every category the tenant's schema stores. A category that fails does not keep the others from being
// purged; the error names every one that failed, and the report tells what was removed all the same.
func Run(ctx context.Context, options Options) (Report, error) {
	began := time.Now()
	conn, err := Connect(ctx, options.Config)
	if err != nil {
		return Report{}, err
	}
	defer Disconnect(ctx, conn)
	report, err := Sweep(ctx, conn, options)
	if options.RewriteEvery > 0 && err == nil {
		report.Rewritten, err = rewrite(ctx, conn, options.RewriteEvery)
	}
	report.Took = time.Since(began)
	return report, err
}

// Sweep is Run on a connection at hand, and in the transaction it is in, if any. It rewrites no storage.
func Sweep(ctx context.Context, conn *pgx.Conn, options Options) (Report, error) {
	began := time.Now()
	due, err := measure(ctx, conn)
	if err != nil {
		return Report{}, err
	}
	p := &purge{conn: conn, run: newRun(), limit: options.BatchSize, log: options.Log, progress: options.Progress}
	if p.limit <= 0 {
		p.limit = DefaultBatchSize
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if options.TimeBudget > 0 {
		p.deadline = began.Add(options.TimeBudget)
	}
	var (
		report   Report
		failures []error
	)
	for _, d := range due {
		if len(options.Only) > 0 && !slices.Contains(options.Only, d.Category) {
			continue
		}
		category, err := p.category(ctx, d)
		report.Categories = append(report.Categories, category)
		if err != nil {
			failures = append(failures, fmt.Errorf("purging %s: %w", d.Category, err))
			p.log.Error("category failed", "category", d.Category, "removed", category.Removed, "error", err)
		}
	}
	failures = append(failures, readBack(ctx, conn, &report))
	report.Took = time.Since(began)
	return report, errors.Join(failures...)
}

// readBack looks what is due now, since that a purge succeeded is no evidence (invariant 7). It also leaves the indexes
// knowing of what is gone, so that the next audit passes it quickly.
func readBack(ctx context.Context, conn *pgx.Conn, report *Report) error {
	due, err := measure(ctx, conn)
	for _, d := range due {
		for i := range report.Categories {
			if report.Categories[i].Name == d.Category {
				report.Categories[i].Left = d.Due
			}
		}
	}
	return err
}

// purge is one run over all categories.
type purge struct {
	conn     *pgx.Conn
	run      string
	limit    int
	deadline time.Time
	log      *slog.Logger
	progress func(v1alpha1.Category, int64, int64)
}

// category removes what is due, one transaction a batch, whose size follows the time the last one took.
func (p *purge) category(ctx context.Context, due Due) (Category, error) {
	name := due.Category
	done, size := Category{Name: name, Uncovered: due.Period == 0, SuspendedUntil: due.SuspendedUntil}, min(firstBatch, p.limit)
	if done.SuspendedUntil != nil {
		p.log.Warn("deletion is suspended", "category", name, "until", *done.SuspendedUntil)
		return done, nil
	}
	for {
		if !p.deadline.IsZero() && !time.Now().Before(p.deadline) {
			return done, ErrUnfinished
		}
		var removed *int64
		began := time.Now()
		if err := p.conn.QueryRow(ctx, "SELECT purge($1, $2, $3::text::uuid)", string(name), size, p.run).Scan(&removed); err != nil {
			return done, Scrub(err)
		}
		took := time.Since(began)
		if removed == nil {
			p.log.Warn("no rule covers this category", "category", name)
			return done, nil
		}
		done.Removed += *removed
		done.Batches++
		done.Longest = max(done.Longest, took)
		if p.progress != nil {
			p.progress(name, done.Removed, max(due.Due, done.Removed))
		}
		if *removed < int64(size) {
			done.Finished = true
			p.log.Info("category purged", "category", name, "removed", done.Removed, "batches", done.Batches, "longest", done.Longest.String())
			return done, nil
		}
		size = nextSize(size, p.limit, took)
	}
}

// nextSize aims at the target, growing at most twofold.
func nextSize(size, limit int, took time.Duration) int {
	wanted := 2 * size
	if took > 0 {
		wanted = int(min(float64(wanted), float64(size)*float64(target)/float64(took)))
	}
	return min(max(wanted, smallest), limit)
}

// Due is what a purge would find in one category.
type Due struct {
	Category v1alpha1.Category
	// Period is zero and Action empty when no rule covers the category.
	Period time.Duration
	Action v1alpha1.Action
	// Stored records, a large table's counted up to 1,000, and those past their period that no hold keeps.
	Stored, Due int64
	// Held is the number of holds.
	Held int64
	// Oldest start event, nil when nothing is stored.
	Oldest *time.Time
	// SuspendedUntil is set while the policy pauses deletion.
	SuspendedUntil *time.Time
}

// DryRun counts what a purge would remove now, and removes nothing.
func DryRun(ctx context.Context, config *pgx.ConnConfig) ([]Due, error) {
	conn, err := Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	defer Disconnect(ctx, conn)
	return measure(ctx, conn)
}

// measure asks the schema for its categories, so that an operand one release older still purges what it does not know.
// A category that has neither rule nor record is no business of a purge. Appointments come last: their contacts and mail go by rules of their own first.
func measure(ctx context.Context, conn *pgx.Conn) ([]Due, error) {
	rows, err := conn.Query(ctx, `SELECT category, coalesce(period, interval '0'), coalesce(action, ''), stored, due, held, oldest,
			CASE WHEN suspended_until > now() THEN suspended_until END
		FROM retention_audit() WHERE period IS NOT NULL OR stored > 0 ORDER BY category = 'Appointment', category`)
	if err != nil {
		return nil, fmt.Errorf("reading what is due: %w", Scrub(err))
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Due])
	if err != nil {
		return nil, fmt.Errorf("reading what is due: %w", Scrub(err))
	}
	if len(due) == 0 || !slices.ContainsFunc(due, func(d Due) bool { return d.Period > 0 }) {
		return nil, errors.New("the schema has no retention rule at all")
	}
	return due, nil
}

// rewrite writes the tables anew, which locks each for as long as it takes: the role's timeout of a statement would cut
// a large one short.
func rewrite(ctx context.Context, conn *pgx.Conn, every time.Duration) (done bool, err error) {
	if _, err = conn.Exec(ctx, "SET statement_timeout = 0"); err == nil {
		err = conn.QueryRow(ctx, "SELECT rewrite_storage(make_interval(secs => $1))", every.Seconds()).Scan(&done)
	}
	if err != nil {
		return false, fmt.Errorf("rewriting the storage: %w", Scrub(err))
	}
	return done, nil
}

// Connect opens a session as one of the tenant's roles; its error quotes no row.
func Connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to database %s as %s: %w", config.Database, config.User, Scrub(err))
	}
	return conn, nil
}

// Disconnect ends a session, also when ctx is over.
func Disconnect(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	_ = conn.Close(ctx)
}

// Scrub keeps the code of a server's error and drops its words, which may quote a row.
func Scrub(err error) error {
	var failure *pgconn.PgError
	if errors.As(err, &failure) {
		return fmt.Errorf("the server refused with SQLSTATE %s", failure.Code)
	}
	return err
}

// newRun names one purge over all its batches, as a random UUID.
func newRun() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
