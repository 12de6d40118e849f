// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// wanted is a reminder as the database has it: null for none.
func wanted(before time.Duration) *time.Duration {
	if before <= 0 {
		return nil
	}
	return &before
}

// QueueReminders puts the reminders that have fallen due into the outbox, and gives their number. Which time an
// appointment was reminded of is noted in the same statement: one that was killed in between has done neither, two at
// once queue one reminder, and an appointment that has moved is due another. Nobody is reminded of what was confirmed
// or moved later than the reminder would have come, since that mail said the time; nor while a restriction keeps the
// record, or after an objection.
func (s *Store) QueueReminders(ctx context.Context) (int64, error) {
	tag, err := s.pool.Exec(ctx, `WITH due AS (
			SELECT a.id FROM appointment AS a JOIN contact AS c ON c.appointment_id = a.id
			WHERE a.remind_before IS NOT NULL AND a.starts_at > now() AND a.starts_at <= now() + interval '32 days' AND a.starts_at - a.remind_before <= now()
			AND a.reminded_for IS DISTINCT FROM a.starts_at AND a.starts_at - a.remind_before > a.confirmed_at
			AND a.state = 'confirmed' AND num_nonnulls(a.called_at, a.completed_at, a.missed_at, a.objected_at) = 0
			AND c.email IS NOT NULL AND held_until(a.id) IS NULL
			ORDER BY a.starts_at LIMIT 500 FOR UPDATE OF a SKIP LOCKED
		), noted AS (
			UPDATE appointment AS a SET reminded_for = a.starts_at FROM due WHERE a.id = due.id RETURNING a.id
		)
		INSERT INTO mail_outbox (appointment_id, kind, next_attempt_at, remind_at) SELECT id, 'reminder', 'infinity', now() FROM noted
		ON CONFLICT (appointment_id) WHERE kind = 'reminder' DO NOTHING`)
	if err != nil {
		return 0, scrub("queueing reminders", err)
	}
	return tag.RowsAffected(), nil
}
