// SPDX-License-Identifier: Apache-2.0

package export

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// clean keeps what PostgreSQL quotes of a record out of an error: its messages can hold values (invariant 2).
func clean(doing string, err error) error {
	var failure *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failure) && failure.ConstraintName != "":
		return fmt.Errorf("%s: a record breaks the rule %s of the schema (SQLSTATE %s)", doing, failure.ConstraintName, failure.Code)
	case errors.As(err, &failure) && failure.Code[:2] == "42":
		// Names of the schema only: a right or a column that is missing.
		return fmt.Errorf("%s: %s (SQLSTATE %s)", doing, failure.Message, failure.Code)
	case errors.As(err, &failure):
		return fmt.Errorf("%s: PostgreSQL refused it (SQLSTATE %s)", doing, failure.Code)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
