// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
)

// reminded books an appointment of a citizen who wants a mail two hours before.
func reminded(t *testing.T, tenant *fixture.Tenant, at booking.Slot, before time.Duration) string {
	t.Helper()
	token := hold(t, tenant, wish(3, at))
	contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org", Reminder: before}
	if err := tenant.Store.SaveContact(t.Context(), token, contact, "2026-05-31", expiry); err != nil {
		t.Fatal(err)
	}
	if _, err := tenant.Store.Confirm(t.Context(), token, true, expiry); err != nil {
		t.Fatal(err)
	}
	exec(t, tenant, `DELETE FROM mail_outbox WHERE kind = 'confirmed'`) // the relay has taken it
	return token
}

// approach lets time pass until an hour before the appointments, which were confirmed a week ago.
func approach(t *testing.T, tenant *fixture.Tenant) {
	t.Helper()
	exec(t, tenant, `UPDATE appointment SET starts_at = now() + interval '1 hour', ends_at = now() + interval '2 hours', confirmed_at = now() - interval '7 days'`)
}

func queue(t *testing.T, tenant *fixture.Tenant) int64 {
	t.Helper()
	queued, err := tenant.Store.QueueReminders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return queued
}

func TestWhoeverAskedIsRemindedOnceHoweverManyInstancesLook(t *testing.T) {
	tenant := fixture.New(t)
	reminded(t, tenant, slot(0), 2*time.Hour)
	reminded(t, tenant, slot(0), 0) // did not ask
	if early := queue(t, tenant); early != 0 {
		t.Fatalf("%d reminders a day ahead", early)
	}
	approach(t, tenant)
	var (
		instances sync.WaitGroup
		queued    atomic.Int64
	)
	for range 8 {
		instances.Go(func() {
			count, err := tenant.Store.QueueReminders(t.Context())
			if err != nil {
				t.Error(err)
			}
			queued.Add(count)
		})
	}
	instances.Wait()
	if queued.Load() != 1 || exec(t, tenant, `SELECT FROM mail_outbox WHERE kind = 'reminder'`) != 1 {
		t.Errorf("%d reminders were queued", queued.Load())
	}
	mail, err := tenant.Store.ClaimMail(t.Context())
	if err != nil || mail == nil || mail.Kind != "reminder" || mail.Token != "" || mail.Code == "" || mail.Appointment.Contact.Email != "ada@example.org" {
		t.Fatalf("claimed %+v, error %v", mail, err)
	}
	if second, err := tenant.Store.ClaimMail(t.Context()); err != nil || second != nil {
		t.Errorf("it is claimed twice: %+v, error %v", second, err)
	}
	if err := tenant.Store.MailDone(t.Context(), mail.ID); err != nil {
		t.Fatal(err)
	}
	if again := queue(t, tenant); again != 0 || exec(t, tenant, `SELECT FROM mail_outbox`) != 0 {
		t.Errorf("%d reminders after it was sent", again)
	}
}

func TestAReminderTheRelayRefusesForNowComesBackLater(t *testing.T) {
	tenant := fixture.New(t)
	reminded(t, tenant, slot(0), 2*time.Hour)
	approach(t, tenant)
	queue(t, tenant)
	mail, err := tenant.Store.ClaimMail(t.Context())
	if err != nil || mail == nil {
		t.Fatalf("claimed %+v, error %v", mail, err)
	}
	if err := tenant.Store.MailFailed(t.Context(), mail, false); err != nil {
		t.Fatal(err)
	}
	if waits := exec(t, tenant, `SELECT FROM mail_outbox WHERE remind_at > now() AND next_attempt_at = 'infinity'`); waits != 1 {
		t.Error("it does not wait for later, or an instance of the release before would take it")
	}
	exec(t, tenant, `UPDATE mail_outbox SET remind_at = now()`)
	if mail, err = tenant.Store.ClaimMail(t.Context()); err != nil || mail == nil || mail.Attempts != 2 {
		t.Errorf("claimed again %+v, error %v", mail, err)
	}
}

func TestAMoveRemindsOfTheNewTimeAndACancellationOfNothing(t *testing.T) {
	tenant := fixture.New(t)
	token := reminded(t, tenant, slot(0), 2*time.Hour)
	approach(t, tenant)
	if queued := queue(t, tenant); queued != 1 {
		t.Fatalf("%d reminders", queued)
	}
	if _, err := tenant.Store.Move(t.Context(), token, "einwohneramt", 3, slot(48*time.Hour), true, expiry); err != nil {
		t.Fatal(err)
	}
	if stale := exec(t, tenant, `SELECT FROM mail_outbox WHERE kind = 'reminder'`); stale != 0 {
		t.Error("the reminder of the old time is still sent")
	}
	if early := queue(t, tenant); early != 0 {
		t.Error("reminded at once after a move to a later day")
	}
	approach(t, tenant)
	if queued := queue(t, tenant); queued != 1 {
		t.Errorf("%d reminders of the new time", queued)
	}
	if _, err := tenant.Store.Cancel(t.Context(), token, true); err != nil {
		t.Fatal(err)
	}
	if left := exec(t, tenant, `SELECT FROM mail_outbox WHERE kind = 'reminder'`); left != 0 || queue(t, tenant) != 0 {
		t.Error("reminded of what is cancelled")
	}
}

func TestNobodyIsRemindedWhoMustNotOrNeedNotBe(t *testing.T) {
	for name, change := range map[string]string{
		"confirmed later than the reminder would come": `UPDATE appointment SET confirmed_at = now() - interval '30 minutes'`,
		"without a mail address by now":                `UPDATE contact SET email = NULL`,
		"called already":                               `UPDATE appointment SET called_at = now()`,
		"who objected":                                 `UPDATE appointment SET objected_at = now()`,
		"whose data is restricted":                     `INSERT INTO retention_hold (category, record, kind, reference, until) SELECT 'Contact', id::text, 'Restriction', 'x', now() + interval '1 day' FROM appointment`,
		"of what has begun":                            `UPDATE appointment SET starts_at = now() - interval '1 minute'`,
	} {
		t.Run(name, func(t *testing.T) {
			tenant := fixture.New(t)
			reminded(t, tenant, slot(0), 2*time.Hour)
			approach(t, tenant)
			exec(t, tenant, change)
			if queued := queue(t, tenant); queued != 0 {
				t.Errorf("%d reminders", queued)
			}
		})
	}
}

func TestACorrectionTakesTheWishForAReminderBackAndGivesItAnew(t *testing.T) {
	tenant := fixture.New(t)
	token := reminded(t, tenant, slot(0), 2*time.Hour)
	contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org"}
	if err := tenant.Store.Correct(t.Context(), token, contact, true); err != nil {
		t.Fatal(err)
	}
	approach(t, tenant)
	if queued := queue(t, tenant); queued != 0 {
		t.Error("reminded although it was taken back")
	}
	contact.Reminder = 30 * time.Minute
	if err := tenant.Store.Correct(t.Context(), token, contact, true); err != nil {
		t.Fatal(err)
	}
	if queued := queue(t, tenant); queued != 0 {
		t.Error("reminded half an hour early")
	}
	exec(t, tenant, `UPDATE appointment SET starts_at = now() + interval '20 minutes'`)
	if queued := queue(t, tenant); queued != 1 {
		t.Errorf("%d reminders", queued)
	}
}
