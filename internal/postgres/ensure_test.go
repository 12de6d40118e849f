// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

func TestPrepareMayRunManyTimesAtOnce(t *testing.T) {
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	var runs errgroup.Group
	for range 4 {
		admin := open(t, operatorOf(server), database)
		runs.Go(func() error { return admin.Prepare(t.Context()) })
	}
	must(t, runs.Wait())
	super := server.Superuser(t, database)
	if !value[bool](t, super, `SELECT NOT has_database_privilege('public', current_database(), 'CONNECT, TEMP')
		AND NOT has_schema_privilege('public', 'public', 'USAGE') AND NOT has_schema_privilege('public', 'termintreu', 'USAGE')`) {
		t.Error("PUBLIC still has rights in a prepared database")
	}
}

func TestPrepareTakesAnExtensionThatIsThere(t *testing.T) {
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	exec1(t, server.Superuser(t, database), "CREATE SCHEMA extensions; CREATE EXTENSION btree_gist SCHEMA extensions")
	admin := open(t, operatorOf(server), database)
	must(t, admin.Prepare(t.Context()))
	must(t, admin.Ensure(t.Context(), newTenant()))
}

func exec1(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
	must(t, err)
}

func TestEnsureIsRecordedAndRepeatable(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	if found, err := admin.Lookup(t.Context(), tenant.DataID); found != nil || err != nil {
		t.Fatalf("before: %v, %v", found, err)
	}
	must(t, admin.Ensure(t.Context(), tenant))
	first := dump(t, server, database, tenant.DataID)
	tenant.SpecHash = "hash-2"
	must(t, admin.Ensure(t.Context(), tenant))
	if second := dump(t, server, database, tenant.DataID); second != first {
		t.Errorf("the second run changed the schema:\n%s\nwas\n%s", second, first)
	}
	found, err := admin.Lookup(t.Context(), tenant.DataID)
	must(t, err)
	if found.SpecHash != "hash-2" || found.SchemaVersion != postgres.SchemaVersion || found.Namespace != "basel" {
		t.Errorf("recorded %+v", found)
	}
}

func TestEnsureMayRunAtOnceForTheSameAndForOtherTenants(t *testing.T) {
	_, _, admin := prepared(t)
	same := newTenant()
	var runs errgroup.Group
	for range 4 {
		runs.Go(func() error { return admin.Ensure(t.Context(), same) })
		runs.Go(func() error { return admin.Ensure(t.Context(), newTenant()) })
	}
	must(t, runs.Wait())
	audit, err := admin.Audit(t.Context())
	must(t, err)
	if len(audit.Tenants) != 5 {
		t.Errorf("%d tenants, want 5", len(audit.Tenants))
	}
}

// A schema made in one batch must be the one goose would have made, or the next upgrade starts from sand.
func TestASchemaMadeAtOnceEqualsOneMadeByGoose(t *testing.T) {
	server, database, admin := prepared(t)
	atOnce, byGoose := newTenant(), newTenant()
	must(t, admin.Ensure(t.Context(), atOnce))
	must(t, admin.Ensure(t.Context(), byGoose))
	// Empty the second one: a schema that exists but has no version is goose's to fill.
	super := server.Superuser(t, database)
	owner := pgx.Identifier{postgres.RolesOf(byGoose.DataID).Owner}.Sanitize()
	exec1(t, super, "DROP SCHEMA "+byGoose.DataID+" CASCADE; CREATE SCHEMA "+byGoose.DataID+" AUTHORIZATION "+owner+
		"; UPDATE termintreu.tenant SET schema_version = 0 WHERE data_id = '"+byGoose.DataID+"'")
	must(t, admin.Ensure(t.Context(), byGoose))
	want := dump(t, server, database, atOnce.DataID)
	got := strings.ReplaceAll(dump(t, server, database, byGoose.DataID), byGoose.DataID, atOnce.DataID)
	if got != want {
		t.Errorf("goose made\n%s\nand Ensure\n%s", got, want)
	}
	versions := `SELECT string_agg(version_id || ':' || is_applied, ' ' ORDER BY id) FROM `
	if a, b := value[string](t, super, versions+atOnce.DataID+".goose_db_version"), value[string](t, super, versions+byGoose.DataID+".goose_db_version"); a != b {
		t.Errorf("versions %s and %s", a, b)
	}
}

// cutConn closes the connection instead of sending the n-th message: the operator was killed there.
type cutConn struct {
	net.Conn
	left *atomic.Int32
}

func (c cutConn) Write(b []byte) (int, error) {
	if c.left.Add(-1) < 0 {
		_ = c.Close()
		return 0, errors.New("cut")
	}
	return c.Conn.Write(b)
}

func TestEnsureConvergesAfterADeathAtAnyMessage(t *testing.T) {
	server, database, admin := prepared(t)
	whole := newTenant()
	must(t, admin.Ensure(t.Context(), whole))
	want := dump(t, server, database, whole.DataID)
	// The first messages only make the connection; the test ends when Ensure needs no more.
	for messages := int32(8); ; messages++ {
		tenant, identity := newTenant(), operatorOf(server)
		var left atomic.Int32
		left.Store(messages)
		identity.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return cutConn{conn, &left}, err
		}
		dying := open(t, identity, database)
		died := dying.Ensure(t.Context(), tenant)
		must(t, admin.Ensure(t.Context(), tenant))
		if got := strings.ReplaceAll(dump(t, server, database, tenant.DataID), tenant.DataID, whole.DataID); got != want {
			t.Errorf("after a death at message %d:\n%s\nwant\n%s", messages, got, want)
		}
		if died == nil {
			break
		}
	}
}

func TestEnsureConvergesFromRolesWithoutASchema(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	super := server.Superuser(t, database)
	// An uncommitted schema of the same name holds Ensure between its two transactions.
	exec(t, super, "BEGIN")
	exec(t, super, "CREATE SCHEMA "+tenant.DataID)
	ctx, kill := context.WithCancel(t.Context())
	died := make(chan error, 1)
	go func() { died <- admin.Ensure(ctx, tenant) }()
	watcher := server.Superuser(t, database)
	for !value[bool](t, watcher, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, postgres.RolesOf(tenant.DataID).Owner) {
	}
	kill()
	if err := <-died; err == nil {
		t.Fatal("Ensure was not held")
	}
	exec(t, super, "ROLLBACK")
	audit, err := admin.Audit(t.Context())
	must(t, err)
	if len(audit.Tenants) != 1 || audit.Tenants[0].Err == nil || audit.Tenants[0].SpecHash != "" {
		t.Errorf("half a tenant is audited as %+v", audit.Tenants)
	}
	must(t, admin.Ensure(t.Context(), tenant))
	found, err := admin.Lookup(t.Context(), tenant.DataID)
	must(t, err)
	if found.SpecHash != tenant.SpecHash {
		t.Errorf("recorded %+v", found)
	}
}

func TestEnsureConvergesAfterItsSessionWasKilled(t *testing.T) {
	server, database, admin := prepared(t)
	super := server.Superuser(t, database)
	tenant := newTenant()
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = super.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
					WHERE usename = $1 AND datname = $2 AND state = 'active' AND query LIKE '%CREATE%'`, server.AdminUser, database)
			}
		}
	})
	for range 5 {
		_ = admin.Ensure(t.Context(), tenant)
	}
	close(stop)
	killer.Wait()
	// A connection of the pool may have died idle; the next one converges.
	if err := admin.Ensure(t.Context(), tenant); err != nil {
		must(t, admin.Ensure(t.Context(), tenant))
	}
	audit, err := admin.Audit(t.Context())
	must(t, err)
	if len(audit.Tenants) != 1 || audit.Tenants[0].Err != nil || audit.Tenants[0].SpecHash != tenant.SpecHash {
		t.Errorf("audit %+v", audit.Tenants)
	}
}

func TestEnsureRefusesRulesThatContradictEachOther(t *testing.T) {
	admin := open(t, operatorOf(pgtest.Start(t)), "nowhere")
	for name, change := range map[string]func(*postgres.Tenant){
		"zero period":                        func(x *postgres.Tenant) { x.Rules[0].Period = 0 },
		"negative period":                    func(x *postgres.Tenant) { x.Rules[0].Period = -minute },
		"two rules for a category":           func(x *postgres.Tenant) { x.Rules[1].Category = x.Rules[0].Category },
		"contact longer than its own record": func(x *postgres.Tenant) { x.Rules[2].Period = 31 * day },
		"data ID that is no identifier":      func(x *postgres.Tenant) { x.DataID = `t"; DROP SCHEMA x` },
		"negative tolerance":                 func(x *postgres.Tenant) { x.Tolerance = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			tenant := newTenant()
			change(&tenant)
			if err := admin.Ensure(t.Context(), tenant); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestNamesOfTenantsAreQuoted(t *testing.T) {
	_, _, admin := prepared(t)
	tenant := newTenant()
	tenant.Name, tenant.SpecHash = `o'brien\'; --`, `'' \`
	must(t, admin.Ensure(t.Context(), tenant))
	found, err := admin.Lookup(t.Context(), tenant.DataID)
	must(t, err)
	if found.Name != tenant.Name || found.SpecHash != tenant.SpecHash {
		t.Errorf("recorded %+v", found)
	}
}

// dump is what pg_dump says of a schema, rights included, without what names the moment of the dump.
func dump(t *testing.T, server *pgtest.Server, database, schema string) string {
	t.Helper()
	socket := server.Superuser(t, database).Config().Host
	output := pgDump(t, server, []string{"PGHOST=" + socket, "PGUSER=postgres"}, "--schema-only", "--schema="+schema, database)
	var lines []string
	for line := range strings.SplitSeq(output, "\n") {
		// \restrict carries a random word.
		if !strings.HasPrefix(line, "\\") && !strings.HasPrefix(line, "--") && line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// dumpAs dumps a schema the way the backup does.
func dumpAs(t *testing.T, server *pgtest.Server, database, schema, role, password string) {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	must(t, os.WriteFile(ca, []byte(server.CABundle), 0o600))
	pgDump(t, server, []string{"PGHOST=" + server.Host, "PGUSER=" + role, "PGPASSWORD=" + password, "PGSSLMODE=verify-full", "PGSSLROOTCERT=" + ca},
		"--format=plain", "--schema="+schema, database)
}

func pgDump(t *testing.T, server *pgtest.Server, environment []string, arguments ...string) string {
	t.Helper()
	command := osexec.CommandContext(t.Context(), filepath.Join(server.Binaries, "pg_dump"), arguments...)
	command.Env = append(environment, "PGPORT="+strconv.Itoa(int(server.Port)))
	var output, complaint bytes.Buffer
	command.Stdout, command.Stderr = &output, &complaint
	if err := command.Run(); err != nil {
		t.Fatalf("pg_dump: %v: %s", err, &complaint)
	}
	return output.String()
}
