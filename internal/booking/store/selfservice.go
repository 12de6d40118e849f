// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/termintreu/termintreu/internal/booking"
)

const exclusionViolation = "23P01"

// Record gives everything stored behind a token (Art. 15 GDPR, B7), or ErrNotFound.
func (s *Store) Record(ctx context.Context, token string, expiry booking.Expiry) (*booking.Record, error) {
	found, err := s.Find(ctx, token, expiry)
	if err != nil {
		return nil, err
	}
	record := &booking.Record{Appointment: *found}
	err = s.pool.QueryRow(ctx, `SELECT a.counter, a.origin, a.created_at, a.confirmed_at, a.cancelled_at, a.called_at, a.completed_at, a.missed_at,
		a.objected_at, restricted_until(a.id), held_until(a.id), coalesce(c.notice_date::text, ''), c.created_at
		FROM appointment AS a LEFT JOIN contact AS c ON c.appointment_id = a.id WHERE a.id = $1`, found.ID).Scan(
		&record.Counter, &record.Origin, &record.Created, &record.Confirmed, &record.Cancelled, &record.Called, &record.Completed, &record.Missed, &record.Objected, &record.Restricted, &record.Held,
		&record.NoticeDate, &record.ContactCreated)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, scrub("reading what is stored", err)
	}
	if record.Consents, err = s.consents(ctx, found.ID); err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, `SELECT kind, created_at, attempts, failed_at IS NOT NULL FROM mail_outbox
		WHERE appointment_id = $1 ORDER BY id`, found.ID)
	if err != nil {
		return nil, scrub("reading what is stored", err)
	}
	record.Mails, err = pgx.CollectRows(rows, pgx.RowToStructByPos[booking.WaitingMail])
	return record, scrub("reading what is stored", err)
}

// Correct replaces the contact of a confirmed or cancelled appointment (Art. 16 GDPR, B7). A new mail address gets the
// confirmation of an appointment that lies ahead. A contact past its period does not come back; one on hold stays as it
// is: a HeldError then.
func (s *Store) Correct(ctx context.Context, token string, contact booking.Contact, mail bool) error {
	if err := s.held(ctx, token, "correction"); err != nil {
		return err
	}
	return s.inTx(ctx, "correcting a contact", func(tx pgx.Tx) error {
		var (
			id     string
			ahead  bool
			before *string
		)
		err := tx.QueryRow(ctx, `SELECT a.id::text, a.state = 'confirmed' AND a.starts_at > now(), c.email
			FROM appointment AS a JOIN contact AS c ON c.appointment_id = a.id
			WHERE a.token_hash = $1 AND a.state IN ('confirmed', 'cancelled') FOR UPDATE`, booking.TokenHash(token)).Scan(&id, &ahead, &before)
		if errors.Is(err, pgx.ErrNoRows) {
			return s.unchanged(ctx, tx, token)
		}
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE contact SET given_name = $2, family_name = $3, email = $4, phone = $5, street = $6, postal_code = $7, city = $8
			WHERE appointment_id = $1`, id, contact.GivenName, contact.FamilyName, optional(contact.Email), optional(contact.Phone),
			optional(contact.Street), optional(contact.PostalCode), optional(contact.City))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE appointment SET remind_before = $2::interval,
			reminded_for = CASE WHEN starts_at - $2::interval <= now() THEN starts_at ELSE reminded_for END WHERE id = $1::text::uuid`, id, wanted(contact.Reminder)); err != nil {
			return err
		}
		if err := s.note(ctx, tx, "corrected", id); err != nil || !mail || !ahead || value(before) == contact.Email {
			return err
		}
		return enqueue(ctx, tx, id, MailConfirmed, &token)
	})
}

// HeldError tells that a restriction (Art. 18 GDPR) or an abuse case keeps a record as it is until a date.
type HeldError struct {
	Until time.Time
	// Own tells that the citizen restricted it, and can lift that.
	Own bool
}

func (e *HeldError) Error() string {
	return "the record is on hold until " + e.Until.UTC().Format(time.DateOnly)
}

// held gives a HeldError where the law keeps what is behind a token (Art. 17(3), 18(2) GDPR), and notes what was asked
// for: the office has to answer it within a month (Art. 12(4)).
func (s *Store) held(ctx context.Context, token, asked string) error {
	var held *HeldError
	err := s.inTx(ctx, "looking for a hold", func(tx pgx.Tx) error {
		held = nil
		var (
			id    string
			until *time.Time
			own   bool
		)
		err := tx.QueryRow(ctx, `SELECT id::text, held_until(id), restricted_until(id) IS NOT NULL FROM appointment WHERE token_hash = $1`,
			booking.TokenHash(token)).Scan(&id, &until, &own)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil || until == nil {
			return err
		}
		held = &HeldError{*until, own}
		return s.note(ctx, tx, asked+" refused: on hold", id)
	})
	if err == nil && held != nil {
		return held
	}
	return err
}

// Erase takes the appointment with its contact and its mail out of everybody's sight, at once and whatever its state
// (Art. 17 GDPR), unless it is on hold: a HeldError then. Its rows go when a store has confirmed the journal entry by
// which a restore repeats the erasure (invariant 5); at once where the policy keeps no journal. Nobody is written to.
func (s *Store) Erase(ctx context.Context, token string) error {
	if err := s.held(ctx, token, "erasure"); err != nil {
		return err
	}
	return s.inTx(ctx, "erasing an appointment", func(tx pgx.Tx) error {
		id, err := s.takeAway(ctx, tx, token)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return s.note(ctx, tx, "erased", id)
	})
}

// Move takes a confirmed appointment that has not begun to another slot of the same office, in one transaction: it is
// never lost and never there twice. ErrTaken leaves it where it was. Moving to where it is changes nothing.
func (s *Store) Move(ctx context.Context, token, office string, counters int32, slot booking.Slot, mail bool, expiry booking.Expiry) (changed bool, err error) {
	err = s.inTx(ctx, "moving an appointment at office "+office, func(tx pgx.Tx) error {
		changed = false
		var (
			id   string
			left seat
		)
		err := tx.QueryRow(ctx, `SELECT id::text, `+seatColumns+` FROM appointment
			WHERE token_hash = $1 AND office = $2 AND state = 'confirmed' AND starts_at > now() AND called_at IS NULL
			AND completed_at IS NULL AND missed_at IS NULL FOR UPDATE`,
			booking.TokenHash(token), office).Scan(left.into(&id)...)
		if errors.Is(err, pgx.ErrNoRows) {
			return s.unchanged(ctx, tx, token)
		}
		if err != nil || left.start.Equal(slot.Start) {
			return err
		}
		if err := freeExpired(ctx, tx, office, slot, expiry); err != nil {
			return err
		}
		if err := place(ctx, tx, id, office, counters, slot); err != nil {
			return err
		}
		if err := s.release(ctx, tx, left); err != nil {
			return err
		}
		changed = true
		if err := s.note(ctx, tx, "moved", id); err != nil || !mail {
			return err
		}
		return enqueue(ctx, tx, id, MailMoved, &token)
	})
	return changed && err == nil, err
}

// place tries counter by counter. The exclusion constraint has the last word, within a savepoint: each round another
// booking has won a counter, so there are no more rounds than counters.
func place(ctx context.Context, tx pgx.Tx, id, office string, counters int32, slot booking.Slot) error {
	for range counters + 1 {
		var counter *int32
		err := tx.QueryRow(ctx, `SELECT min(c) FROM generate_series(1, $1::int) AS c WHERE NOT EXISTS (
				SELECT FROM appointment WHERE office = $2 AND counter = c AND state <> 'cancelled' AND id <> $5::text::uuid
				AND tstzrange(starts_at, ends_at) && tstzrange($3, $4)) AND NOT `+withheld,
			counters, office, slot.Start, slot.End, id).Scan(&counter)
		if err != nil {
			return err
		}
		if counter == nil {
			return ErrTaken
		}
		err = pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {
			_, err := savepoint.Exec(ctx, `UPDATE appointment SET counter = $2, starts_at = $3, ends_at = $4, sequence = sequence + 1,
				reminded_for = CASE WHEN $3::timestamptz - remind_before <= now() THEN $3::timestamptz ELSE reminded_for END WHERE id = $1`,
				id, *counter, slot.Start, slot.End)
			if err != nil {
				return err
			}
			return stillOffered(ctx, savepoint, id)
		})
		if errors.Is(err, errWithheld) {
			continue
		}
		var fault *pgconn.PgError
		if !errors.As(err, &fault) || fault.Code != exclusionViolation {
			return err
		}
	}
	return ErrTaken
}
