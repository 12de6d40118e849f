// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
)

// store inserts one record of each kind whose start event lies age in the past. now() stands still in a transaction,
// so that "at its end" can be told to the microsecond.
var store = map[string]string{
	"Hold":                   appointment("held", "now() + interval '9 days'", "NULL", "now() - $1::interval"),
	"UnconfirmedBooking":     appointment("pending", "now() + interval '9 days'", "NULL", "now() - $1::interval"),
	"Appointment":            appointment("confirmed", "now() - $1::interval", "NULL", "now() - interval '400 days'"),
	"Appointment, cancelled": appointment("cancelled", "now() + interval '9 days'", "now() - $1::interval", "now() - interval '400 days'"),
	"Contact":                contact("confirmed", "now() - $1::interval", "NULL"),
	"Contact, cancelled":     contact("cancelled", "now() + interval '9 days'", "now() - $1::interval"),
	"MailOutbox": "WITH a AS (" + appointment("confirmed", "now() + interval '9 days'", "NULL", "now()") + `)
		INSERT INTO mail_outbox (appointment_id, kind, created_at) SELECT id, 'confirmed', now() - $1::interval FROM a`,
	"MailOutbox, failed": "WITH a AS (" + appointment("confirmed", "now() + interval '9 days'", "NULL", "now()") + `)
		INSERT INTO mail_outbox (appointment_id, kind, created_at, failed_at) SELECT id, 'confirmed', now() - interval '400 days', now() - $1::interval FROM a`,
	"Message": "WITH a AS (" + appointment("confirmed", "now() - $1::interval", "NULL", "now() - interval '400 days'") + `)
		INSERT INTO message (appointment_id, sender, body, created_at) SELECT id, 'citizen', 'Ada Muster', now() - interval '400 days' FROM a`,
	"Message, cancelled": "WITH a AS (" + appointment("cancelled", "now() + interval '9 days'", "now() - $1::interval", "now() - interval '400 days'") + `)
		INSERT INTO message (appointment_id, sender, body, created_at) SELECT id, 'office', 'Ada Muster', now() - interval '400 days' FROM a`,
	"Attachment": "WITH a AS (" + appointment("confirmed", "now() - $1::interval", "NULL", "now() - interval '400 days'") + `)
		INSERT INTO attachment (appointment_id, file_name, media_type, content, created_at)
		SELECT id, 'ada.pdf', 'application/pdf', 'x', now() - interval '400 days' FROM a`,
	"SessionAddress":       `INSERT INTO session_address (created_at, address) VALUES (now() - $1::interval, '192.0.2.1')`,
	"SessionMetadata":      `INSERT INTO session (created_at, user_agent) VALUES (now() - $1::interval, 'agent')`,
	"SignatureBiometrics":  `INSERT INTO signature (signed_at, document_sha256, strokes) VALUES (now() - $1::interval, 'x', 'x')`,
	"Consent":              `INSERT INTO consent (subject, purpose, channel, given_at, withdrawn_at) VALUES ('Ada', 'reminder', 'form', now() - interval '900 days', now() - $1::interval)`,
	"Consent, purpose end": `INSERT INTO consent (subject, purpose, channel, given_at, purpose_ended_at) VALUES ('Ada', 'reminder', 'form', now() - interval '900 days', now() - $1::interval)`,
	"AuditLog":             `INSERT INTO audit_log (created_at, actor, action, object) VALUES (now() - $1::interval, 'clerk-7', 'read', 'appointment-9')`,
	"ErasureJournal":       `INSERT INTO erasure_journal (erased_at, subject_hmac) VALUES (now() - $1::interval, sha256('x'))`,
	"AbuseCase": `INSERT INTO retention_hold (category, record, kind, reference, opened_at, until)
		VALUES ('AccessLog', '1', 'AbuseCase', 'case-1', now() - $1::interval, now() + interval '1 day')`,
	"AccessLog": `INSERT INTO access_log (created_at, address, method, route, status) VALUES (now() - $1::interval, '192.0.2.1', 'GET', '/', 200)`,
}

func appointment(state, ends, cancelled, created string) string {
	return fmt.Sprintf(`INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, created_at, cancelled_at)
		VALUES ('hall', 1, 'passport', 'OnSite', %[2]s - interval '15 min', %[2]s, '%[1]s', 'de', 'x', %[4]s, %[3]s) RETURNING id`, state, ends, cancelled, created)
}

func contact(state, ends, cancelled string) string {
	return "WITH a AS (" + appointment(state, ends, cancelled, "now() - interval '400 days'") + `)
		INSERT INTO contact (appointment_id, given_name, family_name, notice_date) SELECT id, 'Ada', 'Muster', current_date FROM a`
}

// otherActions are what may be done to records instead of what newTenant does.
var otherActions = map[v1alpha1.Category]v1alpha1.Action{
	v1alpha1.CategoryAppointment: v1alpha1.ActionDelete, v1alpha1.CategoryAccessLog: v1alpha1.ActionDelete,
	v1alpha1.CategorySessionAddress: v1alpha1.ActionDelete,
}

func withActions(tenant postgres.Tenant, actions map[v1alpha1.Category]v1alpha1.Action) postgres.Tenant {
	for n := range tenant.Rules {
		if action, other := actions[tenant.Rules[n].Category]; other {
			tenant.Rules[n].Action = action
		}
	}
	return tenant
}

func TestARecordGoesExactlyAtTheEndOfItsPeriod(t *testing.T) {
	server, database, admin := prepared(t)
	for name, actions := range map[string]map[v1alpha1.Category]v1alpha1.Action{
		"as the samples have it": nil,
		"the other way":          otherActions,
	} {
		t.Run(name, func(t *testing.T) {
			tenant := withActions(newTenant(), actions)
			must(t, admin.Ensure(t.Context(), tenant))
			everyBoundary(t, server.Superuser(t, database), tenant)
		})
	}
}

// zones of offices and servers; a period counts seconds, so that none of them may make a difference.
var zones = []string{"UTC", "Europe/Zurich", "America/St_Johns", "Pacific/Apia"}

func everyBoundary(t *testing.T, super *pgx.Conn, tenant postgres.Tenant) {
	t.Helper()
	periods, turn := map[v1alpha1.Category]time.Duration{}, 0
	for _, rule := range tenant.Rules {
		periods[rule.Category] = rule.Period
	}
	for kind, insert := range store {
		category, _, _ := strings.Cut(kind, ",")
		period := periods[v1alpha1.Category(category)]
		for moment, test := range map[string]struct {
			age  time.Duration
			gone int64
		}{
			"one second before": {period - time.Second, 0},
			"at its end":        {period, 1},
			"one second after":  {period + time.Second, 1},
		} {
			t.Run(kind+" "+moment, func(t *testing.T) {
				tx, err := super.Begin(t.Context())
				must(t, err)
				defer func() { _ = tx.Rollback(t.Context()) }()
				inSchema(t, tx, tenant.DataID)
				turn++
				_, err = tx.Exec(t.Context(), "SET LOCAL TimeZone = '"+zones[turn%len(zones)]+"'")
				must(t, err)
				_, err = tx.Exec(t.Context(), insert, test.age)
				must(t, err)
				var due, removed int64
				must(t, tx.QueryRow(t.Context(), `SELECT due FROM retention_audit() WHERE category = $1`, category).Scan(&due))
				must(t, tx.QueryRow(t.Context(), `SELECT purge($1, 10, gen_random_uuid())`, category).Scan(&removed))
				if removed != test.gone || due != test.gone {
					t.Errorf("due %d and removed %d, want %d", due, removed, test.gone)
				}
			})
		}
	}
}

func TestOverdueBeginsAfterTheTolerance(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	for name, test := range map[string]struct {
		age     time.Duration
		overdue int64
	}{
		"one second before": {30*day + tenant.Tolerance - time.Second, 0},
		"at its end":        {30*day + tenant.Tolerance, 1},
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := super.Begin(t.Context())
			must(t, err)
			defer func() { _ = tx.Rollback(t.Context()) }()
			inSchema(t, tx, tenant.DataID)
			_, err = tx.Exec(t.Context(), store["Contact"], test.age)
			must(t, err)
			var overdue int64
			must(t, tx.QueryRow(t.Context(), `SELECT overdue FROM retention_audit() WHERE category = 'Contact'`).Scan(&overdue))
			if overdue != test.overdue {
				t.Errorf("overdue %d, want %d", overdue, test.overdue)
			}
		})
	}
}

func inSchema(t *testing.T, tx pgx.Tx, schema string) {
	t.Helper()
	_, err := tx.Exec(t.Context(), "SET LOCAL search_path = "+pgx.Identifier{schema}.Sanitize())
	must(t, err)
}

func TestAnAnonymisedAppointmentLeavesACountAndADeletedOneNothing(t *testing.T) {
	server, database, admin := prepared(t)
	for action, want := range map[v1alpha1.Action]string{v1alpha1.ActionAnonymize: "hall/passport/OnSite/confirmed=2", v1alpha1.ActionDelete: ""} {
		t.Run(string(action), func(t *testing.T) {
			tenant := newTenant()
			tenant.Rules[3].Action = action
			must(t, admin.Ensure(t.Context(), tenant))
			roles := postgres.RolesOf(tenant.DataID)
			app := as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
			book(t, app, "one", 40*day)
			book(t, app, "two", 40*day)
			retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
			for range 3 {
				exec(t, retention, `SELECT purge('Appointment', 1, gen_random_uuid())`)
			}
			super := server.Superuser(t, database)
			got := value[string](t, super, `SELECT coalesce(string_agg(concat_ws('/', office, service, channel, outcome) || '=' || n, ','), '')
				FROM (SELECT office, service, channel, outcome, sum(count) AS n FROM `+tenant.DataID+`.appointment_count GROUP BY 1, 2, 3, 4) AS c`)
			if left := value[int64](t, app, `SELECT (SELECT count(*) FROM appointment) + (SELECT count(*) FROM contact)`); got != want || left != 0 {
				t.Errorf("counts %q, want %q; %d records left", got, want, left)
			}
		})
	}
}

func TestAStrippedAccessLogKeepsTheRequestWithoutThePerson(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	super := server.Superuser(t, database)
	exec(t, super, `INSERT INTO `+tenant.DataID+`.access_log (created_at, address, user_agent, method, route, status)
		SELECT now() - age, '192.0.2.1', 'agent', 'GET', '/', 200 FROM unnest(ARRAY[interval '8 days', '6 days']) AS age`)
	retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
	for _, want := range []int64{1, 0} {
		if got := value[int64](t, retention, `SELECT purge('AccessLog', 10, gen_random_uuid())`); got != want {
			t.Errorf("stripped %d, want %d", got, want)
		}
	}
	if got := value[string](t, super, `SELECT string_agg(concat_ws('/', host(address), user_agent, route), ' ' ORDER BY id) FROM `+tenant.DataID+`.access_log`); got != "/ 192.0.2.1/agent//" {
		t.Errorf("log holds %q", got)
	}
}

// A purge per customer would keep a repeat visitor's old contacts for ever.
func TestAVisitorWhoComesBackIsForgottenPerAppointment(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	app := as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
	for n, ended := range []time.Duration{90 * day, 60 * day, day} {
		book(t, app, fmt.Sprint(n), ended)
	}
	retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
	if gone := value[int64](t, retention, `SELECT purge('Contact', 10, gen_random_uuid())`); gone != 2 {
		t.Errorf("removed %d contacts of a visitor, want the 2 old ones", gone)
	}
}

func TestACategoryWithoutARuleIsKeptAndReported(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	tenant.Rules = tenant.Rules[3:4]
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	book(t, as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA), "old", 1000*day)
	retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
	if gone := value[*int64](t, retention, `SELECT purge('Contact', 10, gen_random_uuid())`); gone != nil {
		t.Errorf("removed %d without a rule", *gone)
	}
	if _, err := retention.Exec(t.Context(), `SELECT purge('Nonsense', 10, gen_random_uuid())`); err == nil {
		t.Error("a category that does not exist was purged")
	}
	audit, err := admin.Audit(t.Context())
	must(t, err)
	for _, category := range audit.Tenants[0].Categories {
		if category.Uncovered != (category.Category != v1alpha1.CategoryAppointment) {
			t.Errorf("%s: uncovered %v", category.Category, category.Uncovered)
		}
		if category.Category == v1alpha1.CategoryContact && category.Rows != 1 {
			t.Errorf("%d contacts without a rule, want 1", category.Rows)
		}
	}
}
