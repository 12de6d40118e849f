// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/booking"
)

// Restrict keeps what is behind a token as it is and from the staff's eyes (Art. 18 GDPR), until it is lifted or a year
// has passed. Restricting again changes nothing. ErrNotFound where nothing is booked, ErrRefused when too many are open.
func (s *Store) Restrict(ctx context.Context, token string) error {
	var restricted bool
	err := s.pool.QueryRow(ctx, `SELECT citizen_restrict($1) IS NOT NULL`, booking.TokenHash(token)).Scan(&restricted)
	if err == nil && !restricted {
		return ErrNotFound
	}
	return scrub("restricting an appointment", refused(err))
}

// Lift ends the citizen's own restriction, and no other hold; it is no error that there was none.
func (s *Store) Lift(ctx context.Context, token string) error {
	_, err := s.pool.Exec(ctx, `SELECT citizen_lift($1)`, booking.TokenHash(token))
	return scrub("lifting a restriction", err)
}

// Object notes that a citizen objects to the use of their data (Art. 21 GDPR); the office has to answer within a month
// (Art. 12(3)) and sees it wherever it sees the appointment. Objecting again changes nothing.
func (s *Store) Object(ctx context.Context, token string) error {
	return s.inTx(ctx, "noting an objection", func(tx pgx.Tx) error {
		var id string
		err := tx.QueryRow(ctx, `UPDATE appointment SET objected_at = now()
			WHERE token_hash = $1 AND state IN ('confirmed', 'cancelled') AND objected_at IS NULL RETURNING id::text`, booking.TokenHash(token)).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return s.unchanged(ctx, tx, token)
		}
		if err != nil {
			return err
		}
		return s.note(ctx, tx, "objected", id)
	})
}
