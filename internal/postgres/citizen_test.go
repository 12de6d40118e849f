// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"testing"
)

// Consents, reminders and what was given up are new to the schema: what an instance of the release before does must
// still be right for them.

func TestWhatAnInstanceOfTheReleaseBeforeDeletesEndsItsConsents(t *testing.T) { // T2, expand/contract
	app, super, _ := guarded(t)
	exec(t, app, `INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, locale, token_hash, state)
		VALUES ('o', 9, 's', 'OnSite', now() + interval '1 day', now() + interval '25 hours', 'de', 'pending', 'pending')`)
	exec(t, app, `INSERT INTO consent (subject, purpose, channel) SELECT id::text, 'Service', 'form' FROM appointment WHERE token_hash IN ('ahead', 'ended', 'pending')`)
	exec(t, app, previousErase, "ahead")
	exec(t, app, `DELETE FROM appointment WHERE `+previousExpired, -1.0, -1.0)
	for state, want := range map[string]int64{"purpose_ended_at = now()": 0, "purpose_ended_at <= now()": 1, "purpose_ended_at IS NULL": 1} {
		if found := value[int64](t, super, `SELECT count(*) FROM consent WHERE purpose = 'Service' AND `+state); found != want {
			t.Errorf("%d consents with %s, want %d", found, state, want)
		}
	}
	refused(t, app, `UPDATE consent SET purpose = 'Everything' WHERE purpose = 'Service'`)
	refused(t, app, `UPDATE consent SET subject = 'x' WHERE purpose = 'Service'`)
}

func TestAnInstanceOfTheReleaseBeforeTakesNoReminderAndMovesItWithTheAppointment(t *testing.T) { // expand/contract
	app, super, _ := guarded(t)
	exec(t, super, `DELETE FROM mail_outbox`)
	exec(t, app, `UPDATE appointment SET remind_before = interval '2 hours', reminded_for = starts_at WHERE token_hash = 'ahead'`)
	exec(t, app, `INSERT INTO mail_outbox (appointment_id, kind, next_attempt_at, remind_at) SELECT id, 'reminder', 'infinity', now() FROM appointment WHERE token_hash = 'ahead'`)
	if tag, err := app.Exec(t.Context(), previousClaim, 120.0); err != nil || tag.RowsAffected() != 0 {
		t.Errorf("it takes %d mails it has no words for, error %v", tag.RowsAffected(), err)
	}
	exec(t, app, previousMove, "ahead", 1)
	if due := value[bool](t, super, `SELECT reminded_for IS DISTINCT FROM starts_at FROM appointment WHERE token_hash = 'ahead'`); !due {
		t.Error("an appointment it moved is not due another reminder")
	}
	for _, statement := range []string{
		`INSERT INTO mail_outbox (appointment_id, kind, next_attempt_at, remind_at) SELECT id, 'reminder', 'infinity', now() FROM appointment WHERE token_hash = 'ahead'`,
		`INSERT INTO mail_outbox (appointment_id, kind) SELECT id, 'reminder' FROM appointment WHERE token_hash = 'ended'`,
	} {
		if _, err := app.Exec(t.Context(), statement); err == nil {
			t.Errorf("a second reminder, or one an older instance would take: %s", statement)
		}
	}
}

func TestTheAppCanChangeNoKeyOfChallengesAndUnspendNone(t *testing.T) {
	app, super, _ := guarded(t)
	refused(t, app, `UPDATE challenge_key SET key = '\x00'`)
	refused(t, app, `DELETE FROM challenge_key`)
	refused(t, app, `UPDATE challenge_spent SET expires_at = now()`)
	if length := value[int](t, super, `SELECT octet_length(key) FROM challenge_key`); length != 32 {
		t.Errorf("the key has %d bytes", length)
	}
}
