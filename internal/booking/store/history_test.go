// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// The model is what an office does with one person at the desk and a paper calendar: every operation happens at one
// instant between call and answer. Whatever many do at once must look as if they had queued up (acceptance 2).

const (
	modelCounters = 2
	modelSlots    = 3
)

type action string

const (
	doHold    action = "hold"
	doBook    action = "book"
	doSave    action = "save"
	doConfirm action = "confirm"
	doMove    action = "move"
	doCancel  action = "cancel"
	doErase   action = "erase"
	doFind    action = "find"
	doAge     action = "age" // time passes for what is not confirmed
)

type operation struct {
	action action
	// appointment is its number in the history, slot where it is held or moved to.
	appointment, slot int
}

type outcome struct {
	changed         bool
	taken, notFound bool
	state           booking.State
}

// entry is one appointment of the model: a state and a slot; the zero entry is none.
type entry struct {
	state booking.State
	slot  int
}

const aged booking.State = "aged"

type calendar [64]entry

// room tells whether a counter of a slot is free, leaving one appointment out.
func (c *calendar) room(slot, but int) bool {
	taken := 0
	for n, e := range c {
		if n != but && e.slot == slot && (e.state == booking.StateHeld || e.state == booking.StatePending || e.state == booking.StateConfirmed) {
			taken++
		}
	}
	return taken < modelCounters
}

var model = porcupine.Model{
	Init:  func() any { return calendar{} },
	Equal: func(a, b any) bool { return a.(calendar) == b.(calendar) },
	Step: func(state, input, output any) (bool, any) {
		before, did, got := state.(calendar), input.(operation), output.(outcome)
		legal, after := step(before, did, got)
		return legal, after
	},
}

// step tells whether an answer is one the desk could have given, and what the calendar shows afterwards. Being told that
// a slot is taken is never wrong, only impolite; being given one that is taken is.
func step(now calendar, did operation, got outcome) (bool, calendar) {
	e := now[did.appointment]
	settled := e.state == booking.StateConfirmed || e.state == booking.StateCancelled
	open := e.state == booking.StateHeld || e.state == booking.StatePending
	put := func(state booking.State, slot int) calendar {
		now[did.appointment] = entry{state, slot}
		return now
	}
	if got.taken {
		return did.action == doHold || did.action == doBook || did.action == doMove && e.state == booking.StateConfirmed, now
	}
	switch did.action {
	case doHold:
		return e.state == "" && now.room(did.slot, did.appointment), put(booking.StateHeld, did.slot)
	case doBook:
		return e.state == "" && now.room(did.slot, did.appointment), put(booking.StateConfirmed, did.slot)
	case doFind:
		return got.notFound != (open || settled) && (got.notFound || got.state == e.state), now
	case doAge:
		if open {
			return true, put(aged, 0)
		}
		return true, now
	case doSave:
		if open && !got.notFound {
			return true, put(booking.StatePending, e.slot)
		}
		return got.notFound == !settled, now
	case doConfirm:
		if got.changed {
			return e.state == booking.StatePending, put(booking.StateConfirmed, e.slot)
		}
		return got.notFound == !settled && e.state != booking.StatePending, now
	case doMove:
		if got.changed {
			return e.state == booking.StateConfirmed && e.slot != did.slot && now.room(did.slot, did.appointment), put(booking.StateConfirmed, did.slot)
		}
		return got.notFound == !settled && (e.state != booking.StateConfirmed || e.slot == did.slot), now
	case doCancel:
		switch {
		case got.changed && e.state == booking.StateConfirmed:
			return true, put(booking.StateCancelled, 0)
		case got.changed:
			return open || e.state == aged, put("", 0)
		}
		return got.notFound && (e.state == "" || e.state == aged) || !got.notFound && e.state == booking.StateCancelled, now
	case doErase:
		if got.notFound {
			return e.state == "" || e.state == aged, now
		}
		return e.state != "", put("", 0)
	}
	return false, now
}

// run does one operation on the real database and tells how it came out.
func run(ctx context.Context, tenant *fixture.Tenant, age func(token string) error, did operation, token string) (got outcome, err error) {
	contact := booking.Contact{GivenName: "Ada", FamilyName: "Lovelace", Email: "ada@example.org"}
	wanted := wish(modelCounters, slot(time.Duration(3*did.slot)*time.Hour))
	wanted.Token = token
	bookings := tenant.Store
	switch did.action {
	case doHold:
		err = bookings.Hold(ctx, wanted, expiry)
	case doBook:
		_, err = bookings.BookFor(ctx, booking.Staff{Subject: "desk"}, store.Call{Hold: wanted, Origin: booking.OriginPhone, Contact: contact, NoticeDate: "2026-05-31"}, expiry)
	case doSave:
		err = bookings.SaveContact(ctx, token, contact, "2026-05-31", expiry)
	case doConfirm:
		got.changed, err = bookings.Confirm(ctx, token, true, expiry)
	case doMove:
		got.changed, err = bookings.Move(ctx, token, wanted.Office, modelCounters, wanted.Slot, true, expiry)
	case doCancel:
		got.changed, err = bookings.Cancel(ctx, token, true)
	case doErase:
		err = bookings.Erase(ctx, token)
	case doAge:
		err = age(token)
	case doFind:
		var found *booking.Appointment
		if found, err = bookings.Find(ctx, token, expiry); err == nil {
			got.state = found.State
		}
	}
	got.taken, got.notFound = errors.Is(err, store.ErrTaken), errors.Is(err, store.ErrNotFound)
	if got.taken || got.notFound {
		err = nil
	}
	return got, err
}

func TestWhateverManyDoAtOnceLooksAsIfTheyHadQueuedUp(t *testing.T) {
	tenant := fixture.New(t)
	// Being told that a slot is taken is never wrong: what was given up comes back a moment later.
	tenant.Store.ReleaseDelay = func() time.Duration { return 20 * time.Millisecond }
	super := tenant.Superuser(t)
	var aging sync.Mutex // one connection
	age := func(token string) error {
		aging.Lock()
		defer aging.Unlock()
		_, err := super.Exec(t.Context(), `UPDATE appointment SET created_at = now() - interval '2 hours' WHERE token_hash = $1 AND state IN ('held', 'pending')`, booking.TokenHash(token))
		return err
	}
	const clients, steps = 8, 24
	var (
		mutex   sync.Mutex
		tokens  []string
		history []porcupine.Operation
		all     sync.WaitGroup
		began   = time.Now()
	)
	for client := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 7))
			for range steps {
				did := operation{slot: random.IntN(modelSlots)}
				mutex.Lock()
				// Many know the same appointments, and mostly the latest: that is where they get in each other's way.
				fresh := len(tokens) == 0 || len(tokens) < len(calendar{}) && random.IntN(4) == 0
				if fresh {
					tokens = append(tokens, booking.NewNonce())
					did.appointment, did.action = len(tokens)-1, []action{doHold, doHold, doBook}[random.IntN(3)]
				} else {
					did.appointment = max(0, len(tokens)-1-random.IntN(4))
					did.action = []action{doSave, doSave, doConfirm, doConfirm, doMove, doCancel, doErase, doFind, doAge}[random.IntN(9)]
				}
				token := tokens[did.appointment]
				mutex.Unlock()
				call := time.Since(began).Nanoseconds()
				got, err := run(t.Context(), tenant, age, did, token)
				back := time.Since(began).Nanoseconds()
				if err != nil {
					t.Error(did.action, err)
					return
				}
				mutex.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: did, Call: call, Output: got, Return: back})
				mutex.Unlock()
				if random.IntN(6) == 0 {
					if _, err := tenant.Store.Expire(t.Context(), expiry); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if verdict := porcupine.CheckOperationsTimeout(model, history, 2*time.Minute); verdict != porcupine.Ok {
		t.Errorf("no order of the %d operations explains what the clients were told: %s", len(history), verdict)
		for _, o := range history {
			t.Logf("%d: %v %+v -> %+v", o.ClientId, time.Duration(o.Call), o.Input, o.Output)
		}
	}
	if double := exec(t, tenant, `SELECT FROM appointment AS a JOIN appointment AS b ON a.id < b.id AND a.office = b.office AND a.counter = b.counter
		AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at) WHERE a.state <> 'cancelled' AND b.state <> 'cancelled'`); double != 0 {
		t.Errorf("%d counters are booked twice", double)
	}
	if two := exec(t, tenant, `SELECT FROM appointment WHERE num_nonnulls(cancelled_at, completed_at, missed_at) > 1 OR (state = 'cancelled') <> (cancelled_at IS NOT NULL)`); two != 0 {
		t.Errorf("%d appointments have two ends", two)
	}
}

func TestTheModelKnowsADoubleBookingWhenItSeesOne(t *testing.T) {
	at := func(n int64, did operation, got outcome) porcupine.Operation {
		return porcupine.Operation{Input: did, Call: n, Output: got, Return: n + 1}
	}
	sound := []porcupine.Operation{
		at(0, operation{doHold, 0, 0}, outcome{}), at(2, operation{doBook, 1, 0}, outcome{}), at(4, operation{doSave, 0, 0}, outcome{}),
		at(6, operation{doConfirm, 0, 0}, outcome{changed: true}), at(8, operation{doCancel, 1, 0}, outcome{changed: true}),
		at(10, operation{doHold, 2, 0}, outcome{}),
	}
	if !porcupine.CheckOperations(model, sound) {
		t.Error("a sound history is refused")
	}
	for name, forged := range map[string]porcupine.Operation{
		"a third at two counters":            at(12, operation{doHold, 3, 0}, outcome{}),
		"a move into a full slot":            at(12, operation{doMove, 1, 0}, outcome{changed: true}),
		"a second end":                       at(12, operation{doCancel, 1, 0}, outcome{changed: true}),
		"a cancelled one that is confirmed":  at(12, operation{doConfirm, 1, 0}, outcome{changed: true}),
		"a confirmed one that nobody knows":  at(12, operation{doFind, 0, 0}, outcome{notFound: true}),
		"one that was erased and never made": at(12, operation{doErase, 9, 0}, outcome{}),
	} {
		if porcupine.CheckOperations(model, append(sound[:len(sound):len(sound)], forged)) {
			t.Errorf("%s is taken for sound", name)
		}
	}
}
