// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/cli"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

// mounted is a tenant on the test server with what its purge's job mounts.
type mounted struct {
	schema, role, password string
	super                  *pgx.Conn
	dir                    string
}

func newMounted(t *testing.T, rules ...postgres.Rule) *mounted {
	t.Helper()
	server := pgtest.Start(t)
	admin, err := postgres.Open(t.Context(), postgres.Server{
		Name: "test", Host: server.Host, Port: server.Port, CABundle: server.CABundle,
		Username: server.AdminUser, Password: server.AdminPassword,
	}, server.Database)
	must(t, err)
	defer admin.Close()
	must(t, admin.Prepare(t.Context()))
	tenant := postgres.Tenant{DataID: "t" + strings.ToLower(rand.Text())[:15], Retention: rand.Text(), Rules: rules}
	must(t, admin.Ensure(t.Context(), tenant))
	m := &mounted{
		schema: tenant.DataID, role: postgres.RolesOf(tenant.DataID).Retention, password: tenant.Retention,
		super: server.Superuser(t, server.Database), dir: t.TempDir(),
	}
	_, err = m.super.Exec(t.Context(), "SET search_path = "+m.schema)
	must(t, err)
	raw, err := json.Marshal(settings.Retain{Database: settings.Database{
		Host: server.Host, Port: server.Port, Name: server.Database, Schema: tenant.DataID, CABundle: server.CABundle,
	}})
	must(t, err)
	m.write(t, settings.FileKey, string(raw))
	m.write(t, settings.UsernameKey, m.role)
	m.write(t, settings.PasswordKey, m.password+"\n")
	return m
}

func (m *mounted) write(t *testing.T, name, content string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(m.dir, name), []byte(content), 0o600))
}

// run gives what the command prints, its columns one space apart, and what it logs.
func (m *mounted) run(t *testing.T, arguments ...string) (printed, logged string, err error) {
	t.Helper()
	command := cli.New("test")
	var output, log bytes.Buffer
	command.SetOut(&output)
	command.SetErr(&log)
	command.SetArgs(append(arguments, "--settings", filepath.Join(m.dir, settings.FileKey), "--credentials", m.dir))
	err = command.ExecuteContext(t.Context())
	if strings.Contains(output.String()+log.String(), m.password) {
		t.Error("the password was printed")
	}
	return strings.Join(strings.Fields(output.String()), " "), log.String(), err
}

func accessLogRule() postgres.Rule {
	return postgres.Rule{Category: v1alpha1.CategoryAccessLog, StartEvent: v1alpha1.StartCreation, Period: time.Hour, Action: v1alpha1.ActionDelete}
}

func (m *mounted) logLine(t *testing.T, address string) {
	t.Helper()
	_, err := m.super.Exec(t.Context(), `INSERT INTO access_log (created_at, address, method, route, status)
		VALUES (now() - interval '2 hours', $1::text::inet, 'GET', '/', 200)`, address)
	must(t, err)
}

func TestRetainRunsFromWhatItsJobMounts(t *testing.T) {
	m := newMounted(t, accessLogRule())
	m.logLine(t, "192.0.2.1")
	for _, step := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{"a dry run shows what is due", []string{"--dry-run"}, "AccessLog 1h Delete 1 1 0"},
		{"a second dry run shows it still", []string{"--dry-run"}, "AccessLog 1h Delete 1 1 0"},
		{"a purge removes it", nil, "AccessLog 1 0 1"},
		{"a dry run after it finds nothing", []string{"--dry-run"}, "AccessLog 1h Delete 0 0 0 -"},
	} {
		printed, _, err := m.run(t, append([]string{"retain"}, step.arguments...)...)
		if err != nil || !strings.Contains(printed, step.want) {
			t.Errorf("%s: %v, printed\n%s", step.name, err, printed)
		}
	}
	m.write(t, settings.PasswordKey, "wrong")
	if _, _, err := m.run(t, "retain"); err == nil {
		t.Error("a purge that could not log in succeeded")
	}
}

// Whoever runs a purge by hand sees a table by category; a category no rule covers is named too.
func TestADryRunIsATableByCategory(t *testing.T) {
	m := newMounted(t, accessLogRule())
	_, err := m.super.Exec(t.Context(), `INSERT INTO session (user_agent) VALUES ('agent')`)
	must(t, err)
	printed, _, err := m.run(t, "retain", "--dry-run")
	must(t, err)
	for _, want := range []string{"CATEGORY PERIOD ACTION STORED DUE HELD OLDEST", "AccessLog 1h Delete 0 0 0 -", "SessionMetadata none none 1 0 0 20"} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is not in\n%s", want, printed)
		}
	}
	_, logged, err := m.run(t, "retain")
	if err != nil || !strings.Contains(logged, `"category":"AccessLog"`) {
		t.Errorf("a purge that nobody watches logs (%v)\n%s", err, logged)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
