// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"hash/fnv"
)

//go:embed sql/prepare.sql
var prepareSQL string

// group is the role through which the tenants of one database may connect to it, and to no other: granting CONNECT to
// each tenant would make parallel sessions die with "tuple concurrently updated".
func group(database string) string {
	sum := sha256.Sum256([]byte(database))
	return "termintreu_tenants_" + hex.EncodeToString(sum[:6])
}

// Prepare makes a database fit for tenants: the operator's own schema, the extension behind the exclusion constraint,
// the group role; and it takes from PUBLIC what a new database gives it. It may run any number of times, at once too.
func (a *Admin) Prepare(ctx context.Context) error {
	err := a.locked(ctx, "database "+a.database, func(s *session) error {
		rows, err := s.exec(ctx, `SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gist'),
			EXISTS (SELECT FROM pg_roles WHERE rolname = `+literal(group(a.database))+`),
			has_database_privilege('public', current_database(), 'CONNECT, TEMPORARY, CREATE'),
			coalesce(has_schema_privilege('public', to_regnamespace('public')::oid, 'USAGE, CREATE'), false)`)
		if err != nil {
			return err
		}
		state := rows[0]
		sql := "BEGIN;\n"
		if state[0] != "t" {
			sql += "CREATE SCHEMA IF NOT EXISTS extensions;\nCREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA extensions;\n"
		}
		if state[1] != "t" {
			sql += "CREATE ROLE " + ident(group(a.database)) + " NOLOGIN;\n"
		}
		if state[2] == "t" {
			sql += "REVOKE ALL ON DATABASE " + ident(a.database) + " FROM PUBLIC;\n"
		}
		if state[3] == "t" {
			sql += "REVOKE ALL ON SCHEMA public FROM PUBLIC;\n"
		}
		_, err = s.exec(ctx, sql+"GRANT CONNECT ON DATABASE "+ident(a.database)+" TO "+ident(group(a.database))+";\n"+prepareSQL+
			"GRANT USAGE ON SCHEMA termintreu_scratch TO "+ident(group(a.database))+";\n"+
			"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA termintreu_scratch TO "+ident(group(a.database))+";\nCOMMIT;")
		return err
	})
	if err != nil {
		return fmt.Errorf("preparing database %s: %w", a.name, err)
	}
	return nil
}

// lockID is the advisory lock of a schema or a database.
func lockID(name string) int64 {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte("termintreu " + name))
	return int64(hash.Sum64())
}
