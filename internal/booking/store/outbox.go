// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/booking"
)

// MailKind says what a mail is about.
type MailKind string

// Kinds of mail.
const (
	MailConfirmed MailKind = "confirmed"
	MailMoved     MailKind = "moved"
	MailCancelled MailKind = "cancelled"
	MailReminder  MailKind = "reminder"
)

const (
	// lease is how long a claimed mail is left alone; a sender that died is repeated after it.
	lease        = 2 * time.Minute
	maxAttempts  = 12
	firstBackoff = time.Minute
	maxBackoff   = 4 * time.Hour
)

// Mail is a claimed row of the outbox with what is needed to write the mail.
type Mail struct {
	ID    int64
	Kind  MailKind
	Token string
	// Code is what the citizen shows at the office.
	Code        string
	Attempts    int
	Appointment booking.Appointment
}

func enqueue(ctx context.Context, tx pgx.Tx, appointment string, kind MailKind, token *string) error {
	// A mail nobody has sent yet would only confuse: the new one says how things stand now.
	if _, err := tx.Exec(ctx, `DELETE FROM mail_outbox WHERE appointment_id = $1`, appointment); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO mail_outbox (appointment_id, kind, token)
		SELECT appointment_id, $2, $3 FROM contact WHERE appointment_id = $1 AND email IS NOT NULL`, appointment, string(kind), token)
	return err
}

// later puts a mail off by $1 seconds. A reminder waits by remind_at: see the migration.
const later = `next_attempt_at = CASE WHEN remind_at IS NULL THEN now() + make_interval(secs => $1) ELSE next_attempt_at END,
	remind_at = CASE WHEN remind_at IS NOT NULL THEN now() + make_interval(secs => $1) END`

// ClaimMail takes the next mail that is due, or gives nil. Others do not see it until its lease ends.
func (s *Store) ClaimMail(ctx context.Context) (*Mail, error) {
	var (
		mail         Mail
		kind         string
		token        *string
		hash         []byte
		email, given *string
		family       *string
	)
	a := &mail.Appointment
	err := s.pool.QueryRow(ctx, `WITH claimed AS (
			UPDATE mail_outbox SET attempts = attempts + 1, `+later+`
			WHERE id = (SELECT id FROM mail_outbox WHERE failed_at IS NULL AND coalesce(remind_at, next_attempt_at) <= now()
				ORDER BY coalesce(remind_at, next_attempt_at) LIMIT 1 FOR UPDATE SKIP LOCKED)
			RETURNING id, appointment_id, kind, token, attempts)
		SELECT m.id, m.kind, m.token, m.attempts, a.id::text, a.office, a.service, a.channel, a.starts_at, a.ends_at, a.state, a.locale, a.sequence,
			a.token_hash, c.given_name, c.family_name, c.email
		FROM claimed AS m JOIN appointment AS a ON a.id = m.appointment_id LEFT JOIN contact AS c ON c.appointment_id = a.id`,
		lease.Seconds()).Scan(&mail.ID, &kind, &token, &mail.Attempts, &a.ID, &a.Office, &a.Service, &a.Channel, &a.Start, &a.End,
		&a.State, &a.Locale, &a.Sequence, &hash, &given, &family, &email)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, scrub("claiming a mail", err)
	}
	mail.Kind, mail.Token, mail.Code = MailKind(kind), value(token), booking.Code(hash)
	a.Contact = &booking.Contact{GivenName: value(given), FamilyName: value(family), Email: value(email)}
	return &mail, nil
}

// MailDone deletes a mail the relay has taken, or that has nobody to go to any more.
func (s *Store) MailDone(ctx context.Context, id int64) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM mail_outbox WHERE id = $1`, id)
	return scrub("deleting a sent mail", err)
}

// MailFailed puts a mail back for later, or gives it up after the last attempt or when the relay said never.
func (s *Store) MailFailed(ctx context.Context, mail *Mail, permanent bool) error {
	if permanent || mail.Attempts >= maxAttempts {
		_, err := s.pool.Exec(ctx, `UPDATE mail_outbox SET failed_at = now(), token = NULL WHERE id = $1`, mail.ID)
		return scrub("giving up a mail", err)
	}
	backoff := min(firstBackoff<<min(mail.Attempts-1, maxAttempts), maxBackoff)
	_, err := s.pool.Exec(ctx, `UPDATE mail_outbox SET `+later+` WHERE id = $2`, backoff.Seconds(), mail.ID)
	return scrub("putting a mail back", err)
}

// Access is one line of the access log; it has no path, no query and no referrer (A3, T4).
type Access struct {
	At        time.Time
	Address   *string
	UserAgent string
	Method    string
	Route     string
	Status    int
}

// WriteAccess stores lines of the access log in one statement.
func (s *Store) WriteAccess(ctx context.Context, lines []Access) error {
	batch := &pgx.Batch{}
	for _, line := range lines {
		batch.Queue(`INSERT INTO access_log (created_at, address, user_agent, method, route, status) VALUES ($1, $2::text::inet, $3, $4, $5, $6)`,
			line.At, line.Address, line.UserAgent, line.Method, line.Route, line.Status)
	}
	return scrub("writing the access log", s.pool.SendBatch(ctx, batch).Close())
}
