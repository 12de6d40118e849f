// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"regexp"
	"testing"

	"github.com/termintreu/termintreu/internal/postgres"
)

func TestTheAppWorksOnItsDataAndCannotTouchThePeriods(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	for role, password := range map[string]string{roles.AppA: tenant.AppA, roles.AppB: tenant.AppB} {
		app := as(t, server, database, tenant.DataID, role, password)
		book(t, app, role, 0)
		exec(t, app, `UPDATE contact SET phone = '1'`)
		exec(t, app, `INSERT INTO mail_outbox (appointment_id, kind) SELECT id, 'confirmed' FROM appointment LIMIT 1`)
		exec(t, app, `INSERT INTO access_log (address, method, route, status) VALUES ('192.0.2.1', 'GET', '/', 200)`)
		exec(t, app, `DELETE FROM appointment`)
		for _, statement := range []string{
			`SELECT * FROM retention_rule`, `UPDATE retention_rule SET period = '99 years'`, `DELETE FROM retention_rule`,
			`SELECT * FROM purge_run`, `INSERT INTO purge_run VALUES ('Hold', gen_random_uuid(), now(), now(), 1)`,
			`SELECT purge('Hold', 1, gen_random_uuid())`, `SELECT * FROM retention_audit()`,
			`SELECT * FROM access_log`, `SELECT * FROM goose_db_version`, `SELECT * FROM appointment_count`,
			`TRUNCATE contact`, `DROP TABLE contact`, `ALTER TABLE contact ADD COLUMN x int`, `CREATE TABLE more ()`,
			`CREATE TEMPORARY TABLE contact ()`, `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'`, `CREATE SCHEMA more`,
			`SELECT * FROM termintreu.tenant`, `CREATE TABLE public.more ()`, `CREATE TABLE extensions.more ()`,
			`SET ROLE ` + roles.Owner, `SET ROLE ` + server.AdminUser,
		} {
			refused(t, app, statement)
		}
	}
}

func TestTheRetentionRoleSeesNoNameAndDeletesOnlyWhatIsDue(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	app := as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
	book(t, app, "due", 31*day)
	book(t, app, "not due", 29*day)
	retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
	for _, table := range []string{"appointment", "contact", "mail_outbox", "access_log", "retention_rule", "purge_run", "appointment_count"} {
		refused(t, retention, `SELECT * FROM `+table)
		refused(t, retention, `DELETE FROM `+table)
		refused(t, retention, `INSERT INTO `+table+` DEFAULT VALUES`)
	}
	refused(t, retention, `UPDATE retention_rule SET period = '1 second'`)
	refused(t, retention, `SELECT count(*) FROM contact`)
	refused(t, retention, `CREATE TEMPORARY TABLE retention_rule AS SELECT 'Contact' AS category, interval '1 second' AS period, 'Delete' AS action`)
	for _, category := range []string{"Hold", "UnconfirmedBooking", "MailOutbox", "AccessLog", "Contact", "Appointment"} {
		exec(t, retention, `SELECT purge($1, 100, gen_random_uuid())`, category)
	}
	if left := value[string](t, app, `SELECT string_agg(convert_from(token_hash, 'UTF8'), ',') FROM appointment JOIN contact ON id = appointment_id`); left != "not due" {
		t.Errorf("left is %q, want what is not due and nothing else", left)
	}
}

func TestTheBackupRoleReadsItsSchemaAndWritesNothing(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	book(t, as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA), "x", 0)
	backup := as(t, server, database, tenant.DataID, roles.Backup, tenant.Backup)
	for _, table := range []string{"appointment", "contact", "mail_outbox", "access_log", "retention_rule", "purge_run", "appointment_count", "goose_db_version"} {
		exec(t, backup, `SELECT * FROM `+table)
		exec(t, backup, `BEGIN; LOCK TABLE `+table+` IN ACCESS SHARE MODE; COMMIT`)
		refused(t, backup, `DELETE FROM `+table)
		refused(t, backup, `INSERT INTO `+table+` DEFAULT VALUES`)
	}
	for _, sequence := range []string{"mail_outbox_id_seq", "access_log_id_seq", "goose_db_version_id_seq"} {
		exec(t, backup, `SELECT last_value FROM `+sequence)
	}
	refused(t, backup, `SELECT purge('Hold', 1, gen_random_uuid())`)
	dumpAs(t, server, database, tenant.DataID, roles.Backup, tenant.Backup)
}

func TestTenantsCannotSeeEachOther(t *testing.T) {
	server, database, admin := prepared(t)
	mine, other := newTenant(), newTenant()
	must(t, admin.Ensure(t.Context(), mine))
	must(t, admin.Ensure(t.Context(), other))
	roles := postgres.RolesOf(mine.DataID)
	for role, password := range map[string]string{roles.AppA: mine.AppA, roles.Retention: mine.Retention, roles.Backup: mine.Backup} {
		conn := as(t, server, database, mine.DataID, role, password)
		refused(t, conn, `SELECT * FROM `+other.DataID+`.contact`)
		refused(t, conn, `SELECT * FROM `+other.DataID+`.retention_audit()`)
		refused(t, conn, `SELECT * FROM termintreu.tenant`)
	}
}

func TestTenantsOfOneDatabaseCannotConnectToAnother(t *testing.T) {
	server, database, admin := prepared(t)
	_, elsewhere, _ := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
	if _, err := tryAs(t, server, elsewhere, tenant.DataID, roles.AppA, tenant.AppA); err == nil {
		t.Error("connected to another database of tenants")
	}
}

func TestSharedCataloguesShowOpaqueNamesOnly(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	tenant.Namespace, tenant.Name = "counselling", "addiction"
	must(t, admin.Ensure(t.Context(), tenant))
	app := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).AppA, tenant.AppA)
	seen := value[string](t, app, `SELECT string_agg(x, ' ') FROM (
		SELECT rolname::text AS x FROM pg_roles UNION ALL SELECT nspname FROM pg_namespace UNION ALL SELECT relname FROM pg_class
		UNION ALL SELECT prosrc FROM pg_proc UNION ALL SELECT setconfig::text FROM pg_db_role_setting UNION ALL SELECT description FROM pg_description
		UNION ALL SELECT datname FROM pg_database UNION ALL SELECT description FROM pg_shdescription
		UNION ALL SELECT concat(application_name, query) FROM pg_stat_activity WHERE pid <> pg_backend_pid()) AS all_names`)
	if regexp.MustCompile(`counselling|addiction`).MatchString(seen) {
		t.Error("a tenant's name is in a catalogue everyone can read")
	}
}

func TestTheOperatorCannotReadRowsBetweenItsOwnChanges(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	if value[bool](t, super, `SELECT has_table_privilege($1, $2::text || '.contact', 'SELECT') OR pg_has_role($1, $2::text || '_owner', 'USAGE')`,
		server.AdminUser, tenant.DataID) {
		t.Error("the operator can read contacts")
	}
}

func TestAHostileSearchPathOfTheAppChangesNothing(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	super := server.Superuser(t, database)
	// Worse than the app could do: a schema of traps everyone may use, first in every path it can set.
	exec1(t, super, `CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;
		CREATE TABLE evil.contact (appointment_id uuid); CREATE TABLE evil.retention_rule (category text, period interval, action text);
		INSERT INTO evil.retention_rule VALUES ('Contact', '0', 'Delete'); GRANT ALL ON ALL TABLES IN SCHEMA evil TO PUBLIC;
		CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.now() + interval ''10 years'''`)
	app := as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
	exec(t, app, `ALTER ROLE `+roles.AppA+` SET search_path = evil, pg_catalog`)
	exec1(t, super, `ALTER ROLE `+roles.Retention+` SET search_path = evil, pg_catalog`)
	again := as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
	if path := value[string](t, again, `SHOW search_path`); path != `"`+tenant.DataID+`", pg_temp` {
		t.Errorf("search_path of a new session is %s", path)
	}
	book(t, again, "kept", day)
	retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
	exec(t, retention, `SET search_path = evil, pg_catalog`)
	if gone := value[int64](t, retention, `SELECT `+tenant.DataID+`.purge('Contact', 100, gen_random_uuid())`); gone != 0 {
		t.Errorf("the purge removed %d contacts before their time", gone)
	}
	must(t, admin.Ensure(t.Context(), tenant))
	audit, err := admin.Audit(t.Context())
	must(t, err)
	if audit.Tenants[0].Err != nil {
		t.Error(audit.Tenants[0].Err)
	}
}

func TestASlotWithoutAPasswordCannotLogInAndAChangedPasswordHolds(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	tenant.AppB = ""
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	if _, err := tryAs(t, server, database, tenant.DataID, roles.AppB, ""); err == nil {
		t.Error("an empty slot let somebody in")
	}
	old := tenant.AppA
	tenant.AppA, tenant.AppB = "another", "second"
	must(t, admin.Ensure(t.Context(), tenant))
	as(t, server, database, tenant.DataID, roles.AppA, "another")
	as(t, server, database, tenant.DataID, roles.AppB, "second")
	if _, err := tryAs(t, server, database, tenant.DataID, roles.AppA, old); err == nil {
		t.Error("the old password still lets somebody in")
	}
}

func TestConnectionsOfARoleAreLimited(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	tenant.ConnectionLimit = 1
	must(t, admin.Ensure(t.Context(), tenant))
	role := postgres.RolesOf(tenant.DataID).AppA
	as(t, server, database, tenant.DataID, role, tenant.AppA)
	if _, err := tryAs(t, server, database, tenant.DataID, role, tenant.AppA); err == nil {
		t.Error("a second connection was let in")
	}
}
