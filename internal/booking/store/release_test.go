// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// delaying is a tenant that keeps what was given up from citizens for an hour at least.
func delaying(t *testing.T) *fixture.Tenant {
	t.Helper()
	tenant := fixture.New(t)
	tenant.Store.ReleaseDelay = func() time.Duration { return time.Hour }
	return tenant
}

// settled books a slot whose counters are all free.
func settled(t *testing.T, tenant *fixture.Tenant, counters int32, at booking.Slot) string {
	t.Helper()
	token := hold(t, tenant, wish(counters, at))
	contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org"}
	if err := tenant.Store.SaveContact(t.Context(), token, contact, "2026-05-31", expiry); err != nil {
		t.Fatal(err)
	}
	if _, err := tenant.Store.Confirm(t.Context(), token, false, expiry); err != nil {
		t.Fatal(err)
	}
	return token
}

// offered tells whether citizens, and the staff, find the only counter of a slot free.
func offered(t *testing.T, tenant *fixture.Tenant, at booking.Slot) (citizens, staff bool) {
	t.Helper()
	public, err := tenant.Store.BusyToPublic(t.Context(), "einwohneramt", at.Start, at.End, expiry)
	if err != nil {
		t.Fatal(err)
	}
	all, err := tenant.Store.Busy(t.Context(), "einwohneramt", at.Start, at.End, expiry)
	if err != nil {
		t.Fatal(err)
	}
	return len(public) == 0, len(all) == 0
}

func TestASlotThatWasGivenUpComesBackToCitizensAfterAWhileAndToTheStaffAtOnce(t *testing.T) {
	staff := booking.Staff{Subject: "desk"}
	for name, end := range map[string]func(tenant *fixture.Tenant, token string) error{
		"cancelled": func(tenant *fixture.Tenant, token string) error {
			_, err := tenant.Store.Cancel(t.Context(), token, false)
			return err
		},
		"left by a move": func(tenant *fixture.Tenant, token string) error {
			_, err := tenant.Store.Move(t.Context(), token, "einwohneramt", 1, slot(5*time.Hour), false, expiry)
			return err
		},
		"erased": func(tenant *fixture.Tenant, token string) error { return tenant.Store.Erase(t.Context(), token) },
		"cancelled by the staff": func(tenant *fixture.Tenant, token string) error {
			found, err := tenant.Store.Find(t.Context(), token, expiry)
			if err != nil {
				return err
			}
			_, err = tenant.Store.Advance(t.Context(), staff, found.ID, booking.StepCancel, "", false,
				func(string) *time.Location { return time.UTC }, func(string) bool { return true })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := delaying(t)
			if err := end(tenant, settled(t, tenant, 1, slot(0))); err != nil {
				t.Fatal(err)
			}
			if citizens, desk := offered(t, tenant, slot(0)); citizens || !desk {
				t.Errorf("offered to citizens: %v, to the staff: %v", citizens, desk)
			}
			if err := tenant.Store.Hold(t.Context(), wish(1, slot(0)), expiry); !errors.Is(err, store.ErrTaken) {
				t.Errorf("a citizen who was told of it takes it: %v", err)
			}
			mover := settled(t, tenant, 1, slot(9*time.Hour))
			if _, err := tenant.Store.Move(t.Context(), mover, "einwohneramt", 1, slot(0), false, expiry); !errors.Is(err, store.ErrTaken) {
				t.Errorf("a citizen who was told of it moves there: %v", err)
			}
			if soon := exec(t, tenant, `SELECT FROM slot_release WHERE free_at < now() + interval '59 minutes' OR free_at > now() + interval '2 hours'`); soon != 0 {
				t.Error("it comes back sooner, or later, than was declared")
			}
			exec(t, tenant, `UPDATE slot_release SET free_at = now() - interval '1 second'`)
			if citizens, _ := offered(t, tenant, slot(0)); !citizens {
				t.Error("it does not come back")
			}
			hold(t, tenant, wish(1, slot(0)))
			if _, err := tenant.Store.Expire(t.Context(), expiry); err != nil || exec(t, tenant, `SELECT FROM slot_release`) != 0 {
				t.Errorf("what has come back is still kept; error %v", err)
			}
		})
	}
}

func TestTheStaffBookWhatACitizenHasJustGivenUp(t *testing.T) {
	tenant := delaying(t)
	token := settled(t, tenant, 1, slot(0))
	if _, err := tenant.Store.Cancel(t.Context(), token, false); err != nil {
		t.Fatal(err)
	}
	_, err := tenant.Store.BookFor(t.Context(), booking.Staff{Subject: "desk"}, store.Call{Hold: wish(1, slot(0)), Origin: booking.OriginPhone,
		Contact: booking.Contact{GivenName: "Ada", FamilyName: "Lovelace"}, NoticeDate: "2026-05-31"}, expiry)
	if err != nil {
		t.Error(err)
	}
}

func TestAHoldThatIsGivenUpWasNobodysAppointmentAndIsFreeAtOnce(t *testing.T) {
	tenant := delaying(t)
	token := hold(t, tenant, wish(1, slot(0)))
	if _, err := tenant.Store.Cancel(t.Context(), token, false); err != nil {
		t.Fatal(err)
	}
	if citizens, _ := offered(t, tenant, slot(0)); !citizens {
		t.Error("it is kept from citizens")
	}
	hold(t, tenant, wish(1, slot(0)))
}

func TestSlotsComeBackAtMomentsNobodyCanForesee(t *testing.T) {
	tenant := delaying(t)
	for n := range 12 {
		if _, err := tenant.Store.Cancel(t.Context(), settled(t, tenant, 1, slot(time.Duration(n)*time.Hour)), false); err != nil {
			t.Fatal(err)
		}
	}
	var spread float64
	if err := tenant.Superuser(t).QueryRow(t.Context(), `SELECT extract(epoch FROM max(free_at) - min(free_at))::float8 FROM slot_release`).Scan(&spread); err != nil {
		t.Fatal(err)
	}
	// Twelve moments of an hour fall within the same five minutes once in 10^11.
	if spread < 300 {
		t.Errorf("twelve slots come back within %v seconds", spread)
	}
}

func TestWhateverManyDoAtOnceNoCitizenGetsACounterThatWasJustGivenUp(t *testing.T) {
	tenant := delaying(t)
	const counters, slots = 3, 2
	var everybody sync.WaitGroup
	for citizen := range 8 {
		everybody.Go(func() {
			random := rand.New(rand.NewPCG(uint64(citizen), 3))
			somewhere := func() booking.Slot { return slot(time.Duration(3*random.IntN(slots)) * time.Hour) }
			contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org"}
			for range 20 {
				wanted := wish(counters, somewhere())
				if err := tenant.Store.Hold(t.Context(), wanted, expiry); err != nil {
					if !expected(err) {
						t.Error(err)
					}
					continue
				}
				if err := tenant.Store.SaveContact(t.Context(), wanted.Token, contact, "2026-05-31", expiry); !expected(err) {
					t.Error(err)
				}
				if _, err := tenant.Store.Confirm(t.Context(), wanted.Token, false, expiry); !expected(err) {
					t.Error(err)
				}
				if random.IntN(2) == 0 {
					if _, err := tenant.Store.Move(t.Context(), wanted.Token, "einwohneramt", counters, somewhere(), false, expiry); !expected(err) {
						t.Error(err)
					}
				}
				if _, err := tenant.Store.Cancel(t.Context(), wanted.Token, false); !expected(err) {
					t.Error(err)
				}
			}
		})
	}
	everybody.Wait()
	// Each counter of a slot can be given up once in the hour, and is then nobody's.
	if twice := exec(t, tenant, `SELECT FROM slot_release GROUP BY office, counter, starts_at HAVING count(*) > 1`); twice != 0 {
		t.Errorf("%d counters were given to a citizen while they were kept from all", twice)
	}
	if released := exec(t, tenant, `SELECT FROM slot_release`); released != counters*slots {
		t.Errorf("%d counters were given up, of %d", released, counters*slots)
	}
}
