// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
)

// OpenImport makes the role an import logs in as: it may fill and read the tenant's tables until CloseImport removes it.
// No other role may write everywhere, and none keeps that right while the site serves (invariant 6).
func (a *Admin) OpenImport(ctx context.Context, dataID, password string) error {
	if err := checkDataID(dataID); err != nil {
		return err
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	names := RolesOf(dataID)
	err = a.locked(ctx, dataID, func(s *session) error {
		state, err := s.find(ctx, dataID)
		if err != nil {
			return err
		}
		if !state.schema || !state.roles[names.Owner] {
			return errors.New("the schema is not there yet")
		}
		verb := "CREATE"
		if state.roles[names.Import] {
			verb = "ALTER"
		}
		_, err = s.exec(ctx, fmt.Sprintf(`BEGIN;
			%[1]s ROLE %[2]s LOGIN CONNECTION LIMIT 2 PASSWORD %[3]s;
			GRANT %[4]s TO %[2]s;
			GRANT %[5]s TO %[6]s%[7]s;
			SET LOCAL ROLE %[5]s;
			GRANT USAGE ON SCHEMA %[8]s TO %[2]s;
			GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA %[8]s TO %[2]s;
			GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA %[8]s TO %[2]s;
			RESET ROLE;
			GRANT SELECT ON %[8]s.retention_rule TO %[2]s;
			REVOKE %[5]s FROM %[6]s;
			COMMIT;`, verb, ident(names.Import), literal(verifier), ident(group(a.database)),
			ident(names.Owner), ident(a.operator), state.membership(), ident(dataID)))
		return err
	})
	if err != nil {
		return fmt.Errorf("opening the import of tenant %s in database %s: %w", dataID, a.name, err)
	}
	return nil
}

// CloseImport ends the sessions of the import role and removes it with every right it had. Repeating it changes nothing.
func (a *Admin) CloseImport(ctx context.Context, dataID string) error {
	if err := checkDataID(dataID); err != nil {
		return err
	}
	names := RolesOf(dataID)
	err := a.locked(ctx, dataID, func(s *session) error {
		state, err := s.find(ctx, dataID)
		if err != nil || !state.roles[names.Import] {
			return err
		}
		if err := s.lockOut(ctx, []string{names.Import}); err != nil {
			return err
		}
		if err := a.disconnect(ctx, s, state, []string{names.Import}); err != nil {
			return err
		}
		_, err = s.exec(ctx, fmt.Sprintf(`BEGIN;
			GRANT %[1]s TO %[2]s%[3]s;
			GRANT %[4]s TO %[2]s%[3]s;
			DROP OWNED BY %[1]s;
			DROP ROLE %[1]s;
			REVOKE %[4]s FROM %[2]s;
			COMMIT;`, ident(names.Import), ident(a.operator), state.membership(), ident(names.Owner)))
		return err
	})
	if err != nil {
		return fmt.Errorf("closing the import of tenant %s in database %s: %w", dataID, a.name, err)
	}
	return nil
}
