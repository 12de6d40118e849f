// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/postgres"
)

// remains tells in which files of the schema's tables the text still is, and whether the write-ahead log has it.
// docs/what-deletion-means.md quotes what this measures.
func remains(t *testing.T, super *pgx.Conn, schema, text string) (files, log bool) {
	t.Helper()
	exec(t, super, "CHECKPOINT")
	files = value[bool](t, super, `SELECT bool_or(position(convert_to($2, 'UTF8') IN pg_read_binary_file(pg_relation_filepath(c.oid))) > 0)
		FROM pg_class AS c WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'i', 't') AND pg_relation_size(c.oid) > 0`, schema, text)
	log = value[bool](t, super, `SELECT bool_or(position(convert_to($1, 'UTF8') IN pg_read_binary_file('pg_wal/' || name)) > 0) FROM pg_ls_waldir()`, text)
	return files, log
}

// A purge deletes logically; VACUUM gives the space free and leaves bytes; only a rewrite takes them out of the files,
// and the write-ahead log forgets when its segments are used again.
func TestWhatIsLeftOfANameAfterEachStep(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	const name = "Zwetschgenwasser-Hintermoser"
	exec(t, super, `WITH a AS (INSERT INTO `+tenant.DataID+`.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		VALUES ('hall', 1, 'passport', 'OnSite', now() - interval '31 days 15 min', now() - interval '31 days', 'confirmed', 'de', 'x') RETURNING id)
		INSERT INTO `+tenant.DataID+`.contact (appointment_id, given_name, family_name, notice_date) SELECT id, 'Ada', '`+name+`', current_date FROM a`)
	retention := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).Retention, tenant.Retention)
	exec(t, retention, `SELECT purge('Contact', 10, gen_random_uuid())`)
	if value[int64](t, super, `SELECT count(*) FROM `+tenant.DataID+`.contact`) != 0 {
		t.Fatal("the contact can still be read")
	}
	if files, log := remains(t, super, tenant.DataID, name); !files || !log {
		t.Errorf("after the purge: in files %v, in the log %v; the documentation says both", files, log)
	}
	if !value[bool](t, retention, `SELECT rewrite_storage('1 day')`) || value[bool](t, retention, `SELECT rewrite_storage('1 day')`) {
		t.Error("the storage is not rewritten when it is time, or rewritten again when it is not")
	}
	if files, _ := remains(t, super, tenant.DataID, name); files {
		t.Error("after the rewrite the name is still in a file of the schema")
	}
}

// Statistics hold values of rows, and outlive them until ANALYZE runs again.
func TestThePlannerLearnsNoNames(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	schema := tenant.DataID
	exec(t, super, `INSERT INTO `+schema+`.access_log (method, route, status, address, user_agent) VALUES ('GET', '/', 200, '203.0.113.7', 'Zwetschgenbrowser')`)
	retention := as(t, server, database, schema, postgres.RolesOf(schema).Retention, tenant.Retention)
	exec(t, retention, `SELECT purge('AccessLog', 10, gen_random_uuid())`) // makes the tables of the days to come
	exec(t, super, `INSERT INTO `+schema+`.access_log (created_at, method, route, status, address, user_agent)
		SELECT now() + interval '30 hours', 'GET', '/', 200, '203.0.113.7', 'Zwetschgenbrowser' FROM generate_series(1, 50)`)
	exec(t, super, `WITH a AS (INSERT INTO `+schema+`.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		SELECT 'hall', 1, 'passport', 'OnSite', now() + n * interval '1 hour', now() + n * interval '1 hour' + interval '15 min', 'confirmed', 'de', n::text::bytea
		FROM generate_series(1, 50) AS n RETURNING id)
		INSERT INTO `+schema+`.contact (appointment_id, given_name, family_name, email, phone, notice_date)
		SELECT id, 'Zwetschga', 'Zwetschgenwasser', 'zwetschge@example.org', 'Zwetschge 1', current_date FROM a`)
	exec(t, super, "ANALYZE")
	for text, want := range map[string]string{"passport": "appointment.service", "wetschge": "", "203.0.113.7": ""} {
		if got := value[string](t, super, `SELECT coalesce(string_agg(tablename || '.' || attname, ', '), '') FROM pg_stats
			WHERE schemaname = $1 AND position($2 IN concat(most_common_vals::text, histogram_bounds::text)) > 0`, schema, text); got != want {
			t.Errorf("statistics of %q tell of %q, want of %q", got, text, want)
		}
	}
}
