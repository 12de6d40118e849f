// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// shifted is a slot off the hour, which overlaps its neighbours.
func shifted(hours, by time.Duration) booking.Slot {
	base := slot(hours)
	return booking.Slot{Start: base.Start.Add(by), End: base.End.Add(by)}
}

// expected errors of a race; everything else, a lost deadlock among them, is a fault.
func expected(err error) bool {
	return err == nil || errors.Is(err, store.ErrTaken) || errors.Is(err, store.ErrNotFound)
}

func TestHoldingConfirmingMovingCancellingErasingAndExpiringAtOnceNeverBooksTwice(t *testing.T) {
	tenant := fixture.New(t)
	contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org"}
	const citizens, steps, counters = 12, 25, 2
	var everybody sync.WaitGroup
	for citizen := range citizens {
		everybody.Go(func() {
			random := rand.New(rand.NewPCG(uint64(citizen), 1))
			token := ""
			somewhere := func() booking.Slot { return shifted(0, time.Duration(random.IntN(4))*30*time.Minute) }
			for range steps {
				var err error
				switch random.IntN(7) {
				case 0, 1:
					wanted := wish(counters, somewhere())
					if err = tenant.Store.Hold(t.Context(), wanted, expiry); err == nil {
						token = wanted.Token
					}
				case 2:
					err = tenant.Store.SaveContact(t.Context(), token, contact, "2026-05-31", expiry)
				case 3:
					_, err = tenant.Store.Confirm(t.Context(), token, true, expiry)
				case 4:
					_, err = tenant.Store.Move(t.Context(), token, "einwohneramt", counters, somewhere(), true, expiry)
				case 5:
					_, err = tenant.Store.Cancel(t.Context(), token, true)
				case 6:
					if random.IntN(2) == 0 {
						err = tenant.Store.Erase(t.Context(), token)
					} else {
						_, err = tenant.Store.Expire(t.Context(), expiry)
					}
				}
				if !expected(err) {
					t.Error(err)
				}
			}
		})
	}
	everybody.Wait()
	if double := exec(t, tenant, `SELECT FROM appointment AS a JOIN appointment AS b ON a.id < b.id AND a.office = b.office AND a.counter = b.counter
		AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at) WHERE a.state <> 'cancelled' AND b.state <> 'cancelled'`); double != 0 {
		t.Errorf("%d counters are booked twice", double)
	}
	if orphans := exec(t, tenant, `SELECT FROM mail_outbox AS m LEFT JOIN contact AS c USING (appointment_id) WHERE c.appointment_id IS NULL`); orphans != 0 {
		t.Errorf("%d mails have nobody to go to", orphans)
	}
}

func TestWhatACitizenDoesIsLoggedByIdentifierOnlyAndErasureIsJournalled(t *testing.T) { // T6, invariant 5
	tenant := fixture.New(t)
	tenant.Store.Keeps = func(v1alpha1.Category) bool { return true }
	token := hold(t, tenant, wish(1, slot(0)))
	contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org"}
	steps := []func() error{
		func() error { return tenant.Store.SaveContact(t.Context(), token, contact, "2026-05-31", expiry) },
		func() error { _, err := tenant.Store.Confirm(t.Context(), token, true, expiry); return err },
		func() error {
			_, err := tenant.Store.Move(t.Context(), token, "einwohneramt", 1, slot(3*time.Hour), true, expiry)
			return err
		},
		func() error { return tenant.Store.Correct(t.Context(), token, contact, true) },
		func() error { _, err := tenant.Store.Cancel(t.Context(), token, true); return err },
	}
	for n, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", n+1, err)
		}
	}
	found, err := tenant.Store.Find(t.Context(), token, expiry)
	if err != nil {
		t.Fatal(err)
	}
	if err := tenant.Store.Erase(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	var actions, log string
	if err := tenant.Superuser(t).QueryRow(t.Context(), `SELECT string_agg(action, ' ' ORDER BY id), string_agg(a::text, ' ') FROM audit_log AS a`).Scan(&actions, &log); err != nil {
		t.Fatal(err)
	}
	if actions != "confirmed moved corrected cancelled erased" {
		t.Errorf("the audit log tells %s", actions)
	}
	for _, secret := range []string{"Ada", "Lovelace", "ada@", token} {
		if strings.Contains(log, secret) {
			t.Errorf("the audit log keeps %q", secret)
		}
	}
	// Hidden, not gone: only what a store has journalled may go (internal/backup).
	if n := exec(t, tenant, `SELECT FROM appointment AS a JOIN erasure_pending AS p ON p.subject = a.id WHERE a.state = 'cancelled'`); n != 1 {
		t.Errorf("%d erasures wait for a store", n)
	}
	if n := exec(t, tenant, `SELECT FROM mail_outbox`); n != 0 {
		t.Errorf("%d mails wait for whom nobody may write to any more", n)
	}
	if _, err := tenant.Store.Find(t.Context(), token, expiry); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the link still leads somewhere: %v", err)
	}
	if err := tenant.Store.Erase(t.Context(), token); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it was erased again: %v", err)
	}
	staff := booking.Staff{Subject: "s"}
	if _, err := tenant.Store.Visit(t.Context(), staff, found.ID, func(string) bool { return true }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("staff still see who was erased: %v", err)
	}
}

func TestMovingIsOneTransactionWithItsMail(t *testing.T) {
	tenant := fixture.New(t)
	token := hold(t, tenant, wish(1, slot(0)))
	contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org"}
	if err := tenant.Store.SaveContact(t.Context(), token, contact, "2026-05-31", expiry); err != nil {
		t.Fatal(err)
	}
	if _, err := tenant.Store.Move(t.Context(), token, "einwohneramt", 1, slot(3*time.Hour), true, expiry); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unconfirmed booking moves: %v", err)
	}
	if _, err := tenant.Store.Confirm(t.Context(), token, true, expiry); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		changed, err := tenant.Store.Move(t.Context(), token, "einwohneramt", 1, slot(3*time.Hour), true, expiry)
		if err != nil || changed != (n == 0) {
			t.Fatalf("move %d: changed %v, error %v", n+1, changed, err)
		}
	}
	if waiting := exec(t, tenant, `SELECT FROM mail_outbox WHERE kind = 'moved'`); waiting != 1 {
		t.Errorf("%d mails tell of the move", waiting)
	}
	if waiting := exec(t, tenant, `SELECT FROM mail_outbox`); waiting != 1 {
		t.Error("the confirmation of the old time still waits")
	}
	hold(t, tenant, wish(1, slot(0)))
	// Onto a neighbour, which overlaps the appointment itself: its own time is not in its way.
	if changed, err := tenant.Store.Move(t.Context(), token, "einwohneramt", 1, shifted(3*time.Hour, 30*time.Minute), true, expiry); err != nil || !changed {
		t.Errorf("moving by half an hour: changed %v, error %v", changed, err)
	}
}
