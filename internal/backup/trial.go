// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
)

// Trial restores a backup where nothing serves and holds every table against what the backup was taken from. One that
// fails spoils no backup: the run has its copies, and says what became of the trial.
type Trial interface {
	// Begin takes away what a killed trial left and tells whether it is time for another: it then gives the name of the
	// snapshot to dump, and an empty one when it is not.
	Begin(ctx context.Context) (snapshot string, err error)
	// Restore restores and compares.
	Restore(ctx context.Context, of Tried) (*Restored, error)
	// End leaves nothing behind.
	End(ctx context.Context) error
}

// Tried is the backup of a trial, as a store gave it.
type Tried struct {
	// Open begins to fetch it. Who opens it reads it at once: a store's patience with a stream nobody reads is short.
	Open          func(context.Context) (io.ReadCloser, error)
	Key           age.Identity
	SchemaVersion int64
	SnapshotStart time.Time
}

// Restored is what a trial restored and found equal, row by row.
type Restored struct {
	Tables int   `json:"tables"`
	Rows   int64 `json:"rows"`
	// Seconds it took, counting what it was compared with.
	Seconds float64 `json:"seconds"`
}

// beginTrial comes right before the dump. Without a snapshot there is no trial.
func (j *job) beginTrial(ctx context.Context) {
	if j.Trial == nil {
		return
	}
	if j.snapshot, j.trialErr = j.Trial.Begin(ctx); j.trialErr != nil {
		j.trialErr = fmt.Errorf("preparing to restore the backup on trial: %w", j.trialErr)
	}
}

// tryRestore restores the copy that was just read back.
func (j *job) tryRestore(ctx context.Context, from *target, p *proof) {
	if j.snapshot == "" {
		return
	}
	open := func(ctx context.Context) (io.ReadCloser, error) {
		return from.client.GetVersion(ctx, from.dumpKey(*j.result.SnapshotStart), from.versionID)
	}
	var err error
	if j.result.Restored, err = j.Trial.Restore(ctx, Tried{open, p.identity, j.schemaVersion, *j.result.SnapshotStart}); err != nil {
		j.trialErr = fmt.Errorf("restoring the backup on trial: %w", err)
	}
}

// endTrial runs whatever became of the backup, and of the time it had.
func (j *job) endTrial(ctx context.Context) {
	if j.Trial == nil {
		return
	}
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := j.Trial.End(ctx); err != nil && j.trialErr == nil {
		j.trialErr = fmt.Errorf("clearing up after a restore on trial: %w", err)
	}
}
