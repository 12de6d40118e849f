// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/postgres"
)

// shape is the schema in the quarantine: what rows may be put into, and what was taken off while they are.
type shape struct {
	tables    map[string]bool
	sequences []string
	// later are statements that put indexes and constraints back, foreign keys last.
	later []string
}

// emptySQL removes what an attempt before has left: everything the role owns but the schema itself.
const emptySQL = `DO $$ DECLARE t record; BEGIN
	FOR t IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
			AND NOT c.relispartition AND c.relowner = current_user::regrole LOOP
		EXECUTE format('DROP TABLE %I CASCADE', t.relname);
	END LOOP;
	FOR t IN SELECT p.oid::regprocedure::text AS name FROM pg_proc AS p WHERE p.pronamespace = current_schema()::regnamespace AND p.proowner = current_user::regrole LOOP
		EXECUTE 'DROP ROUTINE ' || t.name || ' CASCADE';
	END LOOP;
END $$`

// build makes the tables the backup was taken from, and takes indexes and constraints off: they are made faster, and
// hold whatever the order of the rows, once these are there.
func (r *run) build(ctx context.Context, version int64) (*shape, error) {
	if _, err := r.conn.Exec(ctx, emptySQL); err != nil {
		return nil, fmt.Errorf("emptying the quarantine: %w", scrub(err))
	}
	if r.rulesLike != nil {
		if _, err := r.conn.Exec(ctx, "CREATE TABLE "+postgres.TableRules+" (LIKE "+r.rulesLike.Sanitize()+" INCLUDING ALL)"); err != nil {
			return nil, fmt.Errorf("making a table of periods: %w", scrub(err))
		}
	}
	if err := postgres.BuildSchema(ctx, r.conn, version); err != nil {
		return nil, fmt.Errorf("making the tables of version %d: %w", version, scrub(err))
	}
	if _, err := r.conn.Exec(ctx, "CREATE TABLE "+postgres.TableRestoredRules+" (LIKE "+postgres.TableRules+" INCLUDING DEFAULTS)"); err != nil {
		return nil, fmt.Errorf("making a table for the periods of then: %w", scrub(err))
	}
	s := &shape{tables: map[string]bool{}}
	tables, err := tablesOf(ctx, r.conn)
	if err != nil {
		return nil, err
	}
	for _, table := range tables {
		s.tables[table] = true
	}
	if err := r.empty(ctx, tables); err != nil {
		return nil, err
	}
	if s.sequences, err = stringsOf(ctx, r.conn, `SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S'`); err != nil {
		return nil, err
	}
	return s, r.strip(ctx, s)
}

// tablesOf gives those of the quarantine's owner.
func tablesOf(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	return stringsOf(ctx, conn, `SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace
		AND relkind IN ('r', 'p') AND NOT relispartition AND relowner = current_user::regrole`)
}

// empty takes out what the migrations themselves put into tables: the backup has rows of its own in their place.
func (r *run) empty(ctx context.Context, tables []string) error {
	var names []string
	for _, table := range tables {
		if table != "goose_db_version" {
			names = append(names, pgx.Identifier{table}.Sanitize())
		}
	}
	return r.statements(ctx, "emptying the tables", []string{"TRUNCATE " + strings.Join(names, ", ")})
}

// strip takes constraints and indexes off. The definitions are PostgreSQL's own words.
func (r *run) strip(ctx context.Context, s *shape) error {
	rows, err := r.conn.Query(ctx, `
		SELECT 1 + (contype = 'f')::int AS turn, format('ALTER TABLE %1$s DROP CONSTRAINT %2$I', conrelid::regclass, conname),
			format('ALTER TABLE %1$s ADD CONSTRAINT %2$I %3$s', conrelid::regclass, conname, pg_get_constraintdef(c.oid))
		FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = conrelid
		WHERE connamespace = current_schema()::regnamespace AND contype IN ('p', 'u', 'x', 'f') AND conparentid = 0 AND t.relowner = current_user::regrole
		UNION ALL
		SELECT 0, format('DROP INDEX %s', i.indexrelid::regclass), replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
		FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
		WHERE x.relnamespace = current_schema()::regnamespace AND NOT x.relispartition AND x.relowner = current_user::regrole
			AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)
		ORDER BY turn DESC`)
	if err != nil {
		return fmt.Errorf("reading the indexes: %w", scrub(err))
	}
	type part struct {
		Turn      int
		Off, Back string
	}
	parts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[part])
	if err != nil {
		return fmt.Errorf("reading the indexes: %w", scrub(err))
	}
	var off []string
	for _, p := range parts {
		off = append(off, p.Off)
		if p.Turn < 2 {
			s.later = append(s.later, p.Back)
		}
	}
	for _, p := range parts {
		if p.Turn == 2 {
			s.later = append(s.later, p.Back)
		}
	}
	return r.statements(ctx, "taking the indexes off", off)
}

// complete puts back what was taken off, and brings the schema to this release.
func (r *run) complete(ctx context.Context, s *shape) error {
	if err := r.statements(ctx, "putting indexes and constraints back", s.later); err != nil {
		return err
	}
	config, err := r.config()
	if err != nil {
		return err
	}
	if err := postgres.Upgrade(ctx, config); err != nil {
		return fmt.Errorf("upgrading what was restored: %w", scrub(err))
	}
	return r.keepPromises(ctx)
}

// analyse gives the planner its statistics once whoever must go has gone, since statistics hold values of rows.
func analyse(ctx context.Context, conn *pgx.Conn) error {
	tables, err := tablesOf(ctx, conn)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if _, err := conn.Exec(ctx, "ANALYZE "+pgx.Identifier{table}.Sanitize()); err != nil {
			return fmt.Errorf("analysing table %s: %w", table, scrub(err))
		}
	}
	return nil
}

// keepPromises makes the shorter periods that were promised when the rows were collected go on binding them, when the
// database that knew them is gone. A row more can only make more due.
func (r *run) keepPromises(ctx context.Context) error {
	_, err := r.conn.Exec(ctx, `INSERT INTO retention_rule (category, start_event, period, action, tolerance, effective_from, until)
		SELECT b.category, b.start_event, b.period, b.action, coalesce(n.tolerance, b.tolerance), b.effective_from, CASE b.until WHEN 'infinity' THEN now() ELSE b.until END
		FROM restored_rule AS b LEFT JOIN retention_rule AS n ON n.category = b.category AND n.until = 'infinity'
		WHERE n.period IS NULL OR b.period < n.period ON CONFLICT DO NOTHING`)
	if err != nil {
		return fmt.Errorf("keeping the periods that were promised: %w", scrub(err))
	}
	return nil
}

func (r *run) statements(ctx context.Context, what string, list []string) error {
	if _, err := r.conn.PgConn().Exec(ctx, strings.Join(list, ";\n")).ReadAll(); err != nil {
		return fmt.Errorf("%s: %w", what, scrub(err))
	}
	return nil
}

func stringsOf(ctx context.Context, conn *pgx.Conn, sql string) ([]string, error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", scrub(err))
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("reading the catalogue: %w", scrub(err))
	}
	return found, nil
}
