// SPDX-License-Identifier: Apache-2.0

// Package store keeps bookings in the tenant's schema. Its errors never carry a value of a row: PostgreSQL repeats
// values in the detail of an error, so only code and constraint are passed on.
package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	maxConnections  = 4
	idleTime        = 2 * time.Minute
	lifetime        = 10 * time.Minute
	attempts        = 5
	applicationName = "termintreu-serve"
)

// ErrTaken means that no counter is free at that time any more.
var ErrTaken = errors.New("the slot has just been taken")

// ErrNotFound means that there is nothing behind a token: never was, has expired, or was purged. Callers cannot and
// must not tell which.
var ErrNotFound = errors.New("no such appointment")

// ErrRefused means that the database does not allow what was asked: too long, too many, or against the policy.
var ErrRefused = errors.New("the database does not allow it")

// Store is the tenant's schema seen through the role of the instance.
type Store struct {
	// Keeps tells whether the policy has a rule for a category; what has none is not stored. Nil means none has.
	Keeps func(v1alpha1.Category) bool
	// ReleaseDelay is how long, at least, citizens are not offered a slot that was given up. Nil means not at all.
	ReleaseDelay func() time.Duration

	pool *pgxpool.Pool
}

// Open prepares a small pool and connects lazily. target and the credentials in dir are read anew for each connection,
// so that neither a moved database nor a rotated Secret needs a restart.
func Open(ctx context.Context, target func() settings.Database, dir string) (*Store, error) {
	config, err := pgxpool.ParseConfig("host=localhost sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("preparing the database pool: %w", err)
	}
	config.MaxConns = maxConnections
	config.MaxConnIdleTime = idleTime
	config.MaxConnLifetime = lifetime
	config.BeforeConnect = func(_ context.Context, connection *pgx.ConnConfig) error {
		return configure(connection, target(), dir)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("preparing the database pool: %w", err)
	}
	return &Store{pool: pool}, nil
}

func configure(connection *pgx.ConnConfig, target settings.Database, dir string) error {
	credentials, err := settings.ReadCredentials(dir)
	if err != nil {
		return err
	}
	verified, err := postgres.OperandConfig(target, credentials)
	if err != nil {
		return err
	}
	maps.Copy(verified.RuntimeParams, map[string]string{
		"application_name":                    applicationName,
		"timezone":                            "UTC",
		"statement_timeout":                   "10000",
		"lock_timeout":                        "5000",
		"idle_in_transaction_session_timeout": "15000",
	})
	*connection = *verified
	return nil
}

// Close ends all connections.
func (s *Store) Close() { s.pool.Close() }

// Reset makes every connection in use be replaced, after the database has moved.
func (s *Store) Reset() { s.pool.Reset() }

// Ready tells whether the database answers and the schema is there.
func (s *Store) Ready(ctx context.Context) error {
	var present bool
	err := s.pool.QueryRow(ctx, `SELECT to_regclass('appointment') IS NOT NULL AND to_regclass('mail_outbox') IS NOT NULL`).Scan(&present)
	if err != nil {
		return scrub("asking the database", err)
	}
	if !present {
		return errors.New("the tenant's schema is not there, or the role may not use it")
	}
	return nil
}

// inTx runs work in a transaction, again when PostgreSQL resolved a deadlock or serialisation conflict by ending it.
func (s *Store) inTx(ctx context.Context, what string, work func(pgx.Tx) error) error {
	var err error
	for range attempts {
		err = pgx.BeginFunc(ctx, s.pool, work)
		var fault *pgconn.PgError
		if !errors.As(err, &fault) || !transient(fault.Code) {
			break
		}
	}
	return scrub(what, err)
}

func transient(code string) bool {
	switch code {
	case "40001", "40P01", "23P01": // serialization_failure, deadlock_detected, exclusion_violation
		return true
	}
	return false
}

// scrub keeps what helps (code, constraint) and drops what could hold data (detail, where, and messages with values).
func scrub(what string, err error) error {
	if err == nil || errors.Is(err, ErrTaken) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrRefused) || errors.Is(err, ErrSpent) {
		return err
	}
	var fault *pgconn.PgError
	if errors.As(err, &fault) {
		return fmt.Errorf("%s: PostgreSQL error %s %s", what, fault.Code, fault.ConstraintName)
	}
	return fmt.Errorf("%s: %w", what, err)
}
