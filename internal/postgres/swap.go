// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// FinishRestore puts what the job restored in the place of what is there, in one transaction that first reads back what
// the job says: nothing overdue, the periods untouched, the tables of this release. It gives the job's result. Run again
// after it was done, it gives the same result and changes nothing.
func (a *Admin) FinishRestore(ctx context.Context, tenant Tenant, restore string) (result string, err error) {
	if err := tenant.check(); err != nil {
		return "", fmt.Errorf("tenant %s: %w", tenant.DataID, err)
	}
	err = a.locked(ctx, tenant.DataID, func(s *session) error {
		if result, err = a.RestoreResult(ctx, restore); err != nil || result != "" {
			return err
		}
		state, err := s.find(ctx, tenant.DataID)
		if err != nil {
			return err
		}
		if state.restoring != restore {
			return errors.New("this restore was not begun, or was given up")
		}
		sql, err := a.swapSQL(&tenant, state, restore)
		if err != nil {
			return err
		}
		if _, err = s.exec(ctx, sql); err != nil {
			return err
		}
		result, err = a.RestoreResult(ctx, restore)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("finishing the restore of tenant %s in database %s: %w", tenant.DataID, a.name, err)
	}
	return result, nil
}

// Unproven tells that a restore was refused because its proof does not hold: no retry can mend that.
func Unproven(err error) bool {
	var failure *pgconn.PgError
	return errors.As(err, &failure) && failure.Code == raised
}

// raised is the SQLSTATE of what a check raises by RAISE EXCEPTION.
const raised = "P0001"

// RestoreResult is the result a restore was finished with, empty when it was not.
func (a *Admin) RestoreResult(ctx context.Context, restore string) (result string, err error) {
	err = a.pool.QueryRow(ctx, "SELECT result::text FROM termintreu.restore WHERE uid = $1", restore).Scan(&result)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking up restore %s in database %s: %w", restore, a.name, err)
	}
	return result, nil
}

func (a *Admin) swapSQL(tenant *Tenant, state *found, restore string) (string, error) {
	plan, err := a.layout(tenant, state)
	if err != nil {
		return "", err
	}
	q := QuarantineOf(tenant.DataID)
	var sql strings.Builder
	fmt.Fprintf(&sql, "BEGIN;\nGRANT %s, %s TO %s%s;\n", plan.Owner.Ident, ident(q.Role), plan.Operator, plan.Membership)
	fmt.Fprintf(&sql, proveSQL, ident(q.Schema), literal(a.operator), SchemaVersion)
	fmt.Fprintf(&sql, moveSQL, plan.ID, literal(q.Schema), literal(RolesOf(tenant.DataID).Owner), literals(notTheTenants), literal(q.Role))
	fmt.Fprintf(&sql, "INSERT INTO %s.retention_rule SELECT * FROM %s.retention_rule WHERE until <> 'infinity' ON CONFLICT DO NOTHING;\n", plan.Schema, ident(q.Schema))
	fmt.Fprintf(&sql, "INSERT INTO termintreu.restore (uid, data_id, result) SELECT %s, %s, result FROM %s.restore_state;\n", literal(restore), plan.ID, ident(q.Schema))
	fmt.Fprintf(&sql, "SET LOCAL ROLE %s;\n", plan.Owner.Ident)
	if err := render(&sql, "grants.sql", plan); err != nil {
		return "", err
	}
	fmt.Fprintf(&sql, grantPartsSQL, plan.ID, literal(RolesOf(tenant.DataID).Backup))
	sql.WriteString("RESET ROLE;\n")
	a.leaveSQL(&sql, tenant, state)
	fmt.Fprintf(&sql, "REVOKE %s FROM %s;\nCOMMIT;", plan.Owner.Ident, plan.Operator)
	return sql.String(), nil
}

// proveSQL reads back what the job claims, in the transaction that acts on it (invariant 7).
const proveSQL = `DO $prove$ BEGIN
	IF NOT EXISTS (SELECT FROM %[1]s.restore_state WHERE result IS NOT NULL) THEN
		RAISE EXCEPTION 'the restore was not proven: it has no result';
	END IF;
	IF (SELECT relowner::regrole::text FROM pg_class WHERE oid = '%[1]s.retention_rule'::regclass) IS DISTINCT FROM quote_ident(%[2]s) THEN
		RAISE EXCEPTION 'the periods in the quarantine are not the operator''s';
	END IF;
	IF (SELECT max(version_id) FROM %[1]s.goose_db_version WHERE is_applied) IS DISTINCT FROM %[3]d THEN
		RAISE EXCEPTION 'the restored schema has another version than this release';
	END IF;
	IF %[1]s.purgeable_overdue() <> 0 THEN
		RAISE EXCEPTION 'restored records are past their period';
	END IF;
END $prove$;
`

// moveSQL drops the tables in use and moves the restored ones to their place. Functions stay: they find tables by name.
const moveSQL = `DO $move$ DECLARE t record; lost text; guards text[];
BEGIN
	SELECT string_agg(c.relname, ', ') INTO lost FROM pg_class AS c
		WHERE c.relnamespace = quote_ident(%[1]s)::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> ALL (ARRAY[%[4]s])
		AND NOT EXISTS (SELECT FROM pg_class AS r WHERE r.relnamespace = quote_ident(%[2]s)::regnamespace AND r.relkind = c.relkind AND r.relname = c.relname);
	IF lost IS NOT NULL THEN
		RAISE EXCEPTION 'the restored schema lacks tables: %%', lost;
	END IF;
	-- Triggers know functions by number and not by name: those of the quarantine go with it, those in use are made again.
	guards := ARRAY(SELECT pg_get_triggerdef(g.oid) FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid
		WHERE c.relnamespace = quote_ident(%[1]s)::regnamespace AND NOT g.tgisinternal AND g.tgparentid = 0 ORDER BY g.oid);
	FOR t IN SELECT c.relname, g.tgname FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid
			WHERE c.relnamespace = quote_ident(%[2]s)::regnamespace AND NOT g.tgisinternal AND g.tgparentid = 0 LOOP
		EXECUTE format('DROP TRIGGER %%I ON %%I.%%I', t.tgname, %[2]s, t.relname);
	END LOOP;
	FOR t IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = quote_ident(%[1]s)::regnamespace AND c.relkind IN ('r', 'p')
			AND NOT c.relispartition AND c.relname <> ALL (ARRAY[%[4]s]) LOOP
		EXECUTE format('DROP TABLE %%I.%%I CASCADE', %[1]s, t.relname);
	END LOOP;
	FOR t IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = quote_ident(%[2]s)::regnamespace AND c.relkind IN ('r', 'p')
			AND c.relowner = quote_ident(%[5]s)::regrole AND c.relname <> ALL (ARRAY[%[4]s]) LOOP
		EXECUTE format('ALTER TABLE %%I.%%I SET SCHEMA %%I', %[2]s, t.relname, %[1]s);
		EXECUTE format('ALTER TABLE %%I.%%I OWNER TO %%I', %[1]s, t.relname, %[3]s);
	END LOOP;
	FOR i IN 1..coalesce(cardinality(guards), 0) LOOP
		EXECUTE guards[i];
	END LOOP;
END $move$;
`

// grantPartsSQL lets the backup read what grants.sql cannot name.
const grantPartsSQL = `DO $parts$ DECLARE t record;
BEGIN
	FOR t IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = quote_ident(%[1]s)::regnamespace AND c.relispartition AND c.relkind = 'r' LOOP
		EXECUTE format('GRANT SELECT ON %%I.%%I TO %%I', %[1]s, t.relname, %[2]s);
	END LOOP;
END $parts$;
`

// AbortRestore drops the quarantine and lets the application in again. What is in use was never touched.
func (a *Admin) AbortRestore(ctx context.Context, tenant Tenant, restore string) error {
	if err := checkDataID(tenant.DataID); err != nil {
		return err
	}
	err := a.lockedTenant(ctx, tenant.DataID, func(s *session, state *found) error {
		if state.restoring != restore {
			return nil
		}
		q := QuarantineOf(tenant.DataID)
		var sql strings.Builder
		sql.WriteString("BEGIN;\n")
		if state.roles[q.Role] {
			if err := s.lockOut(ctx, []string{q.Role}); err != nil {
				return err
			}
			if err := a.disconnect(ctx, s, state, []string{q.Role}); err != nil {
				return err
			}
			fmt.Fprintf(&sql, "GRANT %s TO %s%s;\n", ident(q.Role), ident(a.operator), state.membership())
		}
		a.leaveSQL(&sql, &tenant, state)
		sql.WriteString("COMMIT;")
		_, err := s.exec(ctx, sql.String())
		return err
	})
	if err != nil {
		return fmt.Errorf("giving up the restore of tenant %s in database %s: %w", tenant.DataID, a.name, err)
	}
	return nil
}

// leaveSQL drops the quarantine with its login, and gives the application its own back.
func (a *Admin) leaveSQL(sql *strings.Builder, tenant *Tenant, state *found) {
	q, names := QuarantineOf(tenant.DataID), RolesOf(tenant.DataID)
	if state.roles[q.Role] {
		fmt.Fprintf(sql, "DROP SCHEMA IF EXISTS %s CASCADE;\nDROP ROLE %s;\n", ident(q.Schema), ident(q.Role))
	}
	for role, password := range map[string]string{names.AppA: tenant.AppA, names.AppB: tenant.AppB} {
		if password != "" && state.roles[role] {
			fmt.Fprintf(sql, "ALTER ROLE %s LOGIN;\n", ident(role))
		}
	}
	fmt.Fprintf(sql, "UPDATE termintreu.tenant SET restoring = NULL WHERE data_id = %s;\n", literal(tenant.DataID))
}
