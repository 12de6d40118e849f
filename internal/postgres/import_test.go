// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"crypto/rand"
	"testing"

	"github.com/termintreu/termintreu/internal/postgres"
)

// Invariant 6: who may fill every table may change no period, and is gone before the site serves.
func TestTheImportRoleFillsTablesAndNothingElseAndIsGoneAfterwards(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	role, password := postgres.RolesOf(tenant.DataID).Import, rand.Text()
	must(t, admin.OpenImport(t.Context(), tenant.DataID, rand.Text()))
	must(t, admin.OpenImport(t.Context(), tenant.DataID, password)) // a job that is tried again has another
	conn := as(t, server, database, tenant.DataID, role, password)
	exec(t, conn, "INSERT INTO appointment_count VALUES ('2026-01-01', 'hall', 'passport', 'OnSite', 'confirmed', 1)")
	for _, sql := range []string{
		"UPDATE retention_rule SET period = '9 years'", "INSERT INTO retention_rule SELECT * FROM retention_rule", "DELETE FROM contact",
		"TRUNCATE contact", "DROP TABLE contact", "CREATE TABLE x ()", "SELECT purge('Contact', 1, gen_random_uuid())",
	} {
		refused(t, conn, sql)
	}

	must(t, admin.CloseImport(t.Context(), tenant.DataID))
	must(t, admin.CloseImport(t.Context(), tenant.DataID))
	if _, err := tryAs(t, server, database, tenant.DataID, role, password); err == nil {
		t.Error("the role can still log in")
	}
	super := server.Superuser(t, database)
	if value[bool](t, super, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role) {
		t.Error("the role is still there")
	}
	if value[bool](t, super, "SELECT pg_has_role($1, $2, 'USAGE')", server.AdminUser, postgres.RolesOf(tenant.DataID).Owner) {
		t.Error("the operator is left a member of the owner")
	}
	must(t, admin.OpenImport(t.Context(), tenant.DataID, password))
	must(t, admin.Drop(t.Context(), tenant.DataID)) // an import that never ended keeps nothing from being dropped
}
