// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/booking"
)

// seat is a counter for a stretch of time.
type seat struct {
	office     string
	counter    int32
	start, end time.Time
}

// seatColumns are what into takes, after an id.
const seatColumns = `office, counter, starts_at, ends_at`

func (s *seat) into(id *string) []any { return []any{id, &s.office, &s.counter, &s.start, &s.end} }

// withheldAt tells that a counter was given up within a time, and is not offered to citizens yet.
func withheldAt(office, counter, from, until string) string {
	return `EXISTS (SELECT FROM slot_release AS w WHERE w.office = ` + office + ` AND w.counter = ` + counter + ` AND w.free_at > now()
		AND tstzrange(w.starts_at, w.ends_at) && tstzrange(` + from + `, ` + until + `))`
}

var (
	// withheld tells it of a counter c of office $2, within $3 and $4.
	withheld = withheldAt("$2", "c", "$3", "$4")
	// withheldNow tells it of an appointment's own counter.
	withheldNow = withheldAt("a.office", "a.counter", "a.starts_at", "a.ends_at")
)

// errWithheld means that a counter was taken, confirmed and given up again since it looked free.
var errWithheld = errors.New("the counter has just been given up")

// unlessWithheld looks once more, after the counter is ours: between the look and the taking it may have been somebody's
// who gave it up. What was taken so is given back, and the caller looks again.
func (s *Store) unlessWithheld(ctx context.Context, tx pgx.Tx, token string) (ours bool, err error) {
	if !s.delays() {
		return true, nil
	}
	tag, err := tx.Exec(ctx, `DELETE FROM appointment AS a WHERE token_hash = $1 AND `+withheldNow, booking.TokenHash(token))
	return tag.RowsAffected() == 0, err
}

// stillOffered does so for an appointment that has moved.
func stillOffered(ctx context.Context, tx pgx.Tx, id string) error {
	var is bool
	err := tx.QueryRow(ctx, `SELECT `+withheldNow+` FROM appointment AS a WHERE id = $1::text::uuid`, id).Scan(&is)
	if err == nil && is {
		return errWithheld
	}
	return err
}

func (s *Store) delays() bool { return s.ReleaseDelay != nil && s.ReleaseDelay() > 0 }

// release keeps a seat that was given up from citizens for a while nobody can foresee, in the transaction that gives it
// up: whoever sees it free also sees that it is withheld.
func (s *Store) release(ctx context.Context, tx pgx.Tx, left seat) error {
	if !s.delays() {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO slot_release (office, counter, starts_at, ends_at, free_at)
		SELECT $1::text, $2::integer, $3::timestamptz, $4::timestamptz, now() + make_interval(secs => $5::float8 * (1 + random()))
		WHERE $3::timestamptz > now() ON CONFLICT DO NOTHING`,
		left.office, left.counter, left.start, left.end, s.ReleaseDelay().Seconds())
	return err
}
