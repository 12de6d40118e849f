// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Count counts the records of every category, each one of them: a certificate says how many there were. ErrNoSchema when
// there is no schema any longer.
func (a *Admin) Count(ctx context.Context, dataID string) (map[v1alpha1.Category]int64, error) {
	if err := checkDataID(dataID); err != nil {
		return nil, err
	}
	counts := map[v1alpha1.Category]int64{}
	err := a.lockedTenant(ctx, dataID, func(s *session, state *found) error {
		if owner := RolesOf(dataID).Owner; !state.schema || !state.roles[owner] {
			return ErrNoSchema
		}
		rows, err := s.exec(ctx, fmt.Sprintf(`BEGIN;
			GRANT %[1]s TO %[2]s%[3]s;
			SET LOCAL ROLE %[1]s;
			SET LOCAL search_path = %[4]s, pg_temp;
			SELECT category, (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %%s WHERE %%s', source, condition), false, true, '')))[1]::text
				FROM retention_category() ORDER BY category COLLATE "C";
			RESET ROLE;
			SET LOCAL search_path = %[5]s;
			REVOKE %[1]s FROM %[2]s;
			COMMIT;`, ident(RolesOf(dataID).Owner), ident(a.operator), state.membership(), ident(dataID), operatorPath))
		if err != nil {
			return err
		}
		for _, row := range rows {
			count, err := strconv.ParseInt(row[1], 10, 64)
			if err != nil {
				return fmt.Errorf("counting %s: %w", row[0], err)
			}
			counts[v1alpha1.Category(row[0])] = count
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("counting the records of tenant %s in database %s: %w", dataID, a.name, err)
	}
	return counts, nil
}

// ErrNoSchema tells that a tenant has no schema.
var ErrNoSchema = errors.New("the schema does not exist")
