// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

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

// remember journals an erasure, so that a restore repeats it (invariant 5).
func (s *Store) remember(ctx context.Context, tx pgx.Tx, appointment string) error {
	if !s.keeps(v1alpha1.CategoryErasureJournal) {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO erasure_journal (subject_hmac) VALUES ($1)`, booking.ErasureMark(appointment))
	return err
}

func (s *Store) keeps(category v1alpha1.Category) bool { return s.Keeps != nil && s.Keeps(category) }
