// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
)

// Trial restores a backup into the tenant's scratch schema with the rights of its backup role, and compares each table
// with the snapshot the backup was taken from. No role but that one may read there, and the schema exists no longer
// than the trial; what a killed one left, the next run takes away and the audit tells of.
type Trial struct {
	Database    settings.Database
	Credentials settings.Credentials
	// Every is how old the last proof may become.
	Every time.Duration
	// Program is pg_restore; that of PATH when empty.
	Program string

	// scratch holds the lock that tells the schema is in use; source holds the snapshot.
	scratch, source *pgx.Conn
}

var _ backup.Trial = (*Trial)(nil)

// ErrDiffers tells that what was restored is not what the backup was taken from.
var ErrDiffers = errors.New("what was restored is not what the backup was taken from")

// Begin implements backup.Trial.
func (t *Trial) Begin(ctx context.Context) (snapshot string, err error) {
	if t.scratch, err = t.connect(ctx); err != nil {
		return "", err
	}
	var known, free, due bool
	// A database an operator of an older release prepared has no place for it.
	err = t.scratch.QueryRow(ctx, "SELECT to_regnamespace('termintreu_scratch') IS NOT NULL").Scan(&known)
	if err == nil && known {
		err = t.scratch.QueryRow(ctx, "SELECT termintreu_scratch.clear(), termintreu_scratch.due(make_interval(secs => $1))", t.Every.Seconds()).Scan(&free, &due)
	}
	if err != nil {
		return "", fmt.Errorf("asking database %s for a scratch schema: %w", t.Database.Name, scrub(err))
	}
	if !free || !due {
		return "", t.scratch.Close(ctx) // another run's role may not have many sessions
	}
	if t.source, err = t.connect(ctx); err != nil {
		return "", err
	}
	_, err = t.source.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	if err == nil {
		err = t.source.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&snapshot)
	}
	if err != nil {
		return "", fmt.Errorf("pinning a snapshot of database %s: %w", t.Database.Name, scrub(err))
	}
	return snapshot, nil
}

// connect gives a session that writes values as the other does, so that equal rows are equal texts.
func (t *Trial) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := postgres.OperandConfig(t.Database, t.Credentials)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{
		"application_name": "termintreu restore test", "timezone": "UTC", "datestyle": "ISO", "intervalstyle": "postgres", "bytea_output": "hex",
		"extra_float_digits": "1", "maintenance_work_mem": "64MB", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0",
	} {
		config.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to database %s: %w", t.Database.Name, scrub(err))
	}
	return conn, nil
}

// Restore implements backup.Trial.
func (t *Trial) Restore(ctx context.Context, of backup.Tried) (*backup.Restored, error) {
	began := time.Now()
	if of.SchemaVersion > postgres.SchemaVersion {
		return nil, fmt.Errorf("its tables have version %d and this release knows those up to %d: the next run of the later release tries it", of.SchemaVersion, postgres.SchemaVersion)
	}
	want, tables, err := t.read(ctx)
	if err != nil {
		return nil, err
	}
	// Nothing more is read of the snapshot, which keeps the purge's space from being used again.
	if err := t.source.Close(ctx); err != nil {
		return nil, fmt.Errorf("letting go of the snapshot: %w", scrub(err))
	}
	schema, err := t.fill(ctx, of)
	if err != nil {
		return nil, err
	}
	got, err := sums(ctx, t.scratch, schema)
	if err != nil {
		return nil, err
	}
	// The table of periods is filled beside itself, as the quarantine's is.
	got[postgres.TableRules] = got[postgres.TableRestoredRules]
	result, differing := &backup.Restored{Tables: len(want), Seconds: time.Since(began).Seconds()}, []string(nil)
	for table, sum := range want {
		result.Rows += sum.Rows
		if got[table] != sum {
			differing = append(differing, table)
		}
	}
	if len(differing) > 0 {
		if err := t.stillThere(ctx, tables); err != nil {
			return nil, err
		}
	}
	_, err = t.scratch.Exec(ctx, "SELECT termintreu_scratch.note($1, $2, $3, $4, $5)", of.SnapshotStart, result.Tables, result.Rows, len(differing), result.Seconds)
	if err != nil {
		return nil, fmt.Errorf("noting how the trial came out: %w", scrub(err))
	}
	if len(differing) > 0 {
		slices.Sort(differing)
		return nil, fmt.Errorf("%w, in %d of %d tables: %s", ErrDiffers, len(differing), len(want), strings.Join(differing, ", "))
	}
	return result, nil
}

// read gives the checksums of the snapshot's tables, and their OIDs, partitions included.
func (t *Trial) read(ctx context.Context) (want map[string]sum, tables []uint32, err error) {
	want, err = sums(ctx, t.source, t.Database.Schema)
	if err != nil {
		return nil, nil, err
	}
	err = t.source.QueryRow(ctx, "SELECT array_agg(oid) FROM pg_class WHERE relnamespace = quote_ident($1)::regnamespace AND relkind IN ('r', 'p')", t.Database.Schema).Scan(&tables)
	if err != nil {
		return nil, nil, fmt.Errorf("listing the tables of schema %s: %w", t.Database.Schema, scrub(err))
	}
	return want, tables, nil
}

// errDropped is no difference: the backup has what no snapshot reads any more.
var errDropped = errors.New("a table was dropped while the backup was tried: the next run tries again")

// stillThere fails when one of the tables was dropped since the snapshot, by the purge or a swap: DROP takes the rows
// from under whoever has not locked the table yet, and the copy then has what the source is read without.
func (t *Trial) stillThere(ctx context.Context, tables []uint32) error {
	var there int
	if err := t.scratch.QueryRow(ctx, "SELECT count(*) FROM pg_class WHERE oid = ANY ($1)", tables).Scan(&there); err != nil {
		return fmt.Errorf("looking for the tables of schema %s: %w", t.Database.Schema, scrub(err))
	}
	if there < len(tables) {
		return errDropped
	}
	return nil
}

// fill restores into a new scratch schema, by the way of a restore (load.go), constraints included.
func (t *Trial) fill(ctx context.Context, of backup.Tried) (schema string, err error) {
	var made *string
	if err := t.scratch.QueryRow(ctx, "SELECT termintreu_scratch.make()").Scan(&made); err != nil {
		return "", fmt.Errorf("making the scratch schema: %w", scrub(err))
	}
	if made == nil {
		return "", errors.New("another run of the same tenant has taken the scratch schema")
	}
	if _, err := t.scratch.Exec(ctx, "SELECT set_config('search_path', quote_ident($1) || ', pg_temp', false)", *made); err != nil {
		return "", fmt.Errorf("turning to the scratch schema: %w", scrub(err))
	}
	r := &run{Options: Options{Program: t.Program}, conn: t.scratch, rulesLike: pgx.Identifier{t.Database.Schema, postgres.TableRules}}
	shape, err := r.build(ctx, of.SchemaVersion)
	if err != nil {
		return "", err
	}
	content, err := of.Open(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = content.Close() }()
	if err := r.pipeline(ctx, content, of.Key, shape); err != nil {
		return "", err
	}
	return *made, r.statements(ctx, "putting indexes and constraints back", shape.later)
}

// End implements backup.Trial. Sessions end even where clearing fails, so that the audit sees what is left.
func (t *Trial) End(ctx context.Context) (err error) {
	if t.source != nil {
		_ = t.source.Close(ctx)
	}
	if t.scratch == nil || t.scratch.IsClosed() {
		return nil
	}
	if _, err = t.scratch.Exec(ctx, "SELECT termintreu_scratch.clear()"); err != nil {
		err = fmt.Errorf("dropping the scratch schema: %w", scrub(err))
	}
	return errors.Join(err, t.scratch.Close(ctx))
}

// sum is a table's rows, whatever their order.
type sum struct {
	Rows     int64
	Checksum string
}

// sums reads every table of a schema. Columns go by name, since a schema that was upgraded may have them in another
// order than one that was made at once.
func sums(ctx context.Context, conn *pgx.Conn, schema string) (map[string]sum, error) {
	rows, err := conn.Query(ctx, `SELECT c.relname::text, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname)
		FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		WHERE c.relnamespace = quote_ident($1)::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'goose_db_version'
		GROUP BY c.relname`, schema)
	if err != nil {
		return nil, fmt.Errorf("listing the tables of schema %s: %w", schema, scrub(err))
	}
	columns := map[string]string{}
	var table, list string
	if _, err := pgx.ForEachRow(rows, []any{&table, &list}, func() error { columns[table] = list; return nil }); err != nil {
		return nil, fmt.Errorf("listing the tables of schema %s: %w", schema, scrub(err))
	}
	found := make(map[string]sum, len(columns))
	for table, list := range columns {
		var s sum
		err := conn.QueryRow(ctx, fmt.Sprintf("SELECT count(*), coalesce(sum(hashtextextended(ROW(%s)::text, 0)::numeric), 0)::text FROM %s",
			list, pgx.Identifier{schema, table}.Sanitize())).Scan(&s.Rows, &s.Checksum)
		const undefinedTable = "42P01"
		if failure := (*pgconn.PgError)(nil); errors.As(err, &failure) && failure.Code == undefinedTable {
			err = errDropped
		}
		if err != nil {
			return nil, fmt.Errorf("reading table %s of schema %s: %w", table, schema, scrub(err))
		}
		found[table] = s
	}
	return found, nil
}
