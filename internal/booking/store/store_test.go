// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/store"
)

var expiry = booking.Expiry{Hold: 15 * time.Minute, Unconfirmed: time.Hour}

// slot of an hour, tomorrow, shifted.
func slot(shift time.Duration) booking.Slot {
	start := time.Now().Add(24*time.Hour + shift).Truncate(time.Hour)
	return booking.Slot{Start: start, End: start.Add(time.Hour)}
}

func wish(counters int32, slot booking.Slot) store.Hold {
	return store.Hold{Office: "einwohneramt", Service: "ausweis", Channel: "OnSite", Counters: counters, Slot: slot, Locale: "de",
		Token: booking.NewNonce()}
}

func hold(t *testing.T, tenant *fixture.Tenant, wish store.Hold) string {
	t.Helper()
	if err := tenant.Store.Hold(t.Context(), wish, expiry); err != nil {
		t.Fatal(err)
	}
	return wish.Token
}

func exec(t *testing.T, tenant *fixture.Tenant, sql string) int64 {
	t.Helper()
	tag, err := tenant.Superuser(t).Exec(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	return tag.RowsAffected()
}

func TestOfManyWhoWantOneSlotAsManyWinAsThereAreCounters(t *testing.T) {
	tenant := fixture.New(t)
	for _, counters := range []int32{1, 3} {
		var won, lost atomic.Int32
		var everybody sync.WaitGroup
		for range 60 {
			everybody.Go(func() {
				err := tenant.Store.Hold(t.Context(), wish(counters, slot(time.Duration(counters)*3*time.Hour)), expiry)
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, store.ErrTaken):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		everybody.Wait()
		if won.Load() != counters || lost.Load() != 60-counters {
			t.Errorf("%d won and %d lost at %d counters", won.Load(), lost.Load(), counters)
		}
	}
}

func TestHoldingTwiceWithOneTokenIsOneHold(t *testing.T) {
	tenant := fixture.New(t)
	twice := wish(5, slot(0))
	var both sync.WaitGroup
	for range 8 {
		both.Go(func() {
			if err := tenant.Store.Hold(t.Context(), twice, expiry); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	busy, err := tenant.Store.Busy(t.Context(), twice.Office, twice.Slot.Start, twice.Slot.End, expiry)
	if err != nil || len(busy) != 1 {
		t.Errorf("%d appointments, error %v", len(busy), err)
	}
}

func TestPressedManyTimesAtOnceItIsOneHoldAndPaidOnce(t *testing.T) { // B11
	tenant := fixture.New(t)
	for n := range 20 {
		pressed := wish(1, slot(time.Duration(n)*time.Hour))
		if n%2 == 0 {
			pressed.Work = &store.Work{Mark: booking.NewWork(time.Now()).Mark(), Expires: time.Now().Add(time.Hour)}
		}
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if err := tenant.Store.Hold(t.Context(), pressed, expiry); err != nil {
					t.Errorf("paid %v: %v", pressed.Work != nil, err)
				}
			})
		}
		all.Wait()
		busy, err := tenant.Store.Busy(t.Context(), pressed.Office, pressed.Slot.Start, pressed.Slot.End, expiry)
		if err != nil || len(busy) != 1 {
			t.Errorf("%d appointments, error %v", len(busy), err)
		}
		if pressed.Work == nil {
			continue
		}
		another := wish(1, slot(-time.Hour))
		another.Work = pressed.Work
		if err := tenant.Store.Hold(t.Context(), another, expiry); !errors.Is(err, store.ErrSpent) {
			t.Errorf("what was paid with buys another hold: %v", err)
		}
	}
}

func TestACallersFormSentManyTimesAtOnceIsOneBooking(t *testing.T) {
	tenant := fixture.New(t)
	for n := range 20 {
		call := store.Call{Hold: wish(1, slot(time.Duration(n)*time.Hour)), Origin: booking.OriginPhone,
			Contact: booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Phone: "061 555 01 23"}, NoticeDate: "2026-05-31"}
		booked := make([]string, 6)
		var all sync.WaitGroup
		for sent := range booked {
			all.Go(func() {
				id, err := tenant.Store.BookFor(t.Context(), booking.Staff{Subject: "desk"}, call, expiry)
				if err != nil {
					t.Error(err)
				}
				booked[sent] = id
			})
		}
		all.Wait()
		if ids := slices.Compact(booked); len(ids) != 1 || ids[0] == "" {
			t.Errorf("booked are %q", ids)
		}
	}
}

func TestAnExpiredHoldGivesItsSlotBackAndItsLinkLeadsNowhere(t *testing.T) {
	tenant := fixture.New(t)
	for _, test := range []struct{ name, state, age string }{{"a hold", "held", "16 minutes"}, {"an unconfirmed booking", "pending", "61 minutes"}} {
		t.Run(test.name, func(t *testing.T) {
			wanted := wish(1, slot(time.Duration(len(test.state))*3*time.Hour))
			token := hold(t, tenant, wanted)
			exec(t, tenant, "UPDATE appointment SET state = '"+test.state+"', created_at = now() - interval '"+test.age+"'")
			busy, err := tenant.Store.Busy(t.Context(), wanted.Office, wanted.Slot.Start, wanted.Slot.End, expiry)
			if err != nil || len(busy) != 0 {
				t.Fatalf("%d appointments are in the way, error %v", len(busy), err)
			}
			if _, err := tenant.Store.Find(t.Context(), token, expiry); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the link still leads somewhere: %v", err)
			}
			if _, err := tenant.Store.Confirm(t.Context(), token, false, expiry); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("it can still be confirmed: %v", err)
			}
			hold(t, tenant, wish(1, wanted.Slot))
			exec(t, tenant, "UPDATE appointment SET created_at = now() - interval '2 hours'")
			if count, err := tenant.Store.Expire(t.Context(), expiry); err != nil || count != 1 {
				t.Errorf("%d expired, error %v", count, err)
			}
		})
	}
}

func TestABookingGoesFromHoldToCancellation(t *testing.T) {
	tenant := fixture.New(t)
	token := hold(t, tenant, wish(1, slot(0)))
	contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org"}
	if _, err := tenant.Store.Confirm(t.Context(), token, true, expiry); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a hold without contact can be confirmed: %v", err)
	}
	for range 2 {
		if err := tenant.Store.SaveContact(t.Context(), token, contact, "2026-05-31", expiry); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 2 {
		changed, err := tenant.Store.Confirm(t.Context(), token, true, expiry)
		if err != nil || changed != (n == 0) {
			t.Fatalf("confirmation %d: changed %v, error %v", n+1, changed, err)
		}
	}
	found, err := tenant.Store.Find(t.Context(), token, expiry)
	if err != nil || found.State != booking.StateConfirmed || *found.Contact != contact {
		t.Fatalf("found %+v, error %v", found, err)
	}
	if mails := exec(t, tenant, "SELECT FROM mail_outbox"); mails != 1 {
		t.Errorf("%d mails wait after confirming twice", mails)
	}
	for n := range 2 {
		changed, err := tenant.Store.Cancel(t.Context(), token, true)
		if err != nil || changed != (n == 0) {
			t.Fatalf("cancellation %d: changed %v, error %v", n+1, changed, err)
		}
	}
	if mails := exec(t, tenant, "SELECT FROM mail_outbox WHERE kind = 'cancelled'"); mails != 1 {
		t.Errorf("%d mails wait after cancelling twice", mails)
	}
	hold(t, tenant, wish(1, slot(0)))
}

func TestAnAppointmentThatHasBegunCannotBeCancelled(t *testing.T) {
	tenant := fixture.New(t)
	token := hold(t, tenant, wish(1, slot(0)))
	exec(t, tenant, "UPDATE appointment SET state = 'confirmed', starts_at = now() - interval '1 minute'")
	if changed, err := tenant.Store.Cancel(t.Context(), token, false); changed || err != nil {
		t.Errorf("changed %v, error %v: its period would begin anew", changed, err)
	}
}

func TestGivingUpAnUnfinishedBookingDeletesIt(t *testing.T) {
	tenant := fixture.New(t)
	token := hold(t, tenant, wish(1, slot(0)))
	if _, err := tenant.Store.Cancel(t.Context(), token, true); err != nil {
		t.Fatal(err)
	}
	if rows := exec(t, tenant, "SELECT FROM appointment"); rows != 0 {
		t.Errorf("%d appointments are left", rows)
	}
}

func TestOnlyAHashOfTheTokenIsStored(t *testing.T) {
	tenant := fixture.New(t)
	token := hold(t, tenant, wish(1, slot(0)))
	if rows := exec(t, tenant, "SELECT FROM appointment WHERE appointment::text LIKE '%"+token+"%'"); rows != 0 {
		t.Error("the token can be read in the database")
	}
}

func TestErrorsRepeatNoValueOfARow(t *testing.T) {
	tenant := fixture.New(t)
	wrong := wish(1, slot(0))
	wrong.Channel = "Secret-Channel"
	err := tenant.Store.Hold(t.Context(), wrong, expiry)
	if err == nil || strings.Contains(err.Error(), "Secret-Channel") || strings.Contains(err.Error(), wrong.Token) {
		t.Errorf("the error is %v", err)
	}
}

func TestMailIsClaimedOnceAndGivenUpAtLast(t *testing.T) {
	tenant := fixture.New(t)
	token := hold(t, tenant, wish(1, slot(0)))
	contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org"}
	if err := tenant.Store.SaveContact(t.Context(), token, contact, "2026-05-31", expiry); err != nil {
		t.Fatal(err)
	}
	if _, err := tenant.Store.Confirm(t.Context(), token, true, expiry); err != nil {
		t.Fatal(err)
	}
	mail, err := tenant.Store.ClaimMail(t.Context())
	if err != nil || mail == nil || mail.Token != token || mail.Appointment.Contact.Email != contact.Email {
		t.Fatalf("claimed %+v, error %v", mail, err)
	}
	if again, err := tenant.Store.ClaimMail(t.Context()); again != nil || err != nil {
		t.Fatalf("claimed twice: %+v, error %v", again, err)
	}
	if err := tenant.Store.MailFailed(t.Context(), mail, false); err != nil {
		t.Fatal(err)
	}
	if waiting := exec(t, tenant, "SELECT FROM mail_outbox WHERE next_attempt_at > now() AND failed_at IS NULL"); waiting != 1 {
		t.Error("a mail that failed once is not put back for later")
	}
	if err := tenant.Store.MailFailed(t.Context(), mail, true); err != nil {
		t.Fatal(err)
	}
	if failed := exec(t, tenant, "SELECT FROM mail_outbox WHERE failed_at IS NOT NULL AND token IS NULL"); failed != 1 {
		t.Error("a mail that was refused is not given up")
	}
}
