// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
)

// expired is what may be deleted at any time; $1 and $2 are the seconds of booking.Expiry. The database's clock wrote
// created_at, so it is the one to compare with.
const expired = `(state = 'held' AND created_at <= now() - make_interval(secs => $1)
	OR state = 'pending' AND created_at <= now() - make_interval(secs => $2))`

// alive is an appointment a link leads to.
const alive = `(state IN ('confirmed', 'cancelled') OR NOT ` + expired + `)`

// Hold is a wish for a slot.
type Hold struct {
	Office, Service string
	Channel         v1alpha1.Channel
	Counters        int32
	Slot            booking.Slot
	Locale          string
	Token           string
	// Work is what the hold is paid with, nil for nothing.
	Work *Work
}

// Busy gives the live appointments of an office that overlap a stretch of time, in one query.
func (s *Store) Busy(ctx context.Context, office string, from, until time.Time, expiry booking.Expiry) ([]booking.Busy, error) {
	return s.busy(ctx, office, from, until, expiry, false)
}

// BusyToPublic gives, in the same query, also what was given up and is not offered to citizens yet.
func (s *Store) BusyToPublic(ctx context.Context, office string, from, until time.Time, expiry booking.Expiry) ([]booking.Busy, error) {
	return s.busy(ctx, office, from, until, expiry, true)
}

func (s *Store) busy(ctx context.Context, office string, from, until time.Time, expiry booking.Expiry, public bool) ([]booking.Busy, error) {
	// One row per stretch of time, not per appointment: most of what a busy office costs is rows on their way.
	rows, err := s.pool.Query(ctx, `SELECT starts_at, ends_at, array_agg(counter) FROM (
			SELECT starts_at, ends_at, counter FROM appointment
			WHERE office = $3 AND tstzrange(starts_at, ends_at) && tstzrange($4, $5) AND state <> 'cancelled' AND NOT `+expired+`
			UNION ALL
			SELECT starts_at, ends_at, counter FROM slot_release
			WHERE $6 AND office = $3 AND tstzrange(starts_at, ends_at) && tstzrange($4, $5) AND free_at > now()
		) AS b GROUP BY starts_at, ends_at`,
		expiry.Hold.Seconds(), expiry.Unconfirmed.Seconds(), office, from, until, public)
	if err != nil {
		return nil, scrub("reading the appointments of office "+office, err)
	}
	var (
		busy       []booking.Busy
		start, end time.Time
		counters   []int32
	)
	_, err = pgx.ForEachRow(rows, []any{&start, &end, &counters}, func() error {
		for _, counter := range counters {
			busy = append(busy, booking.Busy{Counter: counter, Start: start, End: end})
		}
		return nil
	})
	return busy, scrub("reading the appointments of office "+office, err)
}

// Upcoming gives every confirmed appointment that has not begun, without whose it is.
func (s *Store) Upcoming(ctx context.Context) ([]booking.Booked, error) {
	rows, err := s.pool.Query(ctx, `SELECT office, service, channel, counter, starts_at, ends_at FROM appointment
		WHERE state = 'confirmed' AND starts_at > now()`)
	if err != nil {
		return nil, scrub("reading the appointments ahead", err)
	}
	booked, err := pgx.CollectRows(rows, pgx.RowToStructByPos[booking.Booked])
	return booked, scrub("reading the appointments ahead", err)
}

// Hold takes the first free counter, or fails with ErrTaken. Holding again with the same token changes nothing.
func (s *Store) Hold(ctx context.Context, hold Hold, expiry booking.Expiry) error {
	return s.inTx(ctx, "holding a slot at office "+hold.Office, func(tx pgx.Tx) error {
		if err := freeExpired(ctx, tx, hold.Office, hold.Slot, expiry); err != nil {
			return err
		}
		if known, err := s.known(ctx, tx, hold.Token); known || err != nil {
			return err
		}
		err := s.takeCounter(ctx, tx, hold)
		if errors.Is(err, ErrSpent) || errors.Is(err, ErrTaken) {
			// Perhaps by this very hold: pressed twice at once, it is one and paid once, whichever press was faster.
			if known, err := s.known(ctx, tx, hold.Token); known || err != nil {
				return err
			}
		}
		return err
	})
}

// takeCounter pays for a hold and takes the first counter that is free.
func (s *Store) takeCounter(ctx context.Context, tx pgx.Tx, hold Hold) error {
	if hold.Work != nil {
		if err := hold.Work.spend(ctx, tx); err != nil {
			return err
		}
	}
	// Each round another booking has won a counter, so there are no more rounds than counters.
	for range hold.Counters + 1 {
		done, err := insertHold(ctx, tx, hold, true)
		if done && err == nil {
			done, err = s.unlessWithheld(ctx, tx, hold.Token)
		}
		if !done && err == nil {
			done, err = s.known(ctx, tx, hold.Token)
		}
		if done || err != nil {
			return err
		}
	}
	return ErrTaken
}

// freeExpired deletes what is in a slot's way and past its period, in the transaction that needs the slot.
func freeExpired(ctx context.Context, tx pgx.Tx, office string, slot booking.Slot, expiry booking.Expiry) error {
	_, err := tx.Exec(ctx, `DELETE FROM appointment
		WHERE office = $3 AND tstzrange(starts_at, ends_at) && tstzrange($4, $5) AND state <> 'cancelled' AND `+expired,
		expiry.Hold.Seconds(), expiry.Unconfirmed.Seconds(), office, slot.Start, slot.End)
	return err
}

func (s *Store) known(ctx context.Context, tx pgx.Tx, token string) (known bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM appointment WHERE token_hash = $1)`, booking.TokenHash(token)).Scan(&known)
	return known, err
}

// insertHold tries the first counter that looks free. The exclusion constraint has the last word: when another
// transaction is faster, nothing is inserted and the caller looks again. A citizen gets no slot that was just given up.
func insertHold(ctx context.Context, tx pgx.Tx, hold Hold, public bool) (done bool, err error) {
	var counter *int32
	err = tx.QueryRow(ctx, `SELECT min(c) FROM generate_series(1, $1::int) AS c WHERE NOT EXISTS (
			SELECT FROM appointment WHERE office = $2 AND counter = c AND state <> 'cancelled'
			AND tstzrange(starts_at, ends_at) && tstzrange($3, $4)) AND NOT ($5 AND `+withheld+`)`,
		hold.Counters, hold.Office, hold.Slot.Start, hold.Slot.End, public).Scan(&counter)
	if err != nil {
		return false, err
	}
	if counter == nil {
		return false, ErrTaken
	}
	tag, err := tx.Exec(ctx, `INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, locale, token_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
		hold.Office, *counter, hold.Service, string(hold.Channel), hold.Slot.Start, hold.Slot.End, hold.Locale, booking.TokenHash(hold.Token))
	return tag.RowsAffected() == 1, err
}

// Find gives the appointment behind a token, or ErrNotFound.
func (s *Store) Find(ctx context.Context, token string, expiry booking.Expiry) (*booking.Appointment, error) {
	var (
		found                       booking.Appointment
		created                     time.Time
		given, family, email, phone *string
		street, postalCode, city    *string
	)
	err := s.pool.QueryRow(ctx, `SELECT a.id::text, a.office, a.service, a.channel, a.starts_at, a.ends_at, a.state, a.locale, a.sequence, a.created_at,
			c.given_name, c.family_name, c.email, c.phone, c.street, c.postal_code, c.city,
			EXISTS (SELECT FROM consent AS n WHERE n.subject = a.id::text AND n.withdrawn_at IS NULL), coalesce(a.remind_before, '0')
		FROM (SELECT * FROM appointment WHERE token_hash = $3 AND `+alive+`) AS a
		LEFT JOIN contact AS c ON c.appointment_id = a.id`,
		expiry.Hold.Seconds(), expiry.Unconfirmed.Seconds(), booking.TokenHash(token)).Scan(
		&found.ID, &found.Office, &found.Service, &found.Channel, &found.Start, &found.End, &found.State, &found.Locale, &found.Sequence, &created,
		&given, &family, &email, &phone, &street, &postalCode, &city, &found.Consented, &found.Reminder)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, scrub("reading an appointment", err)
	}
	found.Deadline = created.Add(expiry.Hold)
	if found.State == booking.StatePending {
		found.Deadline = created.Add(expiry.Unconfirmed)
	}
	if given != nil {
		found.Contact = &booking.Contact{GivenName: *given, FamilyName: value(family), Email: value(email), Phone: value(phone),
			Street: value(street), PostalCode: value(postalCode), City: value(city), Reminder: found.Reminder}
	}
	return &found, nil
}

// SaveContact stores or replaces the contact of a hold or an unconfirmed booking, and the consents given with it; on any
// other it changes nothing.
func (s *Store) SaveContact(ctx context.Context, token string, contact booking.Contact, noticeDate string, expiry booking.Expiry, consents ...booking.Consent) error {
	return s.inTx(ctx, "storing a contact", func(tx pgx.Tx) error {
		var id string
		err := tx.QueryRow(ctx, `UPDATE appointment SET state = 'pending', remind_before = $4
			WHERE token_hash = $3 AND state IN ('held', 'pending') AND NOT `+expired+` RETURNING id::text`,
			expiry.Hold.Seconds(), expiry.Unconfirmed.Seconds(), booking.TokenHash(token), wanted(contact.Reminder)).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return s.unchanged(ctx, tx, token)
		}
		if err != nil {
			return err
		}
		if err := insertContact(ctx, tx, id, contact, noticeDate); err != nil {
			return err
		}
		return s.saveConsents(ctx, tx, id, booking.OriginForm, consents)
	})
}

// insertContact stores a contact, or replaces it while the appointment is unconfirmed.
func insertContact(ctx context.Context, tx pgx.Tx, appointment string, contact booking.Contact, noticeDate string) error {
	_, err := tx.Exec(ctx, `INSERT INTO contact (appointment_id, given_name, family_name, email, phone, street, postal_code, city, notice_date)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::date)
		ON CONFLICT (appointment_id) DO UPDATE SET given_name = excluded.given_name, family_name = excluded.family_name,
		email = excluded.email, phone = excluded.phone, street = excluded.street, postal_code = excluded.postal_code, city = excluded.city,
		notice_date = excluded.notice_date`,
		appointment, contact.GivenName, contact.FamilyName, optional(contact.Email), optional(contact.Phone), optional(contact.Street),
		optional(contact.PostalCode), optional(contact.City), noticeDate)
	return err
}

// Confirm makes an unconfirmed booking binding and, in the same transaction, leaves a mail to be sent where the
// citizen gave an address. Confirming twice changes nothing.
func (s *Store) Confirm(ctx context.Context, token string, mail bool, expiry booking.Expiry) (changed bool, err error) {
	err = s.inTx(ctx, "confirming an appointment", func(tx pgx.Tx) error {
		changed = false // a transaction that is repeated begins anew
		var id string
		err := tx.QueryRow(ctx, `UPDATE appointment SET state = 'confirmed', confirmed_at = now()
			WHERE token_hash = $3 AND state = 'pending' AND NOT `+expired+` RETURNING id::text`,
			expiry.Hold.Seconds(), expiry.Unconfirmed.Seconds(), booking.TokenHash(token)).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return s.unchanged(ctx, tx, token)
		}
		if err != nil {
			return err
		}
		changed = true
		if err := s.note(ctx, tx, "confirmed", id); err != nil || !mail {
			return err
		}
		return enqueue(ctx, tx, id, MailConfirmed, &token)
	})
	return changed && err == nil, err
}

// Cancel cancels a confirmed appointment that has not begun, and deletes one that was never confirmed: it has no
// further purpose. An appointment that has begun stays: cancelling it would only lengthen its period.
func (s *Store) Cancel(ctx context.Context, token string, mail bool) (changed bool, err error) {
	err = s.inTx(ctx, "cancelling an appointment", func(tx pgx.Tx) error {
		changed = false
		tag, err := tx.Exec(ctx, `DELETE FROM appointment WHERE token_hash = $1 AND state IN ('held', 'pending')`, booking.TokenHash(token))
		if err != nil || tag.RowsAffected() > 0 {
			changed = err == nil
			return err
		}
		id, err := s.cancelAhead(ctx, tx, token)
		if err != nil {
			return err
		}
		if id == "" {
			return s.unchanged(ctx, tx, token)
		}
		changed = true
		if err := s.note(ctx, tx, "cancelled", id); err != nil || !mail {
			return err
		}
		return enqueue(ctx, tx, id, MailCancelled, nil)
	})
	return changed && err == nil, err
}

// cancelAhead cancels a confirmed appointment that has not begun and gives its seat up; no id where there is none.
func (s *Store) cancelAhead(ctx context.Context, tx pgx.Tx, token string) (id string, err error) {
	var left seat
	err = tx.QueryRow(ctx, `UPDATE appointment SET state = 'cancelled', cancelled_at = now(), sequence = sequence + 1
		WHERE token_hash = $1 AND state = 'confirmed' AND starts_at > now() AND completed_at IS NULL AND missed_at IS NULL
		RETURNING id::text, `+seatColumns, booking.TokenHash(token)).Scan(left.into(&id)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return id, s.release(ctx, tx, left)
}

// unchanged tells a repeated request, which is harmless, from one for an appointment that is not there.
func (s *Store) unchanged(ctx context.Context, tx pgx.Tx, token string) error {
	var settled bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM appointment WHERE token_hash = $1 AND state IN ('confirmed', 'cancelled'))`,
		booking.TokenHash(token)).Scan(&settled)
	if err == nil && !settled {
		return ErrNotFound
	}
	return err
}

// Expire deletes holds and unconfirmed bookings past their period. The purge would too, but only once a day or so,
// and these periods count in minutes.
func (s *Store) Expire(ctx context.Context, expiry booking.Expiry) (int64, error) {
	if _, err := s.pool.Exec(ctx, `DELETE FROM challenge_spent WHERE expires_at <= now()`); err != nil {
		return 0, scrub("deleting expired challenges", err)
	}
	if _, err := s.pool.Exec(ctx, `DELETE FROM slot_release WHERE free_at <= now()`); err != nil {
		return 0, scrub("deleting what is offered again", err)
	}
	tag, err := s.pool.Exec(ctx, `DELETE FROM appointment WHERE `+expired, expiry.Hold.Seconds(), expiry.Unconfirmed.Seconds())
	if err != nil {
		return 0, scrub("deleting expired holds", err)
	}
	return tag.RowsAffected(), nil
}

func value(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// String hides the token, whatever prints a Hold.
func (h Hold) String() string { return fmt.Sprintf("hold at office %s", h.Office) }
