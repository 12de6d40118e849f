// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
)

const contactRule = 2 // in newTenant

// kept books two appointments that ended so long ago, one collected long before, one on its day; it gives the session.
func kept(t *testing.T, super *pgx.Conn, schema string, ended time.Duration) {
	t.Helper()
	exec(t, super, `WITH a AS (INSERT INTO `+schema+`.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, created_at)
		SELECT 'hall', n, 'passport', 'OnSite', now() - $1::interval - interval '15 min', now() - $1::interval, 'confirmed', 'de', int4send(n),
			now() - CASE n WHEN 1 THEN interval '400 days' ELSE $1::interval END
		FROM generate_series(1, 2) AS n RETURNING id, created_at)
		INSERT INTO `+schema+`.contact (appointment_id, given_name, family_name, notice_date, created_at) SELECT id, 'Ada', 'Muster', current_date, created_at FROM a`, ended)
}

// pass lets time pass for the rules: what was changed just now was changed so long ago.
func pass(t *testing.T, super *pgx.Conn, schema string, time time.Duration) {
	t.Helper()
	exec(t, super, `UPDATE `+schema+`.retention_rule SET effective_from = effective_from - $1::interval, until = until - $1::interval`, time)
}

func contactsAfterPurge(t *testing.T, super *pgx.Conn, schema string) int64 {
	t.Helper()
	exec(t, super, `SELECT `+schema+`.purge('Contact', 100, gen_random_uuid())`)
	return value[int64](t, super, `SELECT count(*) FROM `+schema+`.contact`)
}

func TestALongerPeriodNeverAppliesToWhatWasCollectedUnderAShorterOne(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	tenant.Rules[3].Period = 90 * day
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	tenant.Rules[contactRule].Period = 60 * day
	must(t, admin.Ensure(t.Context(), tenant))
	pass(t, super, tenant.DataID, 100*day)
	kept(t, super, tenant.DataID, 45*day)
	if left := contactsAfterPurge(t, super, tenant.DataID); left != 1 {
		t.Errorf("%d contacts left of one promised 30 days and one promised 60, 45 days after their appointments", left)
	}
	contact := categoryOf(t, audited(t, admin)[tenant.DataID], v1alpha1.CategoryContact)
	if contact.Period != 60*day || contact.Due != 0 || contact.Since == nil || contact.NextDue == nil {
		t.Errorf("the audit shows %+v", contact)
	}
}

func TestAShorterPeriodBindsEverythingAtTheNextRun(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	kept(t, super, tenant.DataID, 20*day)
	if left := contactsAfterPurge(t, super, tenant.DataID); left != 2 {
		t.Fatalf("%d contacts left before the change, want 2", left)
	}
	tenant.Rules[contactRule].Period = 10 * day
	must(t, admin.Ensure(t.Context(), tenant))
	if left := contactsAfterPurge(t, super, tenant.DataID); left != 0 {
		t.Errorf("%d contacts left after the period was shortened", left)
	}
	if rules := value[int64](t, super, `SELECT count(*) FROM `+tenant.DataID+`.retention_rule WHERE category = 'Contact'`); rules != 1 {
		t.Errorf("%d rules for contacts, want the shorter one alone", rules)
	}
}

func TestARuleThatIsGoneGoesOnBindingWhatWasCollectedUnderIt(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	kept(t, super, tenant.DataID, 31*day)
	tenant.Rules = append(tenant.Rules[:contactRule:contactRule], tenant.Rules[contactRule+1:]...)
	must(t, admin.Ensure(t.Context(), tenant))
	if left := contactsAfterPurge(t, super, tenant.DataID); left != 0 {
		t.Errorf("%d contacts outlived their promise when the rule was taken out of the policy", left)
	}
	if contact := categoryOf(t, audited(t, admin)[tenant.DataID], v1alpha1.CategoryContact); !contact.Uncovered {
		t.Errorf("the audit does not tell that no rule covers contacts: %+v", contact)
	}
}

func TestDeletionPausesUntilADateAndGoesOnByItself(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	until := time.Now().Add(time.Hour)
	tenant.SuspendedUntil = &until
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	kept(t, super, tenant.DataID, 31*day)
	if left := contactsAfterPurge(t, super, tenant.DataID); left != 2 {
		t.Errorf("%d contacts left while deletion is suspended", left)
	}
	contact := categoryOf(t, audited(t, admin)[tenant.DataID], v1alpha1.CategoryContact)
	if contact.SuspendedUntil == nil || contact.Overdue != 2 {
		t.Errorf("the audit shows %+v", contact)
	}
	exec(t, super, `UPDATE `+tenant.DataID+`.retention_rule SET suspended_until = now()`)
	if left := contactsAfterPurge(t, super, tenant.DataID); left != 0 {
		t.Errorf("%d contacts left after the pause", left)
	}
}

func TestAHoldKeepsExactlyTheRecordsItNamesAndEndsByItsDate(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	roles := postgres.RolesOf(tenant.DataID)
	kept(t, super, tenant.DataID, 31*day)
	exec(t, super, `INSERT INTO `+tenant.DataID+`.access_log (created_at, address, method, route, status)
		SELECT now() - interval '8 days', a::inet, 'GET', '/', 200 FROM unnest(ARRAY['192.0.2.1', '192.0.2.1', '192.0.2.2']) AS a`)
	retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
	held := value[string](t, super, `SELECT id::text FROM `+tenant.DataID+`.appointment WHERE counter = 1`)
	if n := value[int64](t, retention, `SELECT open_hold('Restriction', 'Art18-7', 'Contact', $1::text, now() + interval '9 days')`, held); n != 1 {
		t.Errorf("the restriction holds %d contacts, want 1", n)
	}
	if n := value[int64](t, retention, `SELECT open_hold('AbuseCase', 'case-7', 'AccessLog', '192.0.2.1', now() + interval '59 days')`); n != 2 {
		t.Errorf("the case holds %d lines of the log, want 2", n)
	}
	purgeAll := func() { // twice, since a second run must change nothing
		for range 2 {
			for _, category := range []string{"Contact", "AccessLog", "AbuseCase", "Appointment"} {
				exec(t, retention, `SELECT purge($1, 100, gen_random_uuid())`, category)
			}
		}
	}
	left := func() string {
		return value[string](t, super, `SELECT concat_ws(' ', (SELECT count(*) FROM `+tenant.DataID+`.contact), (SELECT count(*) FROM `+tenant.DataID+`.appointment),
			(SELECT count(address) FROM `+tenant.DataID+`.access_log))`)
	}
	purgeAll()
	if got := left(); got != "1 1 2" {
		t.Errorf("contacts, appointments and addresses left: %s, want those held: 1 1 2", got)
	}
	found := audited(t, admin)[tenant.DataID]
	if contact := categoryOf(t, found, v1alpha1.CategoryContact); contact.Held != 1 || contact.Overdue != 0 || contact.Due != 0 {
		t.Errorf("the audit shows %+v", contact)
	}
	exec(t, super, `UPDATE `+tenant.DataID+`.retention_hold SET until = now(), opened_at = now() - interval '60 days'`)
	purgeAll()
	if got := left(); got != "0 0 0" {
		t.Errorf("left after the holds have ended: %s", got)
	}
	if n := value[int64](t, super, `SELECT count(*) FROM `+tenant.DataID+`.retention_hold`); n != 0 {
		t.Errorf("%d holds are remembered after their end", n)
	}
}

func TestAHoldNeedsACaseADateAndARoleTheAppIsNot(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	app := as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
	refused(t, app, `SELECT open_hold('Restriction', 'x', 'AccessLog', '192.0.2.1', now() + interval '1 day')`)
	refused(t, app, `INSERT INTO retention_hold (category, record, kind, reference, until) VALUES ('Contact', 'x', 'Restriction', 'x', now())`)
	refused(t, app, `SELECT rewrite_storage('1 day')`)
	retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
	for name, arguments := range map[string]string{
		"no reference":                       `'Restriction', '', 'AccessLog', '192.0.2.1', now() + interval '1 day'`,
		"no date":                            `'Restriction', 'x', 'AccessLog', '192.0.2.1', NULL`,
		"a date that has passed":             `'Restriction', 'x', 'AccessLog', '192.0.2.1', now()`,
		"a case of more than its 60 days":    `'AbuseCase', 'x', 'AccessLog', '192.0.2.1', now() + interval '61 days'`,
		"a restriction of more than a year":  `'Restriction', 'x', 'AccessLog', '192.0.2.1', now() + interval '400 days'`,
		"a category that cannot be held":     `'Restriction', 'x', 'ErasureJournal', 'x', now() + interval '1 day'`,
		"a kind that does not exist":         `'Curiosity', 'x', 'AccessLog', '192.0.2.1', now() + interval '1 day'`,
		"an end that never comes (infinity)": `'Restriction', 'x', 'AccessLog', '192.0.2.1', 'infinity'`,
	} {
		if _, err := retention.Exec(t.Context(), "SELECT open_hold("+arguments+")"); err == nil {
			t.Errorf("a hold with %s was opened", name)
		}
	}
}
