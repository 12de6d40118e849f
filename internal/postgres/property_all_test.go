// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
)

// kinds are the categories beyond contact and appointment, whose histories the test before this one plays: how a record
// is stored whose period starts now, whether one is still there, and what shift moves it into the past. $1 is a tag of
// the record, by which the model knows it.
var kinds = []struct {
	category             v1alpha1.Category
	insert, there, shift string
	// hold is what open_hold calls the record; empty where none may be held.
	hold string
}{
	{v1alpha1.CategoryHold, appointmentTagged("held"), `FROM appointment WHERE token_hash = int4send($1::int)`, "", ""},
	{v1alpha1.CategoryUnconfirmedBooking, appointmentTagged("pending"), `FROM appointment WHERE token_hash = int4send($1::int)`, "", ""},
	{v1alpha1.CategoryMessage, endedWith(`INSERT INTO message (appointment_id, sender, body) SELECT id, 'citizen', $1::int::text FROM a`),
		`FROM message WHERE body = $1::int::text`, `UPDATE message SET created_at = created_at - $1::interval`, `(SELECT appointment_id::text FROM message WHERE body = $1::int::text)`},
	{v1alpha1.CategoryAttachment, endedWith(`INSERT INTO attachment (appointment_id, file_name, media_type, content) SELECT id, $1::int::text, 'x', 'x' FROM a`),
		`FROM attachment WHERE file_name = $1::int::text`, `UPDATE attachment SET created_at = created_at - $1::interval`, `(SELECT appointment_id::text FROM attachment WHERE file_name = $1::int::text)`},
	{v1alpha1.CategoryMailOutbox, `WITH a AS (` + appointmentAt(`now() + interval '5000 days'`) + `) INSERT INTO mail_outbox (appointment_id, kind, token) SELECT id, 'confirmed', $1::int::text FROM a`,
		`FROM mail_outbox WHERE token = $1::int::text`, `UPDATE mail_outbox SET created_at = created_at - $1::interval`, `(SELECT appointment_id::text FROM mail_outbox WHERE token = $1::int::text)`},
	{v1alpha1.CategorySessionAddress, `INSERT INTO session_address (address) VALUES ('10.0.0.0'::inet + $1::int)`,
		`FROM session_address WHERE address = '10.0.0.0'::inet + $1::int`, `UPDATE session_address SET created_at = created_at - $1::interval`, `host('10.0.0.0'::inet + $1::int)`},
	{v1alpha1.CategoryAccessLog, `INSERT INTO access_log (address, method, route, status) VALUES ('10.0.0.0'::inet + $1::int, 'GET', '/', 200)`,
		`FROM access_log WHERE address = '10.0.0.0'::inet + $1::int`, `UPDATE access_log_rest SET created_at = created_at - $1::interval`, `host('10.0.0.0'::inet + $1::int)`},
	{v1alpha1.CategorySessionMetadata, `INSERT INTO session (user_agent) VALUES ($1::int::text)`,
		`FROM session WHERE user_agent = $1::int::text`, `UPDATE session SET created_at = created_at - $1::interval`, `(SELECT id::text FROM session WHERE user_agent = $1::int::text)`},
	{v1alpha1.CategorySignatureBiometrics, `INSERT INTO signature (document_sha256, strokes) VALUES (int4send($1::int), 'x')`,
		`FROM signature WHERE document_sha256 = int4send($1::int)`, `UPDATE signature SET signed_at = signed_at - $1::interval`, `(SELECT id::text FROM signature WHERE document_sha256 = int4send($1::int))`},
	{v1alpha1.CategoryConsent, `INSERT INTO consent (subject, purpose, channel, withdrawn_at) VALUES ($1::int::text, 'x', 'x', now())`,
		`FROM consent WHERE subject = $1::int::text`, `UPDATE consent SET given_at = given_at - $1::interval, withdrawn_at = withdrawn_at - $1::interval`, `(SELECT id::text FROM consent WHERE subject = $1::int::text)`},
	{v1alpha1.CategoryAuditLog, `INSERT INTO audit_log (actor, action, object) VALUES ('x', 'x', $1::int::text)`,
		`FROM audit_log WHERE object = $1::int::text`, `UPDATE audit_log SET created_at = created_at - $1::interval`, `(SELECT id::text FROM audit_log WHERE object = $1::int::text)`},
	{v1alpha1.CategoryErasureJournal, `INSERT INTO erasure_journal (subject_hmac) VALUES (sha256(int4send($1::int)))`,
		`FROM erasure_journal WHERE subject_hmac = sha256(int4send($1::int))`, `UPDATE erasure_journal SET erased_at = erased_at - $1::interval`, ""},
	{v1alpha1.CategoryAbuseCase, `INSERT INTO retention_hold (category, record, kind, reference, until) VALUES ('Consent', 'x', 'AbuseCase', $1::int::text, now() + interval '9000 days')`,
		`FROM retention_hold WHERE reference = $1::int::text`, "", ""},
}

func appointmentAt(end string) string {
	return `INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		VALUES ('hall', $1::int + 1, 'passport', 'OnSite', ` + end + ` - interval '15 min', ` + end + `, 'confirmed', 'de', int4send($1::int)) RETURNING id`
}

func appointmentTagged(state string) string {
	return `INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		VALUES ('hall', $1::int + 1, 'passport', 'OnSite', now() + interval '5000 days', now() + interval '5001 days', '` + state + `', 'de', int4send($1::int))`
}

func endedWith(insert string) string { return `WITH a AS (` + appointmentAt("now()") + `) ` + insert }

// thing is one record as the model sees it: its kind, when it was stored, which began its period too, and until when it
// is held. gone is set once it was seen gone.
type thing struct {
	kind             int
	stored, heldTill time.Duration
	gone             bool
}

// ledger is the model of all kinds; times are since its beginning.
type ledger struct {
	t        *testing.T
	random   *rand.Rand
	super    *pgx.Conn
	admin    *postgres.Admin
	tenant   postgres.Tenant
	now      time.Duration
	things   []*thing
	promises map[v1alpha1.Category][]promise
}

// TestNoRecordOfAnyCategoryOutlivesItsPromiseAndNoneGoesEarly plays random histories of records of every category,
// holds, changes of policy and purges, and holds what is left against the model. It prints its seed.
func TestNoRecordOfAnyCategoryOutlivesItsPromiseAndNoneGoesEarly(t *testing.T) {
	server, database, admin := prepared(t)
	for range 3 {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			l := &ledger{
				t: t, random: rand.New(rand.NewPCG(seed, 0)), super: server.Superuser(t, database), admin: admin, tenant: newTenant(),
				promises: map[v1alpha1.Category][]promise{},
			}
			// Nothing of what hangs on an appointment shall go with it: that is another test's.
			l.rule(v1alpha1.CategoryAppointment).Period = 9000 * day
			for _, kind := range kinds {
				l.rule(kind.category).Period = l.days(40)
				l.promises[kind.category] = []promise{{l.rule(kind.category).Period, forever}}
			}
			must(t, admin.Ensure(t.Context(), l.tenant))
			exec(t, l.super, "SET search_path = "+l.tenant.DataID)
			for range 70 {
				l.step()
			}
			l.purge()
		})
	}
}

func (l *ledger) days(most int) time.Duration {
	return time.Duration(1+l.random.IntN(most*24*60)) * time.Minute
}

func (l *ledger) rule(category v1alpha1.Category) *postgres.Rule {
	for n := range l.tenant.Rules {
		if l.tenant.Rules[n].Category == category {
			return &l.tenant.Rules[n]
		}
	}
	l.t.Fatalf("no rule for %s", category)
	return nil
}

func (l *ledger) step() {
	switch l.random.IntN(8) {
	case 0, 1, 2:
		for range 4 {
			added := &thing{kind: l.random.IntN(len(kinds)), stored: l.now}
			exec(l.t, l.super, kinds[added.kind].insert, len(l.things))
			l.things = append(l.things, added)
		}
	case 3:
		l.hold()
	case 4:
		l.change()
	case 5:
		l.purge()
	default:
		l.pass(l.days(15))
	}
}

// hold restricts one record that is still there.
func (l *ledger) hold() {
	for tag, held := range l.things {
		if kinds[held.kind].hold == "" || held.gone || held.heldTill > l.now || l.random.IntN(3) > 0 {
			continue
		}
		length := l.days(30)
		if n := value[int64](l.t, l.super, `SELECT open_hold('Restriction', 'case-' || $1::int, $3, `+kinds[held.kind].hold+`, now() + $2::interval)`,
			tag, length, string(kinds[held.kind].category)); n == 1 {
			held.heldTill = l.now + length
		}
		return
	}
}

// change gives one category another period.
func (l *ledger) change() {
	category := kinds[l.random.IntN(len(kinds))].category
	period := l.days(40)
	given := l.promises[category]
	last := &given[len(given)-1]
	if period == last.period {
		return
	}
	last.until = l.now + grace
	if period < last.period {
		last.until = l.now
	}
	l.promises[category] = append(given, promise{period, forever})
	l.rule(category).Period = period
	must(l.t, l.admin.Ensure(l.t.Context(), l.tenant))
}

// pass moves everything into the past; partitions of the log are dated, so that the test keeps to the default one.
func (l *ledger) pass(d time.Duration) {
	l.now += d
	for _, sql := range []string{
		`UPDATE appointment SET created_at = created_at - $1::interval, starts_at = starts_at - $1::interval, ends_at = ends_at - $1::interval`,
		`UPDATE retention_rule SET effective_from = effective_from - $1::interval, until = until - $1::interval`,
		`UPDATE retention_hold SET opened_at = opened_at - $1::interval, until = until - $1::interval`,
	} {
		exec(l.t, l.super, sql, d)
	}
	for _, kind := range kinds {
		if kind.shift != "" {
			exec(l.t, l.super, kind.shift, d)
		}
	}
}

func (l *ledger) purge() {
	for _, kind := range kinds {
		for value[int64](l.t, l.super, `SELECT purge($1, 3, gen_random_uuid())`, string(kind.category)) == 3 {
			continue
		}
	}
	for tag, record := range l.things {
		kind := kinds[record.kind]
		there := value[bool](l.t, l.super, `SELECT EXISTS (SELECT `+kind.there+`)`, tag)
		due := forever
		for _, p := range l.promises[kind.category] {
			if record.stored < p.until {
				due = min(due, record.stored+p.period)
			}
		}
		unclear := near(l.now, due) || near(l.now, record.heldTill)
		switch {
		case record.gone && there:
			l.t.Errorf("%s %d came back", kind.category, tag)
		case record.gone || unclear:
		case there && l.now > due && record.heldTill < l.now:
			l.t.Errorf("%s %d outlived its promise by %s", kind.category, tag, l.now-due)
		case !there && l.now < due:
			l.t.Errorf("%s %d went %s early", kind.category, tag, due-l.now)
		case !there && record.heldTill > l.now:
			l.t.Errorf("%s %d went although it was held for another %s", kind.category, tag, record.heldTill-l.now)
		}
		record.gone = record.gone || !there
	}
}
