// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

// operatorOf is the operator's identity on the server.
func operatorOf(server *pgtest.Server) postgres.Server {
	return postgres.Server{
		Name: "bench", Host: server.Host, Port: server.Port, CABundle: server.CABundle,
		Username: server.AdminUser, Password: server.AdminPassword,
	}
}

// prepared gives a database of its own, ready for tenants.
func prepared(tb testing.TB, server *pgtest.Server) (database string, admin *postgres.Admin) {
	tb.Helper()
	database = server.NewDatabase(tb)
	admin, err := postgres.Open(tb.Context(), operatorOf(server), database)
	must(tb, err)
	tb.Cleanup(admin.Close)
	must(tb, admin.Prepare(tb.Context()))
	return database, admin
}

func newDatabaseTenant() postgres.Tenant {
	raw := make([]byte, 8)
	_, _ = rand.Read(raw)
	rule := func(category v1alpha1.Category, start v1alpha1.StartEvent, period time.Duration, action v1alpha1.Action) postgres.Rule {
		return postgres.Rule{Category: category, StartEvent: start, Period: period, Action: action}
	}
	return postgres.Tenant{
		DataID: "t" + hex.EncodeToString(raw)[:15], Namespace: "basel", Name: "termine", UID: "4b0c", SpecHash: "hash-1",
		AppA: rand.Text(), AppB: rand.Text(), Retention: rand.Text(), Backup: rand.Text(), Tolerance: time.Hour,
		Rules: []postgres.Rule{
			rule(v1alpha1.CategoryHold, v1alpha1.StartCreation, 15*time.Minute, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryUnconfirmedBooking, v1alpha1.StartCreation, time.Hour, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryContact, v1alpha1.StartAppointmentEnd, 30*24*time.Hour, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryAppointment, v1alpha1.StartAppointmentEnd, 30*24*time.Hour, v1alpha1.ActionAnonymize),
			rule(v1alpha1.CategoryMailOutbox, v1alpha1.StartSent, 72*time.Hour, v1alpha1.ActionDelete),
		},
	}
}

// databaseOf is how an operand of the tenant reaches its schema.
func databaseOf(server *pgtest.Server, database, schema string) settings.Database {
	return settings.Database{Host: server.Host, Port: server.Port, Name: database, Schema: schema, CABundle: server.CABundle}
}

// programs runs PostgreSQL's own programs over verified TLS, as the product connects.
type programs struct {
	server               *pgtest.Server
	passwordFile, bundle string
	user, database       string
}

func newPrograms(tb testing.TB, server *pgtest.Server, database, user, password string) *programs {
	tb.Helper()
	dir := tb.TempDir()
	p := &programs{
		server: server, database: database, user: user,
		passwordFile: filepath.Join(dir, "pgpass"), bundle: filepath.Join(dir, "ca.crt"),
	}
	must(tb, os.WriteFile(p.passwordFile, []byte("*:*:*:*:"+password+"\n"), 0o600))
	must(tb, os.WriteFile(p.bundle, []byte(server.CABundle), 0o600))
	return p
}

func (p *programs) command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(p.server.Binaries, name), arguments...)
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "PGHOST=" + p.server.Host, "PGPORT=" + strconv.Itoa(int(p.server.Port)),
		"PGDATABASE=" + p.database, "PGUSER=" + p.user, "PGPASSFILE=" + p.passwordFile,
		"PGSSLMODE=verify-full", "PGSSLROOTCERT=" + p.bundle,
	}
	return command
}

// psql runs a file of statements in one session, stopping at the first error.
func (p *programs) psql(ctx context.Context, file string) error {
	output, err := p.command(ctx, "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "--file="+file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("psql: %w: %.500s", err, output)
	}
	return nil
}
