// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/termintreu/termintreu/internal/booking"
)

// steps are what each step writes and how the audit log calls it.
var steps = map[booking.Step]struct{ set, noted string }{
	booking.StepCall:     {"called_at = now()", "called"},
	booking.StepComplete: {"completed_at = now()", "completed"},
	booking.StepMiss:     {"missed_at = now()", "missed"},
	booking.StepReopen:   {"completed_at = NULL, missed_at = NULL", "reopened"},
	booking.StepCancel:   {"state = 'cancelled', cancelled_at = now(), sequence = sequence + 1", "cancelled"},
}

// Advance takes an appointment one step on; false means that it is not the step's turn, because somebody was faster or
// the time has not come. zone gives the office's time zone.
func (s *Store) Advance(ctx context.Context, by booking.Staff, id string, step booking.Step, reason booking.Reason, mail bool,
	zone func(office string) *time.Location, allowed func(office string) bool) (changed bool, err error) {
	err = s.inTx(ctx, "changing an appointment", func(tx pgx.Tx) error {
		changed = false
		visit, err := lockVisit(ctx, tx, id, allowed)
		if err != nil {
			return err
		}
		visit.Start = visit.Start.In(zone(visit.Office))
		var now time.Time
		if err := tx.QueryRow(ctx, `SELECT now()`).Scan(&now); err != nil {
			return err
		}
		if !slices.Contains(visit.Steps(now), step) {
			return nil
		}
		var left seat
		err = tx.QueryRow(ctx, `UPDATE appointment SET `+steps[step].set+` WHERE id = $1 RETURNING id::text, `+seatColumns, visit.ID).Scan(left.into(new(string))...)
		if err != nil {
			return err
		}
		if step == booking.StepCancel {
			if err := s.release(ctx, tx, left); err != nil {
				return err
			}
		}
		changed = true
		if err := s.noteAs(ctx, tx, by.Actor(), withReason(steps[step].noted, reason), objectOf(visit.ID)); err != nil || step != booking.StepCancel || !mail {
			return err
		}
		return enqueue(ctx, tx, visit.ID, MailCancelled, nil)
	})
	return changed && err == nil, err
}

func withReason(action string, reason booking.Reason) string {
	if reason == "" {
		return action
	}
	return fmt.Sprintf("%s (%s)", action, reason)
}

// Call is a booking the staff makes for somebody on the phone or at the counter.
type Call struct {
	Hold
	Origin     booking.Origin
	Contact    booking.Contact
	NoticeDate string
	// Consents the caller gave, to whoever read the text to them.
	Consents []booking.Consent
	// Reason is set when the slot is one citizens are not offered.
	Reason booking.Reason
	Mail   bool
}

// BookFor books at once, without a hold to confirm: whoever asks is there. It fails with ErrTaken when every counter
// has somebody; that rule no reason overrides. Booking again with the same token changes nothing and gives the same
// appointment.
func (s *Store) BookFor(ctx context.Context, by booking.Staff, call Call, expiry booking.Expiry) (id string, err error) {
	err = s.inTx(ctx, "booking at office "+call.Office, func(tx pgx.Tx) error {
		if err := freeExpired(ctx, tx, call.Office, call.Slot, expiry); err != nil {
			return err
		}
		for range call.Counters + 1 {
			if id, err = bookedWith(ctx, tx, call.Token); id != "" || err != nil {
				return err
			}
			done, err := insertHold(ctx, tx, call.Hold, false)
			if errors.Is(err, ErrTaken) {
				break
			}
			if err != nil {
				return err
			}
			if done {
				id, err = s.settle(ctx, tx, by, call)
				return err
			}
		}
		// Perhaps by this very booking: the form may have been sent twice at once.
		if id, err = bookedWith(ctx, tx, call.Token); id != "" || err != nil {
			return err
		}
		return ErrTaken
	})
	return id, err
}

// bookedWith gives the appointment that was booked with a token; "" for none.
func bookedWith(ctx context.Context, tx pgx.Tx, token string) (id string, err error) {
	err = tx.QueryRow(ctx, `SELECT id::text FROM appointment WHERE token_hash = $1`, booking.TokenHash(token)).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return id, err
}

// settle makes the hold of this transaction a booking.
func (s *Store) settle(ctx context.Context, tx pgx.Tx, by booking.Staff, call Call) (id string, err error) {
	err = tx.QueryRow(ctx, `UPDATE appointment SET state = 'confirmed', confirmed_at = now(), origin = $2, remind_before = $3 WHERE token_hash = $1 RETURNING id::text`,
		booking.TokenHash(call.Token), string(call.Origin), wanted(call.Contact.Reminder)).Scan(&id)
	if err != nil {
		return "", err
	}
	if err := insertContact(ctx, tx, id, call.Contact, call.NoticeDate); err != nil {
		return "", err
	}
	if err := s.saveConsents(ctx, tx, id, call.Origin, call.Consents); err != nil {
		return "", err
	}
	for _, action := range []string{"informed by " + string(call.Origin), withReason("booked by "+string(call.Origin), call.Reason)} {
		if err := s.noteAs(ctx, tx, by.Actor(), action, objectOf(id)); err != nil {
			return "", err
		}
	}
	if !call.Mail {
		return id, nil
	}
	return id, enqueue(ctx, tx, id, MailConfirmed, &call.Token)
}

// KeptCase is a case that keeps records past their period; it never says whose.
type KeptCase struct {
	Kind, Reference string
	Opened, Until   time.Time
	Records         int64
}

// Cases lists the cases that keep something, the first to end first.
func (s *Store) Cases(ctx context.Context) ([]KeptCase, error) {
	rows, err := s.pool.Query(ctx, `SELECT kind, reference, opened_at, until, records FROM staff_holds()`)
	if err != nil {
		return nil, scrub("listing cases", err)
	}
	cases, err := pgx.CollectRows(rows, pgx.RowToStructByPos[KeptCase])
	return cases, scrub("listing cases", err)
}

// OpenCase keeps an appointment, or the access log of an address, for a case, and gives the number of records found.
// ErrRefused means that the policy does not allow it.
func (s *Store) OpenCase(ctx context.Context, by booking.Staff, kind, reference, what string, until time.Time) (records int64, err error) {
	err = s.pool.QueryRow(ctx, `SELECT staff_hold($1, $2, $3, $4, $5)`, by.Actor(), kind, reference, what, until).Scan(&records)
	return records, scrub("opening a case", refused(err))
}

// EndCase ends a case and gives the number of records it kept.
func (s *Store) EndCase(ctx context.Context, by booking.Staff, kind, reference string) (records int64, err error) {
	err = s.pool.QueryRow(ctx, `SELECT staff_end_hold($1, $2, $3)`, by.Actor(), kind, reference).Scan(&records)
	return records, scrub("ending a case", refused(err))
}

// refused tells what the database does not allow from what went wrong.
func refused(err error) error {
	var fault *pgconn.PgError
	if errors.As(err, &fault) {
		switch fault.Code {
		case "22023", "22P02", "53400": // invalid_parameter_value, invalid_text_representation, configuration_limit_exceeded
			return ErrRefused
		}
	}
	return err
}

// Entry of the audit log.
type Entry struct {
	ID                    int64
	At                    time.Time
	Actor, Action, Object string
}

// Entries gives a page of the audit log, the newest first: those before an entry, or the newest when before is zero;
// of one object when it is named. Reading is noted too.
func (s *Store) Entries(ctx context.Context, by booking.Staff, before Entry, object string, count int) (entries []Entry, err error) {
	err = s.inTx(ctx, "reading the audit log", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id, created_at, actor, action, object FROM audit_log
			WHERE ($1 = 0 OR (created_at, id) < ($2, $1)) AND ($3 = '' OR object = $3) ORDER BY created_at DESC, id DESC LIMIT $4`,
			before.ID, before.At, object, count)
		if err != nil {
			return err
		}
		if entries, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Entry]); err != nil {
			return err
		}
		return s.noteAs(ctx, tx, by.Actor(), "read", "audit log")
	})
	return entries, err
}
