// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// failureLimit is how much of a sentence is left for the operator.
const failureLimit = 1000

// Box is the letter box between the job and the operator: one row in the quarantine. So the job needs no token of the
// API server, and what it found is as safe as what it restored.
type Box struct{ conn *pgx.Conn }

func (b *Box) step(ctx context.Context, step string) error {
	return b.write(ctx, "step = $1, failure = NULL, result = NULL", step)
}

// progress is nobody's business on trial, where there is no letter box.
func (b *Box) progress(ctx context.Context, rows int64) error {
	if b == nil {
		return nil
	}
	return b.write(ctx, "progress = $1", rows)
}

func (b *Box) record(ctx context.Context, result any) error {
	raw, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("recording the result: %w", err)
	}
	return b.write(ctx, "step = $1, result = $2::text::jsonb", StepProven, string(raw))
}

func (b *Box) write(ctx context.Context, set string, arguments ...any) error {
	if _, err := b.conn.Exec(ctx, "UPDATE restore_state SET "+set, arguments...); err != nil {
		return fmt.Errorf("writing to the letter box: %w", scrub(err))
	}
	return nil
}

// fail leaves the sentence, by a connection of its own since the first may be what failed.
func (b *Box) fail(ctx context.Context, config *pgx.ConnConfig, cause error) error {
	const patience = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("telling the operator: %w", scrub(err))
	}
	defer func() { _ = conn.Close(ctx) }()
	sentence := cause.Error()
	return (&Box{conn: conn}).write(ctx, "failure = $1, result = NULL", sentence[:min(len(sentence), failureLimit)])
}

// scrub keeps the code of a server's error and drops its words, which may quote a row.
func scrub(err error) error {
	var failure *pgconn.PgError
	const diskFull = "53100"
	if errors.As(err, &failure) && failure.Code == diskFull {
		return fmt.Errorf("the database server's disk is full (SQLSTATE %s): give it room for the tenant's data once more", failure.Code)
	}
	if errors.As(err, &failure) {
		return fmt.Errorf("the server refused with SQLSTATE %s%s", failure.Code, constraintOf(failure))
	}
	return err
}

func constraintOf(failure *pgconn.PgError) string {
	if failure.ConstraintName == "" {
		return ""
	}
	return " (" + failure.ConstraintName + ")"
}
