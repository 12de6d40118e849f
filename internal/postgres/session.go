// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// session is one connection that holds an advisory lock.
type session struct{ conn *pgxpool.Conn }

// exec sends statements in one round trip and gives the rows of the last that has any, as text. It is for text this
// package made itself: names through ident, values through literal.
func (s *session) exec(ctx context.Context, sql string) ([][]string, error) {
	results, err := s.conn.Conn().PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, result := range results {
		if len(result.FieldDescriptions) == 0 {
			continue
		}
		rows = rows[:0]
		for _, values := range result.Rows {
			row := make([]string, len(values))
			for n, value := range values {
				row[n] = string(value)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// locked runs do with the advisory lock of name held. A connection that saw an error is closed, which gives up its
// transaction and the lock.
func (a *Admin) locked(ctx context.Context, name string, do func(*session) error) error {
	conn, err := a.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	a.changed.Store(true)
	s := &session{conn}
	if _, err = s.exec(ctx, fmt.Sprintf("SELECT pg_advisory_lock(%d)", lockID(name))); err == nil {
		if err = do(s); err == nil {
			_, err = s.exec(ctx, fmt.Sprintf("SELECT pg_advisory_unlock(%d)", lockID(name)))
		}
	}
	if err != nil {
		_ = conn.Conn().Close(context.WithoutCancel(ctx))
	}
	return err
}

// lockedTenant runs do with a tenant's lock held, on what the catalogue says of the tenant then.
func (a *Admin) lockedTenant(ctx context.Context, dataID string, do func(*session, *found) error) error {
	return a.locked(ctx, dataID, func(s *session) error {
		state, err := s.find(ctx, dataID)
		if err != nil {
			return err
		}
		return do(s, state)
	})
}

// literal quotes a value for standard_conforming_strings, which every connection of this package switches on.
func literal(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }

func literals(values []string) string {
	quoted := make([]string, len(values))
	for n, value := range values {
		quoted[n] = literal(value)
	}
	return strings.Join(quoted, ", ")
}
