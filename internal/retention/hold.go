// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// invalidParameter is what the schema's functions answer to a request that cannot be granted, in words of their own.
const invalidParameter = "22023"

// Hold keeps records past their period until a date.
type Hold struct {
	// Kind is Restriction (Art. 18 GDPR) or AbuseCase (A3).
	Kind string
	// Reference of the case; it must not name a person.
	Reference string
	Category  v1alpha1.Category
	// Record is the ID of an appointment for what hangs on one, an address for AccessLog and SessionAddress, else the
	// number of the record.
	Record string
	Until  time.Time
}

// OpenHold holds records and gives their number.
func OpenHold(ctx context.Context, config *pgx.ConnConfig, hold Hold) (int64, error) {
	return ask(ctx, config, "opening the hold "+hold.Reference, "SELECT open_hold($1, $2, $3, $4, $5)",
		hold.Kind, hold.Reference, string(hold.Category), hold.Record, hold.Until)
}

// EndHold ends every hold of a case and gives their number.
func EndHold(ctx context.Context, config *pgx.ConnConfig, kind, reference string) (int64, error) {
	return ask(ctx, config, "ending the hold "+reference, "SELECT end_hold($1, $2)", kind, reference)
}

func ask(ctx context.Context, config *pgx.ConnConfig, what, sql string, arguments ...any) (n int64, err error) {
	conn, err := Connect(ctx, config)
	if err != nil {
		return 0, err
	}
	defer Disconnect(ctx, conn)
	err = conn.QueryRow(ctx, sql, arguments...).Scan(&n)
	var failure *pgconn.PgError
	if errors.As(err, &failure) && failure.Code == invalidParameter {
		return 0, fmt.Errorf("%s: %s", what, failure.Message)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, Scrub(err))
	}
	return n, nil
}
