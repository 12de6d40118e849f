// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrSpent means that the challenge of a hold was used for another one.
var ErrSpent = errors.New("the challenge was spent before")

// Work is a challenge whose proof was checked and that a hold spends; nil where none is asked for.
type Work struct {
	Mark    []byte
	Expires time.Time
}

// ChallengeKey is what challenges are signed with, the same for all replicas.
func (s *Store) ChallengeKey(ctx context.Context) (key []byte, err error) {
	err = s.pool.QueryRow(ctx, `SELECT key FROM challenge_key`).Scan(&key)
	return key, scrub("reading the key of challenges", err)
}

// spend marks a challenge as used, in the transaction of the hold: a hold that fails leaves it to be used again.
func (w *Work) spend(ctx context.Context, tx pgx.Tx) error {
	tag, err := tx.Exec(ctx, `INSERT INTO challenge_spent (mark, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, w.Mark, w.Expires)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrSpent
	}
	return err
}
