// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
)

// RenewRetention gives the purge of a tenant whose contract has ended another password, when the one it had is lost. It
// touches no other role: the application stays locked out.
func (a *Admin) RenewRetention(ctx context.Context, dataID, password string) error {
	if err := checkDataID(dataID); err != nil {
		return err
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return fmt.Errorf("renewing the purge's password of tenant %s: %w", dataID, err)
	}
	role := RolesOf(dataID).Retention
	err = a.lockedTenant(ctx, dataID, func(s *session, state *found) error {
		if !state.retained || !state.roles[role] {
			return errors.New("its data is not retained")
		}
		_, err := s.exec(ctx, fmt.Sprintf("ALTER ROLE %s LOGIN PASSWORD %s", ident(role), literal(verifier)))
		return err
	})
	if err != nil {
		return fmt.Errorf("renewing the purge's password of tenant %s in database %s: %w", dataID, a.name, err)
	}
	return nil
}
