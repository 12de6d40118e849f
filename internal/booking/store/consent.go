// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
)

var errNoConsentRule = errors.New("the policy has no rule for category Consent, so that no consent can be stored")

// saveConsents replaces the consents of an unconfirmed booking: whoever enters the form again decides again.
func (s *Store) saveConsents(ctx context.Context, tx pgx.Tx, appointment string, origin booking.Origin, consents []booking.Consent) error {
	if !s.keeps(v1alpha1.CategoryConsent) {
		if len(consents) > 0 {
			return errNoConsentRule
		}
		return nil
	}
	if _, err := tx.Exec(ctx, `DELETE FROM consent WHERE subject = $1`, appointment); err != nil {
		return err
	}
	for _, consent := range consents {
		_, err := tx.Exec(ctx, `INSERT INTO consent (subject, purpose, channel, locale, text_sha256) VALUES ($1, $2, $3, $4, $5)`,
			appointment, string(consent.Scope), string(origin), consent.Locale, consent.TextSHA256)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) consents(ctx context.Context, appointment string) ([]booking.Consent, error) {
	rows, err := s.pool.Query(ctx, `SELECT purpose, channel, coalesce(locale, ''), text_sha256, given_at, withdrawn_at FROM consent
		WHERE subject = $1 ORDER BY id`, appointment)
	if err != nil {
		return nil, scrub("reading consents", err)
	}
	consents, err := pgx.CollectRows(rows, pgx.RowToStructByPos[booking.Consent])
	return consents, scrub("reading consents", err)
}

// Withdraw ends a consent (Art. 7(3) GDPR) and, with it, what rested on it: the postal address, or the whole booking,
// which is then as erased as by Erase. It is never refused: while a hold keeps the record, the appointment is cancelled
// and the rest goes by its own rule once the hold has ended. Withdrawing what was never given, or again, changes nothing.
// ErrNotFound where nothing is behind the token.
func (s *Store) Withdraw(ctx context.Context, token string, scope v1alpha1.ConsentScope) (changed bool, err error) {
	err = s.inTx(ctx, "withdrawing a consent", func(tx pgx.Tx) error {
		changed = false
		var (
			id   string
			kept bool
		)
		err := tx.QueryRow(ctx, `SELECT id::text, held_until(id) IS NOT NULL FROM appointment WHERE token_hash = $1 FOR UPDATE`,
			booking.TokenHash(token)).Scan(&id, &kept)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `UPDATE consent SET withdrawn_at = now() WHERE subject = $1 AND purpose = $2 AND withdrawn_at IS NULL`, id, string(scope))
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		changed = true
		if err := s.note(ctx, tx, "consent withdrawn: "+string(scope), id); err != nil {
			return err
		}
		return s.endWhatRested(ctx, tx, scope, token, id, kept)
	})
	return changed && err == nil, err
}

func (s *Store) endWhatRested(ctx context.Context, tx pgx.Tx, scope v1alpha1.ConsentScope, token, id string, kept bool) error {
	var err error
	switch {
	case scope == v1alpha1.ConsentPostalAddress && !kept:
		_, err = tx.Exec(ctx, `UPDATE contact SET street = NULL, postal_code = NULL, city = NULL WHERE appointment_id = $1::text::uuid`, id)
	case scope == v1alpha1.ConsentService && !kept:
		_, err = s.takeAway(ctx, tx, token)
	case scope == v1alpha1.ConsentService:
		// The record stays, since a hold keeps it.
		if _, err = s.cancelAhead(ctx, tx, token); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM mail_outbox WHERE appointment_id = $1::text::uuid`, id)
	}
	return err
}
