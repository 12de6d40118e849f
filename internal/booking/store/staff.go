// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/termintreu/termintreu/internal/booking"
)

const (
	// sessionIdle and sessionLongest end a session after a break, and at the end of a working day.
	sessionIdle    = 45 * time.Minute
	sessionLongest = 10 * time.Hour

	tokenHashBytes = 32

	visitColumns = `a.id::text, a.office, a.service, a.channel, a.starts_at, a.ends_at, a.state, a.locale, a.sequence, a.counter, a.origin,
		a.token_hash, a.called_at, a.completed_at, a.missed_at, a.objected_at, restricted_until(a.id)`
)

// Session is somebody signed in; the cookie that leads to it is kept as a hash only.
type Session struct {
	Subject string
	Claims  []string
	Created time.Time
	Expires time.Time
}

// StartSession signs somebody in.
func (s *Store) StartSession(ctx context.Context, secret, subject string, claims []string) error {
	return s.inTx(ctx, "signing in", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM staff_session WHERE expires_at <= now()`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO staff_session (token_hash, subject, claims, expires_at) VALUES ($1, $2, $3, now() + make_interval(secs => $4))`,
			booking.TokenHash(secret), subject, claims, sessionIdle.Seconds())
		if err != nil {
			return err
		}
		return s.noteAs(ctx, tx, booking.Staff{Subject: subject}.Actor(), "signed in", "staff")
	})
}

// Session gives who a cookie belongs to and keeps them signed in, or ErrNotFound.
func (s *Store) Session(ctx context.Context, secret string) (*Session, error) {
	var found Session
	err := s.pool.QueryRow(ctx, `UPDATE staff_session SET expires_at = least(created_at + make_interval(secs => $2), now() + make_interval(secs => $3))
		WHERE token_hash = $1 AND expires_at > now() RETURNING subject, claims, created_at, expires_at`,
		booking.TokenHash(secret), sessionLongest.Seconds(), sessionIdle.Seconds()).Scan(&found.Subject, &found.Claims, &found.Created, &found.Expires)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrNotFound
	}
	return &found, scrub("reading a session", err)
}

// EndSession signs out; it is no error that nobody was signed in.
func (s *Store) EndSession(ctx context.Context, secret string) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM staff_session WHERE token_hash = $1`, booking.TokenHash(secret))
	return scrub("signing out", err)
}

// Sessions lists who is signed in, the newest first.
func (s *Store) Sessions(ctx context.Context) ([]Session, error) {
	rows, err := s.pool.Query(ctx, `SELECT subject, claims, created_at, expires_at FROM staff_session WHERE expires_at > now() ORDER BY created_at DESC LIMIT 200`)
	if err != nil {
		return nil, scrub("listing sessions", err)
	}
	sessions, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Session])
	return sessions, scrub("listing sessions", err)
}

// EndSessionsOf signs somebody out everywhere.
func (s *Store) EndSessionsOf(ctx context.Context, by booking.Staff, subject string) error {
	return s.inTx(ctx, "ending sessions", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM staff_session WHERE subject = $1`, subject); err != nil {
			return err
		}
		return s.noteAs(ctx, tx, by.Actor(), "ended sessions", booking.Staff{Subject: subject}.Actor())
	})
}

// ExpireSessions deletes the sessions that have ended.
func (s *Store) ExpireSessions(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM staff_session WHERE expires_at <= now()`)
	return scrub("deleting expired sessions", err)
}

// Day gives what an office has to do in a stretch of time, without anybody's name, and notes who looked.
func (s *Store) Day(ctx context.Context, by booking.Staff, office, day string, from, until time.Time) (visits []booking.Visit, err error) {
	err = s.inTx(ctx, "reading the day of office "+office, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+visitColumns+` FROM appointment AS a WHERE a.office = $1
			AND tstzrange(a.starts_at, a.ends_at) && tstzrange($2, $3) AND a.state = 'confirmed' ORDER BY a.starts_at, a.counter`, office, from, until)
		if err != nil {
			return err
		}
		if visits, err = pgx.CollectRows(rows, scanVisit); err != nil {
			return err
		}
		return s.noteAs(ctx, tx, by.Actor(), "looked at the day", "office/"+office+"/"+day)
	})
	return visits, err
}

// BookedOffices are the offices somebody is expected at, or was since yesterday, by name.
func (s *Store) BookedOffices(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, `SELECT DISTINCT office FROM appointment
		WHERE state = 'confirmed' AND ends_at > now() - interval '1 day' ORDER BY office`)
	if err != nil {
		return nil, scrub("reading which offices have appointments", err)
	}
	offices, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return offices, scrub("reading which offices have appointments", err)
}

func scanVisit(row pgx.CollectableRow) (booking.Visit, error) {
	var (
		visit booking.Visit
		hash  []byte
	)
	err := row.Scan(&visit.ID, &visit.Office, &visit.Service, &visit.Channel, &visit.Start, &visit.End, &visit.State, &visit.Locale,
		&visit.Sequence, &visit.Counter, &visit.Origin, &hash, &visit.Called, &visit.Completed, &visit.Missed,
		&visit.Objected, &visit.Restricted)
	visit.Code = booking.Code(hash)
	return visit, err
}

// Search finds the appointment of a code, or ErrNotFound; both are noted, so that trying codes shows.
func (s *Store) Search(ctx context.Context, by booking.Staff, prefix []byte) (id string, err error) {
	err = s.inTx(ctx, "searching", func(tx pgx.Tx) error {
		// A range over the unique index of the hash; a code that leads to two appointments leads to none.
		rows, err := tx.Query(ctx, `SELECT a.id::text FROM appointment AS a WHERE a.token_hash >= $1 AND a.token_hash < $2
			AND a.state IN ('confirmed', 'cancelled') AND NOT `+hidden+` LIMIT 2`, prefix, after(prefix))
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		id = ""
		if len(found) != 1 {
			return s.noteAs(ctx, tx, by.Actor(), "searched", "no appointment")
		}
		id = found[0]
		return s.noteAs(ctx, tx, by.Actor(), "searched", objectOf(id))
	})
	if err == nil && id == "" {
		return "", ErrNotFound
	}
	return id, err
}

// Visit gives one appointment with its contact and notes who looked, or ErrNotFound. It is not given where allowed
// says no: an appointment of another office is as unknown as none.
func (s *Store) Visit(ctx context.Context, by booking.Staff, id string, allowed func(office string) bool) (visit *booking.Visit, err error) {
	err = s.inTx(ctx, "reading an appointment", func(tx pgx.Tx) error {
		if visit, err = lockVisit(ctx, tx, id, allowed); err != nil {
			return err
		}
		if visit.Restricted != nil {
			return s.noteAs(ctx, tx, by.Actor(), "looked at", objectOf(visit.ID))
		}
		var given, family, email, phone, street, postalCode, city *string
		err = tx.QueryRow(ctx, `SELECT given_name, family_name, email, phone, street, postal_code, city FROM contact WHERE appointment_id = $1`, visit.ID).Scan(
			&given, &family, &email, &phone, &street, &postalCode, &city)
		if err == nil {
			visit.Contact = &booking.Contact{GivenName: value(given), FamilyName: value(family), Email: value(email), Phone: value(phone),
				Street: value(street), PostalCode: value(postalCode), City: value(city)}
		} else if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return s.noteAs(ctx, tx, by.Actor(), "looked at", objectOf(visit.ID))
	})
	return visit, err
}

// lockVisit gives an appointment that was confirmed once, and keeps it from being changed by others.
func lockVisit(ctx context.Context, tx pgx.Tx, id string, allowed func(office string) bool) (*booking.Visit, error) {
	var key pgtype.UUID
	if key.Scan(id) != nil {
		return nil, ErrNotFound
	}
	rows, err := tx.Query(ctx, `SELECT `+visitColumns+` FROM appointment AS a WHERE a.id = $1 AND a.state IN ('confirmed', 'cancelled')
		AND NOT `+hidden+` FOR UPDATE`, key)
	if err != nil {
		return nil, err
	}
	visit, err := pgx.CollectExactlyOneRow(rows, scanVisit)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !allowed(visit.Office) {
		return nil, ErrNotFound
	}
	return &visit, err
}

// after is the first text that does not begin with prefix.
func after(prefix []byte) []byte {
	next := bytes.Clone(prefix)
	for n := len(next) - 1; n >= 0; n-- {
		if next[n]++; next[n] != 0 {
			return next
		}
	}
	return bytes.Repeat([]byte{0xff}, tokenHashBytes+1)
}
