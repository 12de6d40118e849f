// SPDX-License-Identifier: Apache-2.0

package export

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
)

// notHidden leaves out what was erased on request and waits for its journal entry: nobody gets to see it any more.
const notHidden = " NOT IN (SELECT subject FROM erasure_pending)"

// hides tells whether anything is hidden. A role that imports cannot see, and meets a schema in which nothing is.
func hides(ctx context.Context, tx pgx.Tx) (bool, error) {
	var readable, found bool
	err := tx.QueryRow(ctx, "SELECT coalesce(has_table_privilege(to_regclass('erasure_pending'), 'SELECT'), false)").Scan(&readable)
	if err == nil && readable {
		err = tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM erasure_pending)").Scan(&found)
	}
	return found, clean("reading what is hidden", err)
}

// leaveOutHidden adds to the conditions of the tables what keeps hidden appointments, and all that hangs on them, out.
func (s *live) leaveOutHidden(conditions map[string]string) {
	for _, t := range s.tables {
		var columns []string
		if t.name == "appointment" {
			columns = append(columns, t.key...)
		}
		for column, parent := range t.parents {
			if parent == "appointment" {
				columns = append(columns, column)
			}
		}
		slices.Sort(columns)
		for _, column := range columns {
			joint := " WHERE "
			if conditions[t.name] != "" {
				joint = " AND "
			}
			conditions[t.name] += joint + ident(column) + notHidden
		}
	}
}
