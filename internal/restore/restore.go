// SPDX-License-Identifier: Apache-2.0

// Package restore brings a tenant's backup back without bringing back who was erased (invariant 5):
//
//	fetch → age → zstd → pg_restore → COPY into quarantine → purge → replay the erasure journal → prove → record
//
// Of a backup only data is taken, never a statement: it is encrypted to public keys, so that whoever can write to a
// store can make one. The swap is the operator's, when the job has recorded its proof (internal/postgres, FinishRestore).
package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
)

// Options of a restore. All but Program, Log and Timeout are needed.
type Options struct {
	Settings settings.Restore
	// Credentials of the role that owns the quarantine.
	Credentials settings.Credentials
	Stores      backup.StoreKeys
	// Keys opens the backup: an Identity, or a Challenge.
	Keys Keys
	// Program is pg_restore; that of PATH when empty.
	Program string
	Log     *slog.Logger
	// Timeout of one request to a store; a default when zero.
	Timeout time.Duration
}

// Keys opens age files by their headers.
type Keys interface {
	// Open gives for each header an identity that opens its file.
	Open(ctx context.Context, headers [][]byte, box *Box) ([]age.Identity, error)
}

// Result of a restore. It holds no personal data: opaque names, sizes, times, counts.
type Result struct {
	Source        string    `json:"source"`
	SnapshotStart time.Time `json:"snapshotStart"`
	Store         string    `json:"store"`
	Size          int64     `json:"size"`
	SHA256        string    `json:"sha256"`
	// Rows loaded, by table.
	Rows map[string]int64 `json:"rows"`
	// Purged records, by category: past their period since the backup was taken.
	Purged map[string]int64 `json:"purged,omitempty"`
	// Erased records: found again although somebody had asked for their erasure. Journal is how many entries were read.
	Erased  int64 `json:"erased"`
	Journal int   `json:"journal"`
	// Overdue and Hits are what was counted afterwards; a restore with any is not finished.
	Overdue int64 `json:"overdue"`
	Hits    int64 `json:"hits"`
	// KeyProven tells that the holder of the key answered a challenge offline.
	KeyProven bool `json:"keyProven,omitempty"`
	// Seconds from the first byte fetched to the proof, without the time a challenge waited for its answer.
	Seconds float64 `json:"seconds"`
}

// Steps of a restore, as the letter box shows them.
const (
	StepFetching  = "Fetching"
	StepWaiting   = "WaitingForKey"
	StepLoading   = "Loading"
	StepPurging   = "Purging"
	StepReplaying = "Replaying"
	StepProven    = "Proven"
)

// run is one restore.
type run struct {
	Options
	conn   *pgx.Conn
	box    *Box
	stores []*store
	result Result
	// rulesLike is the table of periods a trial makes its own like; the quarantine has the operator's.
	rulesLike pgx.Identifier
}

// Run restores into the quarantine and records the proof there. Nothing outside the quarantine is touched, whatever
// happens. The error is left in the letter box too.
func Run(ctx context.Context, options Options) (Result, error) {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	r := &run{Options: options}
	r.result.Source = options.Settings.Source
	config, err := r.config()
	if err != nil {
		return Result{}, err
	}
	if r.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return Result{}, fmt.Errorf("connecting to the quarantine of %s: %w", options.Settings.DataID, scrub(err))
	}
	defer func() { _ = r.conn.Close(context.WithoutCancel(ctx)) }()
	r.box = &Box{conn: r.conn}
	if err = r.work(ctx); err != nil {
		err = fmt.Errorf("restoring %s: %w", options.Settings.DataID, err)
		return Result{}, errors.Join(err, r.box.fail(context.WithoutCancel(ctx), config, err))
	}
	return r.result, nil
}

func (r *run) config() (*pgx.ConnConfig, error) {
	return quarantineConfig(r.Settings.Database, r.Settings.DataID, r.Credentials, "termintreu restore")
}

// quarantineConfig is how a job connects to the quarantine of a tenant.
func quarantineConfig(database settings.Database, dataID string, credentials settings.Credentials, application string) (*pgx.ConnConfig, error) {
	database.Schema = postgres.QuarantineOf(dataID).Schema
	config, err := postgres.OperandConfig(database, credentials)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["application_name"] = application
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["maintenance_work_mem"] = "64MB"
	return config, nil
}

func (r *run) work(ctx context.Context) error {
	if err := r.box.step(ctx, StepFetching); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	copies, err := r.choose(ctx)
	if err != nil {
		return err
	}
	journal, err := r.readJournal(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	waited, err := r.unlock(ctx, copies, journal)
	if err != nil {
		return err
	}
	_, r.result.KeyProven = r.Keys.(Challenge)
	if err := r.load(ctx, copies); err != nil {
		return err
	}
	if err := r.purge(ctx); err != nil {
		return err
	}
	if err := r.replay(ctx, journal); err != nil {
		return err
	}
	if err := analyse(ctx, r.conn); err != nil {
		return err
	}
	if err := r.prove(ctx, journal); err != nil {
		return err
	}
	r.result.Seconds = (time.Since(began) - waited).Seconds()
	return r.box.record(ctx, r.result)
}
