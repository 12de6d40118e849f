// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/postgres"
)

// A purge that counts from a customer's last visit never forgets whoever comes back; the naive statement is run beside
// ours, so that the test shows the difference it makes.
func TestAPurgePerCustomerWouldKeepWhatOursForgets(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	app := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).AppA, tenant.AppA)
	book(t, app, "old", 90*day)
	book(t, app, "new", day)
	naive := value[int64](t, super, `SELECT count(*) FROM `+tenant.DataID+`.contact WHERE (given_name, family_name) IN (
		SELECT c.given_name, c.family_name FROM `+tenant.DataID+`.contact AS c JOIN `+tenant.DataID+`.appointment AS a ON a.id = c.appointment_id
		GROUP BY 1, 2 HAVING max(a.ends_at) <= now() - interval '30 days')`)
	ours := value[int64](t, super, `SELECT `+tenant.DataID+`.purge('Contact', 10, gen_random_uuid())`)
	if naive != 0 || ours != 1 {
		t.Errorf("per customer %d records go, ours %d; want 0 and 1", naive, ours)
	}
}

// Where zero means off, a period left out keeps everything for ever. Here no zero gets in, not even past the operator,
// and the naive reading is run beside it.
func TestAPeriodOfZeroIsRefusedRatherThanTakenForOff(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	kept(t, super, tenant.DataID, 4000*day)
	if naive := value[int64](t, super, `SELECT count(*) FROM `+tenant.DataID+`.appointment, (SELECT interval '0' AS period) AS rule
		WHERE rule.period > interval '0' AND ends_at <= now() - rule.period`); naive != 0 {
		t.Errorf("zero taken for off removes %d records, want none: this test shows nothing", naive)
	}
	if _, err := super.Exec(t.Context(), `UPDATE `+tenant.DataID+`.retention_rule SET period = '0' WHERE category = 'Contact'`); err == nil {
		t.Error("the database took a period of zero")
	}
	tenant.Rules[contactRule].Period = 0
	if err := admin.Ensure(t.Context(), tenant); err == nil || !strings.Contains(err.Error(), "Contact") {
		t.Errorf("a period of zero gave %v", err)
	}
}

// mark is what a citizen typed into every field, in the tests that look for it everywhere; bytea shows it in hex.
const (
	mark      = "Muster7291"
	markInHex = "4d757374657237323931"
)

// marked stores an appointment that ended so long ago, with the mark in every field of everything that hangs on it,
// and gives its ID.
func marked(t *testing.T, super *pgx.Conn, ended time.Duration) string {
	t.Helper()
	return value[string](t, super, `WITH a AS (INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
			VALUES ('hall', 1, 'passport', 'OnSite', now() - $2::interval - interval '1 day', now() - $2::interval, 'confirmed', 'de', '\x`+markInHex+`') RETURNING id),
		c AS (INSERT INTO contact (appointment_id, given_name, family_name, email, phone, street, postal_code, city, notice_date)
			SELECT id, $1, $1, $1, $1, $1, $1, $1, current_date FROM a),
		f AS (INSERT INTO attachment (appointment_id, file_name, media_type, content) SELECT id, $1, 'text/plain', convert_to($1, 'UTF8') FROM a),
		o AS (INSERT INTO mail_outbox (appointment_id, kind, token) SELECT id, 'confirmed', $1 FROM a),
		m AS (INSERT INTO message (appointment_id, sender, body) SELECT id, 'citizen', $1 FROM a)
		SELECT id::text FROM a`, mark, ended)
}

// holders are the tables of the schema a row of which still holds the mark, whatever table that is.
func holders(t *testing.T, super *pgx.Conn, schema string) (found []string) {
	t.Helper()
	rows, err := super.Query(t.Context(), `SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' ORDER BY 1`, schema)
	must(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	for _, table := range tables {
		if value[int64](t, super, `SELECT count(*) FROM `+table+` AS r WHERE r::text LIKE '%' || $1 || '%' OR r::text LIKE '%`+markInHex+`%'`, mark) > 0 {
			found = append(found, table)
		}
	}
	return found
}

// Anonymising the name but not mail, phone and remarks leaves a person: nothing of what was typed may be left anywhere.
func TestAnAnonymisedAppointmentLeavesNoFieldOfAPerson(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	exec(t, super, "SET search_path = "+tenant.DataID)
	marked(t, super, 40*day)
	tx, err := super.Begin(t.Context())
	must(t, err)
	exec(t, super, `UPDATE contact SET given_name = '', family_name = ''`)
	if naive := holders(t, super, tenant.DataID); !slices.Contains(naive, "contact") || !slices.Contains(naive, "message") {
		t.Errorf("anonymising the name alone leaves the person in %v: this test would not find it out", naive)
	}
	must(t, tx.Rollback(t.Context()))
	exec(t, super, `SELECT purge('Appointment', 10, gen_random_uuid())`)
	if left := holders(t, super, tenant.DataID); len(left) > 0 {
		t.Errorf("%v still hold what was typed", left)
	}
}

// An erasure log that keeps what was erased is the last place to find it: the schema takes a digest and nothing else.
func TestTheErasureJournalTakesNoIdentifier(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	app := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).AppA, tenant.AppA)
	if _, err := app.Exec(t.Context(), `INSERT INTO erasure_journal (subject_hmac) VALUES (convert_to('ada@example.org', 'UTF8'))`); err == nil {
		t.Error("the journal took a mail address")
	}
	exec(t, app, `INSERT INTO erasure_journal (subject_hmac) VALUES (sha256('x'))`)
	refused(t, app, `SELECT * FROM erasure_journal`)
}

func TestAnErasureLeavesNothingThatWasErasedInItsOwnLog(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	exec(t, super, "SET search_path = "+tenant.DataID)
	erased := marked(t, super, -day)
	app := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).AppA, tenant.AppA)
	// As the instance does it.
	exec(t, app, `DELETE FROM appointment WHERE id = $1::text::uuid`, erased)
	exec(t, app, `INSERT INTO erasure_journal (subject_hmac) VALUES ($1)`, booking.ErasureMark(erased))
	exec(t, app, `INSERT INTO audit_log (actor, action, object) VALUES ('citizen', 'erased', $1)`, "appointment/"+erased)
	if left := holders(t, super, tenant.DataID); len(left) > 0 {
		t.Errorf("%v still hold what was erased", left)
	}
	exec(t, super, `CREATE TABLE erasure_log AS SELECT now() AS erased_at, $1::text AS email`, mark)
	if naive := holders(t, super, tenant.DataID); !slices.Equal(naive, []string{"erasure_log"}) {
		t.Errorf("a log of what was erased is not found out: %v", naive)
	}
}

// M3: what nobody classified is found in the live catalogue, not trusted.
func TestAColumnOrTableNobodyClassifiedIsAFinding(t *testing.T) {
	server, database, admin := prepared(t)
	tenant, sound := newTenant(), newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	must(t, admin.Ensure(t.Context(), sound))
	super := server.Superuser(t, database)
	exec1(t, super, `ALTER TABLE `+tenant.DataID+`.contact ADD COLUMN birthday date;
		CREATE TABLE `+tenant.DataID+`.newsletter (email text);
		CREATE TABLE `+tenant.DataID+`.shadow (email text); COMMENT ON TABLE `+tenant.DataID+`.shadow IS '{"Contact": ["email"]}'`)
	found := audited(t, admin)
	if got, want := found[tenant.DataID].Unmapped, []string{"contact.birthday", "newsletter.email", "shadow.email"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if got := found[sound.DataID].Unmapped; len(got) != 0 {
		t.Errorf("a sound schema has columns nobody classified: %v", got)
	}
}

// Under Delete the access log expires by dropping the partition of a day.
func TestAnExpiredDayOfTheAccessLogIsDropped(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	tenant.Rules[5].Action = v1alpha1.ActionDelete
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	exec(t, super, "SET search_path = "+tenant.DataID)
	exec(t, super, "SET ROLE "+postgres.RolesOf(tenant.DataID).Owner)
	exec(t, super, `DO $$ DECLARE d date := (now() AT TIME ZONE 'UTC')::date - 9; BEGIN EXECUTE format(
		'CREATE TABLE %I PARTITION OF access_log FOR VALUES FROM (%L) TO (%L)', 'access_log_' || to_char(d, 'YYYYMMDD'), d::timestamp AT TIME ZONE 'UTC', (d + 1)::timestamp AT TIME ZONE 'UTC'); END $$`)
	exec(t, super, "RESET ROLE")
	exec(t, super, `INSERT INTO access_log (created_at, address, method, route, status)
		SELECT ((now() AT TIME ZONE 'UTC')::date - 9)::timestamp AT TIME ZONE 'UTC' + n * interval '1 min', '192.0.2.1', 'GET', '/', 200 FROM generate_series(1, 50) AS n`)
	retention := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).Retention, tenant.Retention)
	if n := value[int64](t, retention, `SELECT purge('AccessLog', 10, gen_random_uuid())`); n != 50 {
		t.Errorf("%d lines went, want the whole day of 50", n)
	}
	if n := value[int64](t, super, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'access_log'::regclass`); n != 3 {
		t.Errorf("%d partitions, want the rest and the two days ahead", n)
	}
	backup := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).Backup, tenant.Backup)
	for _, partition := range []string{"1", "2"} { // The days ahead, which pg_dump reads one by one.
		name := value[string](t, super, `SELECT 'access_log_' || to_char((now() AT TIME ZONE 'UTC')::date + $1::text::int, 'YYYYMMDD')`, partition)
		exec(t, backup, "SELECT * FROM "+name)
	}
}
