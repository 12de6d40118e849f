// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Registered is what the operator recorded of a tenant.
type Registered struct {
	DataID, Namespace, Name, UID string
	// SpecHash and SchemaVersion of the last Ensure that came to its end; empty and zero before the first.
	SpecHash      string
	SchemaVersion int64
	// RetainedSince and RetainedUntil are set once the contract has ended.
	RetainedSince, RetainedUntil *time.Time
}

// Lookup gives the registry's row of a tenant, nil when there is none.
func (a *Admin) Lookup(ctx context.Context, dataID string) (*Registered, error) {
	rows, err := a.pool.Query(ctx, `SELECT data_id, namespace, name, uid, spec_hash, schema_version, retained_since, retained_until
		FROM termintreu.tenant WHERE data_id = $1`, dataID)
	if err == nil {
		var registered Registered
		registered, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Registered])
		if err == nil {
			return &registered, nil
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return nil, fmt.Errorf("looking up tenant %s in database %s: %w", dataID, a.name, err)
}

// Retain ends a tenant's contract: the app can no longer log in, its sessions end and its rights are gone, while purge
// and backup go on until the data is dropped after until (invariant 4). Repeating it changes only until.
func (a *Admin) Retain(ctx context.Context, dataID string, until time.Time) error {
	if err := checkDataID(dataID); err != nil {
		return err
	}
	names := RolesOf(dataID)
	err := a.lockedTenant(ctx, dataID, func(s *session, state *found) error {
		if !state.schema || !state.roles[names.Owner] || !state.roles[names.AppA] || !state.roles[names.AppB] {
			return errors.New("schema or roles are missing, there is nothing to retain")
		}
		apps := ident(names.AppA) + ", " + ident(names.AppB)
		_, err := s.exec(ctx, fmt.Sprintf(`BEGIN;
			ALTER ROLE %[1]s NOLOGIN; ALTER ROLE %[2]s NOLOGIN;
			GRANT %[3]s TO %[4]s%[5]s;
			SET LOCAL ROLE %[3]s;
			REVOKE ALL ON ALL TABLES IN SCHEMA %[6]s FROM %[7]s; REVOKE ALL ON SCHEMA %[6]s FROM %[7]s;
			RESET ROLE;
			REVOKE %[3]s FROM %[4]s;
			UPDATE termintreu.tenant SET retained_since = coalesce(retained_since, now()), retained_until = %[8]s WHERE data_id = %[9]s;
			COMMIT;`, ident(names.AppA), ident(names.AppB), ident(names.Owner), ident(a.operator), state.membership(),
			ident(dataID), apps, literal(until.UTC().Format(time.RFC3339Nano)), literal(dataID)))
		if err != nil {
			return err
		}
		return a.disconnect(ctx, s, state, []string{names.AppA, names.AppB})
	})
	if err != nil {
		return fmt.Errorf("retaining tenant %s in database %s: %w", dataID, a.name, err)
	}
	return nil
}

// DropScratch takes away the copy of the data a killed restore test may have left, once no further backup will: as a
// tenant that is retained gets none, nobody else would before Drop. A test still at work ends; its role may come back.
func (a *Admin) DropScratch(ctx context.Context, dataID string) error {
	if err := checkDataID(dataID); err != nil {
		return err
	}
	err := a.lockedTenant(ctx, dataID, func(s *session, state *found) error {
		if backup := RolesOf(dataID).Backup; state.roles[backup] {
			if err := a.disconnect(ctx, s, state, []string{backup}); err != nil {
				return err
			}
		}
		_, err := s.exec(ctx, dropScratchSQL(dataID))
		return err
	})
	if err != nil {
		return fmt.Errorf("dropping the scratch schema of tenant %s in database %s: %w", dataID, a.name, err)
	}
	return nil
}

func dropScratchSQL(dataID string) string {
	return fmt.Sprintf("DROP SCHEMA IF EXISTS %s CASCADE;\n", ident(ScratchOf(dataID)))
}

// Drop removes schema, roles and registry row of a tenant, and reads back that nothing is left.
func (a *Admin) Drop(ctx context.Context, dataID string) error {
	if err := checkDataID(dataID); err != nil {
		return err
	}
	err := a.lockedTenant(ctx, dataID, func(s *session, state *found) error {
		var logins []string
		for _, name := range RolesOf(dataID).logins() {
			if state.roles[name] {
				logins = append(logins, name)
			}
		}
		if err := s.lockOut(ctx, logins); err != nil {
			return err
		}
		if err := a.disconnect(ctx, s, state, logins); err != nil {
			return err
		}
		if _, err := s.exec(ctx, a.dropSQL(dataID, state)); err != nil {
			return err
		}
		return s.verifyAbsence(ctx, dataID)
	})
	if err != nil {
		return fmt.Errorf("dropping tenant %s in database %s: %w", dataID, a.name, err)
	}
	return nil
}

func (a *Admin) dropSQL(dataID string, state *found) string {
	names := RolesOf(dataID)
	var sql strings.Builder
	sql.WriteString("BEGIN;\n")
	if q := QuarantineOf(dataID); state.roles[q.Role] {
		fmt.Fprintf(&sql, "GRANT %[1]s TO %[2]s%[3]s;\nDROP SCHEMA IF EXISTS %[4]s CASCADE;\nDROP ROLE %[1]s;\n", ident(q.Role), ident(a.operator), state.membership(), ident(q.Schema))
	}
	if state.schema {
		// The schema is the owner's, or the operator's own when its owner was taken away.
		if state.roles[names.Owner] {
			fmt.Fprintf(&sql, "GRANT %[1]s TO %[2]s%[3]s;\nSET LOCAL ROLE %[1]s;\n", ident(names.Owner), ident(a.operator), state.membership())
		}
		fmt.Fprintf(&sql, "DROP SCHEMA %s CASCADE;\nRESET ROLE;\n", ident(dataID))
	}
	// What a restore test was killed over, before the role that owns what is in it.
	sql.WriteString(dropScratchSQL(dataID))
	for _, name := range names.all() {
		if state.roles[name] {
			fmt.Fprintf(&sql, "DROP ROLE %s;\n", ident(name))
		}
	}
	fmt.Fprintf(&sql, "DELETE FROM termintreu.restore WHERE data_id = %[1]s;\nDELETE FROM termintreu.tenant WHERE data_id = %[1]s;\nCOMMIT;", literal(dataID))
	return sql.String()
}

// lockOut is committed before sessions are ended, so that none can come back.
func (s *session) lockOut(ctx context.Context, roles []string) error {
	if len(roles) == 0 {
		return nil
	}
	sql := "BEGIN;\n"
	for _, name := range roles {
		sql += "ALTER ROLE " + ident(name) + " NOLOGIN;\n"
	}
	_, err := s.exec(ctx, sql+"COMMIT;")
	return err
}

// disconnect ends the sessions of roles and waits for their end. It acts as each role in turn: a role may always end
// its own sessions, whatever the operator inherits.
func (a *Admin) disconnect(ctx context.Context, s *session, state *found, roles []string) error {
	const waitMilliseconds = 5000
	if len(roles) == 0 {
		return nil
	}
	var sql strings.Builder
	sql.WriteString("BEGIN;\n")
	for _, name := range roles {
		fmt.Fprintf(&sql, `GRANT %[1]s TO %[2]s%[3]s;
			SET LOCAL ROLE %[1]s;
			SELECT count(pg_terminate_backend(pid, %[5]d)) FROM pg_stat_activity WHERE usename = %[4]s;
			RESET ROLE;
			REVOKE %[1]s FROM %[2]s;
			`, ident(name), ident(a.operator), state.membership(), literal(name), waitMilliseconds)
	}
	sql.WriteString("COMMIT;")
	_, err := s.exec(ctx, sql.String())
	return err
}

// verifyAbsence reads the catalogue: that a statement succeeded is no evidence (invariant 7).
func (s *session) verifyAbsence(ctx context.Context, dataID string) error {
	rows, err := s.exec(ctx, fmt.Sprintf(`SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname IN (%[1]s, %[3]s)
		UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE rolname IN (%[2]s)
		UNION ALL SELECT 'registry row' FROM termintreu.tenant WHERE data_id = %[1]s`,
		literal(dataID), literals(RolesOf(dataID).all()), literal(ScratchOf(dataID))))
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		return fmt.Errorf("%s is still there", rows[0][0])
	}
	return nil
}
