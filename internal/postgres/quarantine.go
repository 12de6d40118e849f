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

// ErrRestoring tells that another restore of the same tenant is under way.
var ErrRestoring = errors.New("another restore of this tenant is under way")

// Quarantine is where a restore happens, apart from what serves: a schema no role of the application may use, and a
// login that owns it and nothing else, for as long as the restore lasts (invariant 5).
type Quarantine struct{ Schema, Role string }

// QuarantineOf names the quarantine of a tenant.
func QuarantineOf(dataID string) Quarantine {
	return Quarantine{Schema: "q" + dataID, Role: dataID + "_restore"}
}

// ScratchOf names the schema in which a backup of a tenant is tried. It exists only while it is.
func ScratchOf(dataID string) string { return "s" + dataID }

// Tables of the quarantine that are not the tenant's. A swap leaves them behind.
const (
	// TableRestoreState is the letter box between job and operator: the job holds no token of the API server.
	TableRestoreState = "restore_state"
	// TableLiveJournal and TableLivePending are the erasures the schema in use knows, which a backup cannot.
	TableLiveJournal = "live_journal"
	TableLivePending = "live_pending"
	// TableRules are the periods in force; the operator owns them in the quarantine too.
	TableRules = "retention_rule"
	// TableRestoredRules are the periods that were in force when the backup was taken.
	TableRestoredRules = "restored_rule"
)

// notTheTenants are the tables a swap leaves behind.
var notTheTenants = []string{TableRestoreState, TableLiveJournal, TableLivePending, TableRules, TableRestoredRules}

// BeginRestore locks the application out, and makes the quarantine with a login of the given password that expires. It
// may run any number of times for the same restore, which its UID names.
func (a *Admin) BeginRestore(ctx context.Context, dataID, restore, password string, expires time.Time) error {
	return a.begin(ctx, dataID, restore, password, expires, "")
}

// begin runs check, with the rights of the schema's owner, before it makes the quarantine.
func (a *Admin) begin(ctx context.Context, dataID, restore, password string, expires time.Time, check string) error {
	if err := checkDataID(dataID); err != nil {
		return err
	}
	verifier, err := scramVerifier(password)
	if err != nil {
		return err
	}
	err = a.lockedTenant(ctx, dataID, func(s *session, state *found) error {
		if err := state.restorable(restore); err != nil {
			return err
		}
		apps := []string{RolesOf(dataID).AppA, RolesOf(dataID).AppB}
		if _, err := s.exec(ctx, a.lockOutSQL(dataID, restore, apps)); err != nil {
			return err
		}
		if err := a.disconnect(ctx, s, state, apps); err != nil {
			return err
		}
		_, err := s.exec(ctx, a.quarantineSQL(dataID, verifier, expires, state, check))
		return err
	})
	if err != nil {
		return fmt.Errorf("beginning a restore of tenant %s in database %s: %w", dataID, a.name, err)
	}
	return nil
}

// restorable refuses what a restore cannot be put into.
func (f *found) restorable(restore string) error {
	switch {
	case f.retained:
		return ErrRetained
	case !f.schema || f.version != SchemaVersion:
		return fmt.Errorf("the schema is not at version %d yet", SchemaVersion)
	case f.restoring != "" && f.restoring != restore:
		return ErrRestoring
	}
	return nil
}

// lockOutSQL is committed before anything else: what is booked from here on would be lost by the swap.
func (a *Admin) lockOutSQL(dataID, restore string, apps []string) string {
	return fmt.Sprintf("BEGIN;\nUPDATE termintreu.tenant SET restoring = %s WHERE data_id = %s;\nALTER ROLE %s NOLOGIN;\nALTER ROLE %s NOLOGIN;\nCOMMIT;",
		literal(restore), literal(dataID), ident(apps[0]), ident(apps[1]))
}

func (a *Admin) quarantineSQL(dataID, verifier string, expires time.Time, state *found, check string) string {
	q, owner := QuarantineOf(dataID), ident(RolesOf(dataID).Owner)
	var sql strings.Builder
	sql.WriteString("BEGIN;\n")
	verb := "CREATE"
	if state.roles[q.Role] {
		verb = "ALTER"
	}
	fmt.Fprintf(&sql, "%s ROLE %s LOGIN CONNECTION LIMIT 3 PASSWORD %s VALID UNTIL %s;\n", verb, ident(q.Role), literal(verifier),
		literal(expires.UTC().Format(time.RFC3339)))
	fmt.Fprintf(&sql, "GRANT %s TO %s;\nGRANT %[2]s, %[3]s TO %[4]s%[5]s;\n", ident(group(a.database)), ident(q.Role), owner, ident(a.operator), state.membership())
	sql.WriteString(check)
	fmt.Fprintf(&sql, "CREATE SCHEMA IF NOT EXISTS %s AUTHORIZATION %s;\nSET LOCAL ROLE %[2]s;\nGRANT USAGE, CREATE ON SCHEMA %[1]s TO %[3]s;\nRESET ROLE;\n",
		ident(q.Schema), ident(q.Role), ident(a.operator))
	fmt.Fprintf(&sql, `CREATE TABLE IF NOT EXISTS %[1]s.restore_state (step text NOT NULL, progress bigint NOT NULL DEFAULT 0, challenge text, answer text, refused text, failure text, result jsonb);
		DELETE FROM %[1]s.restore_state; INSERT INTO %[1]s.restore_state (step) VALUES ('');
		GRANT SELECT, UPDATE ON %[1]s.restore_state TO %[2]s;
		CREATE TABLE IF NOT EXISTS %[1]s.retention_rule (LIKE %[3]s.retention_rule INCLUDING ALL);
		DELETE FROM %[1]s.retention_rule; INSERT INTO %[1]s.retention_rule SELECT * FROM %[3]s.retention_rule;
		GRANT SELECT, INSERT ON %[1]s.retention_rule TO %[2]s;
		CREATE TABLE IF NOT EXISTS %[1]s.live_journal (LIKE %[3]s.erasure_journal);
		DELETE FROM %[1]s.live_journal; INSERT INTO %[1]s.live_journal SELECT * FROM %[3]s.erasure_journal;
		CREATE TABLE IF NOT EXISTS %[1]s.live_pending (LIKE %[3]s.erasure_pending);
		DELETE FROM %[1]s.live_pending; INSERT INTO %[1]s.live_pending SELECT * FROM %[3]s.erasure_pending;
		GRANT SELECT ON %[1]s.live_journal, %[1]s.live_pending TO %[2]s;
		`, ident(q.Schema), ident(q.Role), ident(dataID))
	fmt.Fprintf(&sql, "REVOKE %s, %s FROM %s;\nCOMMIT;", owner, ident(q.Role), ident(a.operator))
	return sql.String()
}

// RestoreState is what job and operator tell each other in the quarantine.
type RestoreState struct {
	// Step the job is at, and how many rows it has loaded.
	Step     string
	Progress int64
	// Challenge the holder of the key must answer; empty when none is open.
	Challenge string
	// Failure is the sentence the job failed with.
	Failure string
	// Result is JSON, empty until the job has proven what it restored.
	Result string
}

// RestoreState reads the letter box; nil when there is no quarantine.
func (a *Admin) RestoreState(ctx context.Context, dataID string) (*RestoreState, error) {
	if err := checkDataID(dataID); err != nil {
		return nil, err
	}
	q := QuarantineOf(dataID)
	var there bool
	if err := a.pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", ident(q.Schema)+"."+TableRestoreState).Scan(&there); err != nil {
		return nil, fmt.Errorf("looking for the restore of tenant %s in database %s: %w", dataID, a.name, err)
	}
	if !there {
		return nil, nil
	}
	var state RestoreState
	err := a.pool.QueryRow(ctx, fmt.Sprintf(`SELECT step, progress, coalesce(challenge, ''), coalesce(failure, ''), coalesce(result::text, '')
		FROM %s.restore_state`, ident(q.Schema))).Scan(&state.Step, &state.Progress, &state.Challenge, &state.Failure, &state.Result)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the restore of tenant %s in database %s: %w", dataID, a.name, err)
	}
	return &state, nil
}

// AnswerRestore hands the job what the holder of the key answered, unless the job has refused it already.
func (a *Admin) AnswerRestore(ctx context.Context, dataID, answer string) error {
	if err := checkDataID(dataID); err != nil {
		return err
	}
	_, err := a.pool.Exec(ctx, fmt.Sprintf("UPDATE %s.restore_state SET answer = $1 WHERE challenge IS NOT NULL AND answer IS DISTINCT FROM $1 AND refused IS DISTINCT FROM $1", ident(QuarantineOf(dataID).Schema)), answer)
	if err != nil {
		return fmt.Errorf("answering the restore of tenant %s in database %s: %w", dataID, a.name, err)
	}
	return nil
}

// BuildSchema makes the tables and functions of a release in the schema a connection's search path names.
func BuildSchema(ctx context.Context, conn *pgx.Conn, version int64) error {
	sql, err := freshSchema(version)
	if err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, "BEGIN;\n"+sql+"\nCOMMIT;").ReadAll()
	return err
}
