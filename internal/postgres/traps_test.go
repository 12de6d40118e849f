// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
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

func TestAPeriodOfZeroIsRefusedRatherThanTakenForOff(t *testing.T) {
	_, _, admin := prepared(t)
	tenant := newTenant()
	tenant.Rules[contactRule].Period = 0
	if err := admin.Ensure(t.Context(), tenant); err == nil || !strings.Contains(err.Error(), "Contact") {
		t.Errorf("a period of zero gave %v", err)
	}
}

// Anonymising the name but not mail, phone and remarks leaves a person: nothing of what was typed may be left anywhere.
func TestAnAnonymisedAppointmentLeavesNoFieldOfAPerson(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	exec(t, super, "SET search_path = "+tenant.DataID)
	const mark = "Muster7291"
	exec(t, super, `WITH a AS (INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
			VALUES ('hall', 1, 'passport', 'OnSite', now() - interval '41 days', now() - interval '40 days', 'confirmed', 'de', '\x4d757374657237323931') RETURNING id),
		c AS (INSERT INTO contact (appointment_id, given_name, family_name, email, phone, street, postal_code, city, notice_date)
			SELECT id, $1, $1, $1, $1, $1, $1, $1, current_date FROM a),
		f AS (INSERT INTO attachment (appointment_id, file_name, media_type, content) SELECT id, $1, 'text/plain', convert_to($1, 'UTF8') FROM a),
		o AS (INSERT INTO mail_outbox (appointment_id, kind, token) SELECT id, 'confirmed', $1 FROM a)
		INSERT INTO message (appointment_id, sender, body) SELECT id, 'citizen', $1 FROM a`, mark)
	exec(t, super, `SELECT purge('Appointment', 10, gen_random_uuid())`)
	rows, err := super.Query(t.Context(), `SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r'`, tenant.DataID)
	must(t, err)
	var tables []string
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		tables = append(tables, name)
	}
	must(t, rows.Err())
	for _, table := range tables {
		if n := value[int64](t, super, `SELECT count(*) FROM `+table+` AS r WHERE r::text LIKE '%' || $1 || '%' OR r::text LIKE '%4d757374657237323931%'`, mark); n != 0 {
			t.Errorf("%d rows of %s still hold what was typed", n, table)
		}
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
	dumpAs(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).Backup, tenant.Backup)
}
