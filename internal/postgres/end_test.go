// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/postgres"
)

func TestARetainedTenantServesNobodyAndIsStillPurgedAndBackedUp(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	app := as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
	book(t, app, "old", 31*day)
	until := time.Now().Add(30 * day).Truncate(time.Microsecond)
	for range 2 {
		must(t, admin.Retain(t.Context(), tenant.DataID, until))
	}
	if _, err := app.Exec(t.Context(), `SELECT 1`); err == nil {
		t.Error("a session of the app lives on")
	}
	if _, err := tryAs(t, server, database, tenant.DataID, roles.AppB, tenant.AppB); err == nil {
		t.Error("the app can still log in")
	}
	super := server.Superuser(t, database)
	if value[bool](t, super, `SELECT has_schema_privilege($1, $2, 'USAGE') OR has_table_privilege($1, $2::text || '.contact', 'SELECT')`, roles.AppA, tenant.DataID) {
		t.Error("the app keeps rights")
	}
	retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
	if gone := value[int64](t, retention, `SELECT purge('Contact', 10, gen_random_uuid())`); gone != 1 {
		t.Errorf("the purge removed %d", gone)
	}
	dumpAs(t, server, database, tenant.DataID, roles.Backup, tenant.Backup)
	if err := admin.Ensure(t.Context(), tenant); !errors.Is(err, postgres.ErrRetained) {
		t.Errorf("Ensure of a retained tenant gave %v", err)
	}
	found, err := admin.Lookup(t.Context(), tenant.DataID)
	must(t, err)
	if found.RetainedSince == nil || found.RetainedUntil == nil || !found.RetainedUntil.Equal(until) {
		t.Errorf("recorded %+v", found)
	}
}

// The backup's jobs end with the contract, and with them whoever would take away what a killed restore test left: a copy
// of all data.
func TestWhatAKilledRestoreTestLeftGoesWhenTheBackupsEnd(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles, scratch := postgres.RolesOf(tenant.DataID), postgres.ScratchOf(tenant.DataID)
	job := as(t, server, database, tenant.DataID, roles.Backup, tenant.Backup)
	must(t, admin.DropScratch(t.Context(), tenant.DataID)) // where there is none
	if _, err := job.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a session of the backup lives on")
	}
	job = as(t, server, database, tenant.DataID, roles.Backup, tenant.Backup)
	exec1(t, job, "SELECT termintreu_scratch.make()")
	exec1(t, job, "CREATE TABLE "+scratch+".contact AS SELECT * FROM "+tenant.DataID+".contact")
	must(t, admin.Retain(t.Context(), tenant.DataID, time.Now().Add(30*day)))
	for range 2 { // an operator that is killed asks again
		must(t, admin.DropScratch(t.Context(), tenant.DataID))
	}
	if value[bool](t, server.Superuser(t, database), "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", scratch) {
		t.Error("the copy is still there")
	}
	dumpAs(t, server, database, tenant.DataID, roles.Backup, tenant.Backup)
	must(t, admin.Drop(t.Context(), tenant.DataID))
	must(t, admin.DropScratch(t.Context(), tenant.DataID))
}

func TestADroppedTenantLeavesNothing(t *testing.T) {
	server, database, admin := prepared(t)
	for name, before := range map[string]func(*testing.T, postgres.Tenant){
		"while it serves":      func(*testing.T, postgres.Tenant) {},
		"after its contract":   func(t *testing.T, x postgres.Tenant) { must(t, admin.Retain(t.Context(), x.DataID, time.Now())) },
		"dropped once already": func(t *testing.T, x postgres.Tenant) { must(t, admin.Drop(t.Context(), x.DataID)) },
		"without its schema": func(t *testing.T, x postgres.Tenant) {
			exec1(t, server.Superuser(t, database), "DROP SCHEMA "+x.DataID+" CASCADE")
		},
		"without a role": func(t *testing.T, x postgres.Tenant) {
			exec1(t, server.Superuser(t, database), "DROP OWNED BY "+x.DataID+"_app_a; DROP ROLE "+x.DataID+"_app_a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			tenant := newTenant()
			must(t, admin.Ensure(t.Context(), tenant))
			roles := postgres.RolesOf(tenant.DataID)
			as(t, server, database, tenant.DataID, roles.Backup, tenant.Backup)
			before(t, tenant)
			must(t, admin.Drop(t.Context(), tenant.DataID))
			left := value[int64](t, server.Superuser(t, database), `SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE $1 || '%')
				+ (SELECT count(*) FROM pg_namespace WHERE nspname = $1) + (SELECT count(*) FROM termintreu.tenant WHERE data_id = $1)`, tenant.DataID)
			if left != 0 {
				t.Errorf("%d things are left", left)
			}
		})
	}
}
