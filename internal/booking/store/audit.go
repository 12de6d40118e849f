// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/rand"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
)

// actorCitizen is who acts behind a link: nothing is known of them but the link.
const actorCitizen = "citizen"

// note writes what a citizen did to which appointment into the audit log, in the transaction that does it (T6). It
// holds identifiers only, never what was changed.
func (s *Store) note(ctx context.Context, tx pgx.Tx, action, appointment string) error {
	return s.noteAs(ctx, tx, actorCitizen, action, objectOf(appointment))
}

// noteAs writes who did what to which record.
func (s *Store) noteAs(ctx context.Context, tx pgx.Tx, actor, action, object string) error {
	if !s.keeps(v1alpha1.CategoryAuditLog) {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO audit_log (actor, action, object) VALUES ($1, $2, $3)`, actor, action, object)
	return err
}

func objectOf(appointment string) string { return "appointment/" + appointment }

// takeAway deletes an appointment, or hides it until a backup has taken its journal entry to a store: cancelled, so that
// the slot is free, and behind a link that nobody was ever given.
func (s *Store) takeAway(ctx context.Context, tx pgx.Tx, token string) (id string, err error) {
	var (
		left   seat
		booked bool
	)
	err = tx.QueryRow(ctx, `SELECT id::text, `+seatColumns+`, state = 'confirmed' FROM appointment WHERE token_hash = $1 FOR UPDATE`,
		booking.TokenHash(token)).Scan(append(left.into(&id), &booked)...)
	if err == nil && booked {
		err = s.release(ctx, tx, left)
	}
	if err != nil {
		return "", err
	}
	if !s.keeps(v1alpha1.CategoryErasureJournal) {
		err = tx.QueryRow(ctx, `DELETE FROM appointment WHERE token_hash = $1 RETURNING id::text`, booking.TokenHash(token)).Scan(&id)
		return id, err
	}
	err = tx.QueryRow(ctx, `UPDATE appointment SET token_hash = $2, state = 'cancelled', cancelled_at = coalesce(cancelled_at, now())
		WHERE token_hash = $1 AND held_until(id) IS NULL RETURNING id::text`, booking.TokenHash(token), booking.TokenHash(rand.Text())).Scan(&id)
	if err != nil {
		return "", err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM mail_outbox WHERE appointment_id = $1::text::uuid`, id); err != nil {
		return "", err
	}
	_, err = tx.Exec(ctx, `INSERT INTO erasure_pending (subject) VALUES ($1::text::uuid)`, id)
	return id, err
}

// hidden is what was erased on request and waits for its journal entry at a store.
const hidden = `EXISTS (SELECT FROM erasure_pending AS p WHERE p.subject = a.id)`

func (s *Store) keeps(category v1alpha1.Category) bool { return s.Keeps != nil && s.Keeps(category) }
