// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// HandOverAll makes what rules of action Archive keep due at once, since the contract has ended and the schema will go,
// and gives how many wait: for an archive, for the purge that follows, or for the end of a hold, since what is held is
// neither handed over nor to be lost. What never began its period, as a booking still to come, stays out.
func (a *Admin) HandOverAll(ctx context.Context, dataID string) (waiting int64, err error) {
	if err := checkDataID(dataID); err != nil {
		return 0, err
	}
	var archives bool
	err = a.pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", ident(dataID)+".archive_receipt").Scan(&archives)
	if err == nil && archives {
		_, err = a.pool.Exec(ctx, fmt.Sprintf(`UPDATE %s.retention_rule SET period = interval '1 second'
			WHERE action = 'Archive' AND until = 'infinity' AND period > interval '1 second'`, ident(dataID)))
		if err == nil {
			err = a.pool.QueryRow(ctx, fmt.Sprintf(`SELECT coalesce(sum(due + held), 0)::bigint FROM %s.retention_audit()
				WHERE action = 'Archive' AND stored > 0`, ident(dataID))).Scan(&waiting)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("looking for what tenant %s must hand over in database %s: %w", dataID, a.name, err)
	}
	return waiting, nil
}

// Archived is what the archives hold of one category, by its receipts.
type Archived struct {
	Category v1alpha1.Category
	Records  int64
	Until    *time.Time
}

// Archived gives what was handed over of a tenant; nothing where nothing was, or there is no schema.
func (a *Admin) Archived(ctx context.Context, dataID string) (archived []Archived, err error) {
	if err := checkDataID(dataID); err != nil {
		return nil, err
	}
	var archives bool
	err = a.pool.QueryRow(ctx, "SELECT to_regprocedure($1) IS NOT NULL", ident(dataID)+".archive_audit()").Scan(&archives)
	if err == nil && !archives {
		return nil, nil
	}
	var documents []archivedDocument
	if err == nil {
		err = a.pool.QueryRow(ctx, fmt.Sprintf("SELECT %s.archive_audit()", ident(dataID))).Scan(&documents)
	}
	if err != nil {
		return nil, fmt.Errorf("counting what tenant %s handed over in database %s: %w", dataID, a.name, err)
	}
	for _, d := range documents {
		if d.Records > 0 {
			archived = append(archived, Archived{d.Category, d.Records, d.Until})
		}
	}
	return archived, nil
}
