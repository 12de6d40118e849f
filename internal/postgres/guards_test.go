// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/postgres"
)

// guarded is a tenant with an appointment ahead, one that has ended and one cancelled, and a session of the app's role.
func guarded(t *testing.T) (app, super *pgx.Conn, retention *pgx.Conn) {
	t.Helper()
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	super = server.Superuser(t, database)
	exec(t, super, "SET search_path = "+tenant.DataID)
	app = as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
	book(t, app, "ahead", -10*day)
	book(t, app, "ended", day)
	book(t, app, "cancelled", -9*day)
	exec(t, app, `UPDATE appointment SET state = 'cancelled', cancelled_at = now() WHERE token_hash = 'cancelled'`)
	exec(t, app, `INSERT INTO mail_outbox (appointment_id, kind) SELECT id, 'confirmed' FROM appointment`)
	exec(t, app, `UPDATE mail_outbox SET failed_at = now() WHERE id = (SELECT min(id) FROM mail_outbox)`)
	exec(t, app, `INSERT INTO consent (subject, purpose, channel) VALUES ('x', 'reminder', 'form'), ('y', 'reminder', 'form')`)
	exec(t, app, `UPDATE consent SET withdrawn_at = now() WHERE subject = 'x'`)
	exec(t, app, `INSERT INTO session DEFAULT VALUES`)
	return app, super, as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
}

// What begins a period is the database's to say: an instance that was taken over neither puts deletion off nor hurries it.
func TestTheAppCannotMoveWhatBeginsAPeriod(t *testing.T) {
	app, _, _ := guarded(t)
	const columns = `INSERT INTO appointment (office, counter, service, channel, locale, token_hash, starts_at, ends_at, state, `
	for name, statement := range map[string]string{
		"an appointment stored tomorrow":               columns + `created_at) VALUES ('x', 1, 'x', 'Phone', 'de', 'x', now(), now() + interval '1 h', 'held', now() + interval '1 day')`,
		"an appointment stored years ago":              columns + `created_at) VALUES ('x', 1, 'x', 'Phone', 'de', 'x', now(), now() + interval '1 h', 'held', now() - interval '9 years')`,
		"an appointment at the end of time":            columns + `confirmed_at) VALUES ('x', 1, 'x', 'Phone', 'de', 'x', now(), 'infinity', 'confirmed', now())`,
		"an appointment cancelled years ago":           columns + `cancelled_at) VALUES ('x', 1, 'x', 'Phone', 'de', 'x', now(), now() + interval '1 h', 'cancelled', now() - interval '9 years')`,
		"an appointment younger than it is":            `UPDATE appointment SET created_at = now()`,
		"an appointment that has ended, moved ahead":   `UPDATE appointment SET starts_at = now(), ends_at = now() + interval '1 day' WHERE token_hash = 'ended'`,
		"an appointment ahead, moved into the past":    `UPDATE appointment SET starts_at = now() - interval '41 days', ends_at = now() - interval '40 days' WHERE token_hash = 'ahead'`,
		"an appointment moved to the end of time":      `UPDATE appointment SET ends_at = 'infinity' WHERE token_hash = 'ahead'`,
		"an appointment cancelled in the past":         `UPDATE appointment SET state = 'cancelled', cancelled_at = now() - interval '40 days' WHERE token_hash = 'ahead'`,
		"an appointment cancelled without saying so":   `UPDATE appointment SET cancelled_at = now() WHERE token_hash = 'ahead'`,
		"an appointment cancelled twice":               `UPDATE appointment SET cancelled_at = now() WHERE token_hash = 'cancelled'`,
		"an appointment cancelled no more":             `UPDATE appointment SET cancelled_at = NULL WHERE token_hash = 'cancelled'`,
		"an appointment confirmed after cancellation":  `UPDATE appointment SET state = 'confirmed' WHERE token_hash = 'cancelled'`,
		"an appointment made a hold, to expire sooner": `UPDATE appointment SET state = 'held' WHERE token_hash = 'ahead'`,
		"a contact under a later promise":              `UPDATE contact SET created_at = now()`,
		"a contact hung on a later appointment":        `UPDATE contact SET appointment_id = (SELECT id FROM appointment WHERE token_hash = 'ahead')`,
		"a mail younger than it is":                    `UPDATE mail_outbox SET created_at = now()`,
		"a mail that fails tomorrow":                   `UPDATE mail_outbox SET failed_at = now() + interval '1 day' WHERE failed_at IS NULL`,
		"a mail that fails again":                      `UPDATE mail_outbox SET failed_at = now() WHERE failed_at IS NOT NULL`,
		"a mail that has not failed after all":         `UPDATE mail_outbox SET failed_at = NULL WHERE failed_at IS NOT NULL`,
		"a consent withdrawn later":                    `UPDATE consent SET withdrawn_at = now() WHERE subject = 'x'`,
		"a consent withdrawn no more":                  `UPDATE consent SET withdrawn_at = NULL WHERE subject = 'x'`,
		"a consent withdrawn years ago":                `UPDATE consent SET withdrawn_at = now() - interval '9 years' WHERE subject = 'y'`,
		"a session younger than it is":                 `UPDATE session SET created_at = now()`,
		"a signature of tomorrow":                      `INSERT INTO signature (signed_at, document_sha256, strokes) VALUES (now() + interval '1 day', 'x', 'x')`,
		"an address of tomorrow":                       `INSERT INTO session_address (created_at, address) VALUES (now() + interval '1 day', '192.0.2.1')`,
		"a change logged tomorrow":                     `INSERT INTO audit_log (created_at, actor, action, object) VALUES (now() + interval '1 day', 'x', 'x', 'x')`,
		"an erasure of long ago, soon forgotten":       `INSERT INTO erasure_journal (erased_at, subject_hmac) VALUES (now() - interval '9 years', sha256('x'))`,
		"an access of tomorrow":                        `INSERT INTO access_log (created_at, method, route, status) VALUES (now() + interval '1 day', 'GET', '/', 200)`,
		"an access of last year":                       `INSERT INTO access_log (created_at, method, route, status) VALUES (now() - interval '1 year', 'GET', '/', 200)`,
	} {
		t.Run(name, func(t *testing.T) { refused(t, app, statement) })
	}
	for _, step := range []struct{ name, statement string }{ // As this release and the one before work.
		{"moving", `UPDATE appointment SET counter = 9, starts_at = now() + interval '5 days', ends_at = now() + interval '6 days' WHERE token_hash = 'ahead'`},
		{"calling", `UPDATE appointment SET sequence = sequence + 1`},
		{"correcting", `UPDATE contact SET given_name = 'Eva'`},
		{"cancelling", `UPDATE appointment SET state = 'cancelled', cancelled_at = now() WHERE token_hash = 'ahead'`},
		{"withdrawing", `UPDATE consent SET withdrawn_at = now() WHERE subject = 'y'`},
		{"failing", `UPDATE mail_outbox SET failed_at = now(), token = NULL WHERE failed_at IS NULL`},
		{"an access", `INSERT INTO access_log (created_at, method, route, status) VALUES (now() - interval '3 seconds', 'GET', '/', 200)`},
		{"a whole life", `DELETE FROM appointment`},
	} {
		if _, err := app.Exec(t.Context(), step.statement); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}

// A hold binds the app too: neither the citizen's erasure, nor an expiry, nor an overwriting loses what a case needs,
// and everything beside it goes on (Art. 17(3), 18(2) GDPR, A3).
func TestTheAppCannotLoseWhatIsOnHold(t *testing.T) {
	app, super, retention := guarded(t)
	id := value[string](t, app, `SELECT id::text FROM appointment WHERE token_hash = 'ahead'`)
	if held := value[*time.Time](t, app, `SELECT held_until($1::text::uuid)`, id); held != nil {
		t.Errorf("held until %v before there is a hold", held)
	}
	for _, category := range []string{"Contact", "MailOutbox"} {
		exec(t, retention, `SELECT open_hold('Restriction', 'case-1', $1, $2::text, now() + interval '5 days')`, category, id)
	}
	if held := value[*time.Time](t, app, `SELECT held_until($1::text::uuid)`, id); held == nil || time.Until(*held) < 4*day {
		t.Errorf("held until %v, want in five days", held)
	}
	for _, statement := range []string{`DELETE FROM contact`, `DELETE FROM mail_outbox`, `DELETE FROM appointment`} {
		exec(t, app, statement)
	}
	if left := value[string](t, super, `SELECT concat_ws(' ', (SELECT string_agg(a.token_hash::text, ',') FROM appointment AS a),
		(SELECT count(*) FROM contact), (SELECT count(*) FROM mail_outbox WHERE failed_at IS NOT NULL AND token IS NULL))`); left != `\x6168656164 1 1` {
		t.Errorf("left: %s, want the held appointment, contact and mail alone", left)
	}
	if _, err := app.Exec(t.Context(), `UPDATE contact SET family_name = ''`); err == nil {
		t.Error("a contact on hold was overwritten")
	}
	exec(t, app, `UPDATE appointment SET state = 'cancelled', cancelled_at = now()`)
	refused(t, app, `SELECT * FROM retention_hold`)
	refused(t, app, `DELETE FROM retention_hold`)
	exec(t, retention, `SELECT end_hold('Restriction', 'case-1')`)
	exec(t, app, `DELETE FROM appointment`)
	if left := value[int64](t, super, `SELECT (SELECT count(*) FROM appointment) + (SELECT count(*) FROM contact)`); left != 0 {
		t.Errorf("%d records left after the case was ended", left)
	}
}
