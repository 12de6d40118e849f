// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// firstGrantOptions is the PostgreSQL release whose GRANT of a role says what it gives.
const firstGrantOptions = 160000

const defaultConnectionLimit = 20

// role is a role as the templates see it: everything in it is quoted.
type role struct {
	Ident    string
	Exists   bool
	Verifier string
	Limit    int
	Settings []setting
	// Locked keeps the role out while a restore is under way, whatever its password.
	Locked bool
}

type setting struct{ Name, Value string }

type rule struct {
	Category, StartEvent, Action string
	Seconds, ArchiveSeconds      int64
}

// layout is a tenant as the templates see it: everything in it is quoted.
type layout struct {
	ID, Namespace, Name, UID string
	Schema, Operator, Group  string
	Owner, Retention, Backup role
	// Archive has no name where nothing is handed over and nothing ever was.
	Archive          role
	Logins           []role
	Apps             string
	Rules            []rule
	ToleranceSeconds int64
	SuspendedUntil   string
	// Fresh tells that the schema is new, so that no rule of before is there to be ended.
	Fresh bool
	// Membership says, where the server knows the words, that the operator may act as the owner.
	Membership string
}

// found is what the catalogue says of a tenant before anything is changed.
type found struct {
	serverVersion int
	schema        bool
	version       int
	retained      bool
	roles         map[string]bool
	// restoring is the restore under way, empty when there is none.
	restoring string
}

// Ensure creates or mends everything a tenant has in the database: registry row, roles, schema, migrations, grants,
// rules; and records SpecHash last. It may run any number of times, be killed at any point, and run at once, for the
// same tenant too. A tenant whose contract has ended gives ErrRetained.
func (a *Admin) Ensure(ctx context.Context, tenant Tenant) error {
	if err := tenant.check(); err != nil {
		return fmt.Errorf("tenant %s: %w", tenant.DataID, err)
	}
	err := a.lockedTenant(ctx, tenant.DataID, func(s *session, state *found) error {
		if state.retained {
			return ErrRetained
		}
		plan, err := a.layout(&tenant, state)
		if err != nil {
			return err
		}
		if state.schema && state.version < SchemaVersion {
			return a.mend(ctx, s, &tenant, plan)
		}
		return s.create(ctx, &tenant, plan, !state.schema)
	})
	if err != nil {
		return fmt.Errorf("tenant %s in database %s: %w", tenant.DataID, a.name, err)
	}
	return nil
}

// create makes a tenant from nothing, or mends one whose schema is current, in one round trip of two transactions.
func (s *session) create(ctx context.Context, tenant *Tenant, plan *layout, fresh bool) error {
	sql, err := createSQL(tenant, plan, fresh)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, sql)
	return err
}

// FreshSQL gives the statements Ensure sends for a tenant that is not there yet, so that a benchmark can hold Ensure
// against psql running the same ones. It changes nothing.
func (a *Admin) FreshSQL(ctx context.Context, tenant Tenant) (sql string, err error) {
	if err := tenant.check(); err != nil {
		return "", fmt.Errorf("tenant %s: %w", tenant.DataID, err)
	}
	err = a.lockedTenant(ctx, tenant.DataID, func(s *session, state *found) error {
		plan, err := a.layout(&tenant, state)
		if err != nil {
			return err
		}
		sql, err = createSQL(&tenant, plan, true)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("tenant %s in database %s: %w", tenant.DataID, a.name, err)
	}
	return sql, nil
}

func createSQL(tenant *Tenant, plan *layout, fresh bool) (string, error) {
	var sql strings.Builder
	if err := render(&sql, "roles.sql", plan); err != nil {
		return "", err
	}
	sql.WriteString("BEGIN;\n")
	if err := render(&sql, "rules.sql", plan); err != nil {
		return "", err
	}
	fmt.Fprintf(&sql, "SET LOCAL ROLE %s;\n", plan.Owner.Ident)
	if fresh {
		schema, err := freshSchema(SchemaVersion)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&sql, "SET LOCAL search_path = %s, pg_temp;\n%s\nSET LOCAL search_path = %s;\n", plan.Schema, schema, operatorPath)
	}
	if err := finish(&sql, tenant, plan); err != nil {
		return "", err
	}
	return sql.String(), nil
}

// mend upgrades an older schema: goose commits each migration, so the grants follow in a transaction of their own.
func (a *Admin) mend(ctx context.Context, s *session, tenant *Tenant, plan *layout) error {
	var before, after strings.Builder
	if err := render(&before, "roles.sql", plan); err != nil {
		return err
	}
	before.WriteString("BEGIN;\n")
	if err := render(&before, "rules.sql", plan); err != nil {
		return err
	}
	before.WriteString("COMMIT;")
	if _, err := s.exec(ctx, before.String()); err != nil {
		return err
	}
	if err := a.upgrade(ctx, tenant.DataID); err != nil {
		return fmt.Errorf("upgrading the schema: %w", err)
	}
	fmt.Fprintf(&after, "BEGIN;\nSET LOCAL ROLE %s;\n", plan.Owner.Ident)
	if err := finish(&after, tenant, plan); err != nil {
		return err
	}
	_, err := s.exec(ctx, after.String())
	return err
}

// finish grants, takes the operator's rights back, and records what was done; it ends the transaction.
func finish(sql *strings.Builder, tenant *Tenant, plan *layout) error {
	if err := render(sql, "grants.sql", plan); err != nil {
		return err
	}
	fmt.Fprintf(sql, "RESET ROLE;\nREVOKE %s FROM %s;\n", plan.Owner.Ident, plan.Operator)
	within := "NULL::interval"
	if tenant.EraseWithin > 0 {
		within = fmt.Sprintf("make_interval(secs => %d)", int64(tenant.EraseWithin.Seconds()))
	}
	fmt.Fprintf(sql, "UPDATE termintreu.tenant SET schema_version = %d, spec_hash = %s, erase_within = %s WHERE data_id = %s\n\tAND (schema_version, spec_hash, erase_within) IS DISTINCT FROM (%[1]d, %[2]s, %[3]s);\nCOMMIT;",
		SchemaVersion, literal(tenant.SpecHash), within, plan.ID)
	return nil
}

func render(sql *strings.Builder, name string, plan *layout) error {
	return statements.ExecuteTemplate(sql, name, plan)
}

func (s *session) find(ctx context.Context, dataID string) (*found, error) {
	rows, err := s.exec(ctx, fmt.Sprintf(`SELECT current_setting('server_version_num'),
		EXISTS (SELECT FROM pg_namespace WHERE nspname = %[1]s),
		coalesce((SELECT schema_version FROM termintreu.tenant WHERE data_id = %[1]s), 0),
		EXISTS (SELECT FROM termintreu.tenant WHERE data_id = %[1]s AND retained_since IS NOT NULL),
		coalesce((SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolname IN (%[2]s)), ''),
		coalesce((SELECT restoring FROM termintreu.tenant WHERE data_id = %[1]s), '')`,
		literal(dataID), literals(append(RolesOf(dataID).all(), QuarantineOf(dataID).Role))))
	if err != nil {
		return nil, err
	}
	row := rows[0]
	state := &found{schema: row[1] == "t", retained: row[3] == "t", roles: map[string]bool{}, restoring: row[5]}
	if state.serverVersion, err = strconv.Atoi(row[0]); err != nil {
		return nil, err
	}
	if state.version, err = strconv.Atoi(row[2]); err != nil {
		return nil, err
	}
	for name := range strings.FieldsSeq(row[4]) {
		state.roles[name] = true
	}
	return state, nil
}

// login is a role that can have sessions, in plain words.
type login struct {
	name, password string
	limit          int
	settings       []setting
}

// loginsOf are the roles with sessions, in the order the templates know them; the archive's comes last, if at all.
func loginsOf(tenant *Tenant, state *found) []login {
	names, limit := RolesOf(tenant.DataID), tenant.ConnectionLimit
	if limit == 0 {
		limit = defaultConnectionLimit
	}
	app := []setting{{"statement_timeout", "10s"}, {"lock_timeout", "5s"}, {"idle_in_transaction_session_timeout", "30s"}}
	purge := []setting{{"statement_timeout", "60s"}, {"lock_timeout", "5s"}, {"idle_in_transaction_session_timeout", "30s"}}
	// pg_dump sets its own timeouts and takes as long as it takes.
	dump := []setting{{"lock_timeout", "30s"}}
	logins := []login{
		{names.AppA, tenant.AppA, limit, app}, {names.AppB, tenant.AppB, limit, app},
		{names.Retention, tenant.Retention, 4, purge}, {names.Backup, tenant.Backup, 6, dump},
	}
	if tenant.Archive != "" || state.roles[names.Archive] {
		// Between its statements lie the answers of object stores, but never inside a transaction.
		logins = append(logins, login{names.Archive, tenant.Archive, 2, purge})
	}
	return logins
}

// layout quotes everything and turns passwords into verifiers.
func (a *Admin) layout(tenant *Tenant, state *found) (*layout, error) {
	names := RolesOf(tenant.DataID)
	plan := &layout{
		ID: literal(tenant.DataID), Namespace: literal(tenant.Namespace), Name: literal(tenant.Name), UID: literal(tenant.UID),
		Schema: ident(tenant.DataID), Operator: ident(a.operator), Group: ident(group(a.database)),
		Owner:            role{Ident: ident(names.Owner), Exists: state.roles[names.Owner]},
		Apps:             ident(names.AppA) + ", " + ident(names.AppB),
		ToleranceSeconds: int64(tenant.Tolerance.Seconds()),
		SuspendedUntil:   "NULL", Fresh: !state.schema,
		Membership: state.membership(),
	}
	if tenant.SuspendedUntil != nil {
		plan.SuspendedUntil = literal(tenant.SuspendedUntil.UTC().Format(time.RFC3339))
	}
	for _, login := range loginsOf(tenant, state) {
		r := role{Ident: ident(login.name), Exists: state.roles[login.name], Limit: login.limit, Settings: login.settings}
		r.Locked = state.restoring != "" && (login.name == names.AppA || login.name == names.AppB)
		if login.password != "" {
			verifier, err := scramVerifier(login.password)
			if err != nil {
				return nil, fmt.Errorf("role %s: %w", login.name, err)
			}
			r.Verifier = literal(verifier)
		}
		plan.Logins = append(plan.Logins, r)
	}
	plan.Retention, plan.Backup = plan.Logins[2], plan.Logins[3]
	if len(plan.Logins) > 4 {
		plan.Archive = plan.Logins[4]
	}
	for _, r := range tenant.Rules {
		plan.Rules = append(plan.Rules, rule{
			Category: literal(string(r.Category)), StartEvent: literal(string(r.StartEvent)),
			Action: literal(string(r.Action)), Seconds: int64(r.Period.Seconds()), ArchiveSeconds: int64(r.ArchivePeriod.Seconds()),
		})
	}
	return plan, nil
}

// membership: since PostgreSQL 16 whoever creates a role may grant it but is not a member that can act as it.
func (f *found) membership() string {
	if f.serverVersion >= firstGrantOptions {
		return " WITH INHERIT TRUE, SET TRUE"
	}
	return ""
}
