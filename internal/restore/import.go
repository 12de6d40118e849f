// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/retention"
	"github.com/termintreu/termintreu/internal/settings"
)

// ImportOptions of an import. All but Timeout are needed.
type ImportOptions struct {
	Settings settings.Import
	// Credentials of the role that owns the quarantine.
	Credentials settings.Credentials
	Stores      backup.StoreKeys
	// Keys opens the export: an Identity, or a Challenge.
	Keys Keys
	// Timeout of one request to a store; a default when zero.
	Timeout time.Duration
}

// Imported is what an import came to. It holds no personal data: opaque names, sizes, counts.
type Imported struct {
	Store  string `json:"store"`
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Records by entity, as many and the same as the export holds.
	Records map[string]int64 `json:"records"`
	// Purged records, by category: past their period by now.
	Purged map[string]int64 `json:"purged,omitempty"`
	// Overdue is what was counted afterwards; an import with any is not finished.
	Overdue int64 `json:"overdue"`
	// Seconds from the first byte fetched to the proof, without the time a challenge waited for its answer.
	Seconds float64 `json:"seconds"`
}

// intake is one import.
type intake struct {
	ImportOptions
	conn   *pgx.Conn
	box    *Box
	client *objectstore.Client
	result Imported
}

// Import takes an export into the quarantine of a new tenant: stored, read back the same, purged and counted in one
// transaction, so that of an import that failed nothing is left. The swap is the operator's. The error is left in the
// letter box too; its sentences quote no record.
func Import(ctx context.Context, options ImportOptions) (Imported, error) {
	i := &intake{ImportOptions: options}
	config, err := quarantineConfig(options.Settings.Database, options.Settings.DataID, options.Credentials, "termintreu import")
	if err != nil {
		return Imported{}, err
	}
	if i.conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return Imported{}, fmt.Errorf("connecting to the quarantine of %s: %w", options.Settings.DataID, scrub(err))
	}
	defer func() { _ = i.conn.Close(context.WithoutCancel(ctx)) }()
	i.box = &Box{conn: i.conn}
	if err := i.work(ctx); err != nil {
		return Imported{}, errors.Join(err, i.box.fail(context.WithoutCancel(ctx), config, err))
	}
	return i.result, nil
}

func (i *intake) work(ctx context.Context) error {
	if err := i.box.step(ctx, StepFetching); err != nil {
		return err
	}
	identity, err := i.unlock(ctx)
	if err != nil {
		return err
	}
	if err := i.box.step(ctx, StepLoading); err != nil {
		return err
	}
	// What an attempt before was killed with is rolled back; what one has proven that nobody swapped goes here.
	if _, err := i.conn.Exec(ctx, emptySQL); err != nil {
		return fmt.Errorf("emptying the quarantine: %w", scrub(err))
	}
	if err := postgres.BuildSchema(ctx, i.conn, postgres.SchemaVersion); err != nil {
		return fmt.Errorf("making the tables: %w", scrub(err))
	}
	return i.load(ctx, identity)
}

// unlock opens the header of the export, so that a wrong key is found before anything is fetched.
func (i *intake) unlock(ctx context.Context) (_ age.Identity, err error) {
	if i.client, err = i.Stores.OpenAny(i.Settings.Source, i.Timeout); err != nil {
		return nil, err
	}
	header, err := headerOf(ctx, i.client, i.Settings.Key,
		fmt.Errorf("%s at store %s is no age file: put the export there as the old place wrote it, encrypted", i.Settings.Key, i.Settings.Source.Name))
	if err != nil {
		return nil, err
	}
	opened, err := i.Keys.Open(ctx, [][]byte{header}, i.box)
	if errors.Is(err, errWrongKey) {
		return nil, errors.New("the identity does not open the export: give the secret key of one of the recipients it was made for")
	}
	if err != nil {
		return nil, err
	}
	return opened[0], nil
}

// load stores, proves and records in one transaction.
func (i *intake) load(ctx context.Context, identity age.Identity) error {
	began := time.Now()
	file, err := fetch(ctx, i.client, i.Settings.Key)
	if err != nil {
		return err
	}
	defer func() { _ = file.content.Close() }()
	content, err := export.Open(file, identity)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	_, err = export.Import(ctx, i.conn, content, export.Into{
		Offices: i.Settings.Offices, Services: i.Settings.Services,
		Prove: func(ctx context.Context, manifest *export.Manifest) error {
			if err := i.verify(file); err != nil {
				return err
			}
			if err := i.prove(ctx, manifest); err != nil {
				return err
			}
			i.result.Seconds = time.Since(began).Seconds()
			return i.box.record(ctx, i.result)
		},
	})
	return err
}

// verify reads what is left of the file, and holds the whole against the digest the tenant names: whoever may write to
// the store can put another file there.
func (i *intake) verify(file *counted) (err error) {
	if i.result.SHA256, err = file.rest(); err != nil {
		return err
	}
	i.result.Store, i.result.Key, i.result.Size = i.Settings.Source.Name, i.Settings.Key, file.size
	if i.result.SHA256 != i.Settings.SHA256 {
		return fmt.Errorf("%s at store %s has SHA-256 %s, and spec.bootstrap.import.sha256 names another: put the very file there, or correct the digest",
			i.result.Key, i.result.Store, i.result.SHA256)
	}
	return nil
}

// prove purges what is past its period by the rules of this place, then counts: nothing overdue comes in (invariant 3).
func (i *intake) prove(ctx context.Context, manifest *export.Manifest) error {
	i.result.Records = map[string]int64{}
	for _, records := range manifest.Records {
		if records.Count > 0 {
			i.result.Records[records.Entity] = records.Count
		}
	}
	// The planner knows nothing yet of what this transaction has stored.
	if _, err := i.conn.Exec(ctx, "ANALYZE appointment, contact, mail_outbox, message, attachment, access_log"); err != nil {
		return fmt.Errorf("analysing what was imported: %w", scrub(err))
	}
	report, err := retention.Sweep(ctx, i.conn, retention.Options{})
	if err != nil {
		return fmt.Errorf("purging what was imported: %w", err)
	}
	i.result.Purged = purgedOf(report)
	if err := analyse(ctx, i.conn); err != nil {
		return err
	}
	if i.result.Overdue, err = overdue(ctx, i.conn); err != nil {
		return err
	}
	if i.result.Overdue > 0 {
		return fmt.Errorf("%d records of the export are past their period, and the purge did not remove them: end the suspension of the policy, or see which rule is missing", i.result.Overdue)
	}
	return nil
}
