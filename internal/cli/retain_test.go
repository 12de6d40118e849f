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

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/cli"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

// retain runs the command with what a CronJob mounts, and gives what it prints.
func retain(t *testing.T, document settings.Retain, credentials settings.Credentials, arguments ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	raw, err := json.Marshal(document)
	must(t, err)
	for name, content := range map[string][]byte{
		settings.FileKey: raw, settings.UsernameKey: []byte(credentials.Username), settings.PasswordKey: []byte(credentials.Password + "\n"),
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	command := cli.New("test")
	var output, log bytes.Buffer
	command.SetOut(&output)
	command.SetErr(&log)
	command.SetArgs(append([]string{"retain", "--settings", filepath.Join(dir, settings.FileKey), "--credentials", dir}, arguments...))
	err = command.ExecuteContext(t.Context())
	if strings.Contains(output.String()+log.String(), credentials.Password) {
		t.Error("the password was printed")
	}
	return output.String(), err
}

func TestRetainRunsFromWhatItsJobMounts(t *testing.T) {
	server := pgtest.Start(t)
	admin, err := postgres.Open(t.Context(), postgres.Server{
		Name: "test", Host: server.Host, Port: server.Port, CABundle: server.CABundle,
		Username: server.AdminUser, Password: server.AdminPassword,
	}, server.Database)
	must(t, err)
	defer admin.Close()
	must(t, admin.Prepare(t.Context()))
	tenant := postgres.Tenant{
		DataID: "t" + strings.ToLower(rand.Text())[:15], Retention: rand.Text(),
		Rules: []postgres.Rule{{
			Category: v1alpha1.CategoryAccessLog, StartEvent: v1alpha1.StartCreation, Period: time.Hour, Action: v1alpha1.ActionDelete,
		}},
	}
	must(t, admin.Ensure(t.Context(), tenant))
	_, err = server.Superuser(t, server.Database).Exec(t.Context(), `INSERT INTO `+tenant.DataID+`.access_log (created_at, address, method, route, status)
		VALUES (now() - interval '2 hours', '192.0.2.1', 'GET', '/', 200)`)
	must(t, err)
	document := settings.Retain{Database: settings.Database{
		Host: server.Host, Port: server.Port, Name: server.Database, Schema: tenant.DataID, CABundle: server.CABundle,
	}}
	credentials := settings.Credentials{Username: postgres.RolesOf(tenant.DataID).Retention, Password: tenant.Retention}
	for _, step := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{"a dry run shows what is due", []string{"--dry-run"}, "AccessLog 1h Delete 1 1 0"},
		{"a purge removes it", nil, "AccessLog 1 0 1"},
		{"a second dry run finds nothing", []string{"--dry-run"}, "AccessLog 1h Delete 0 0 0 -"},
	} {
		printed, err := retain(t, document, credentials, step.arguments...)
		if err != nil || !strings.Contains(strings.Join(strings.Fields(printed), " "), step.want) {
			t.Errorf("%s: %v, printed\n%s", step.name, err, printed)
		}
	}
	credentials.Password = "wrong"
	if _, err := retain(t, document, credentials); err == nil {
		t.Error("a purge that could not log in succeeded")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
