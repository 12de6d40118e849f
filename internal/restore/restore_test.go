// SPDX-License-Identifier: Apache-2.0

package restore_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"
)

// The whole way: back up, lose the database, restore. Rows are equal, but for whom the journal names and what has
// fallen due; the schema is the one this release makes; the application books again.
func TestADroppedDatabaseComesBackWithoutTheErasedAndTheOverdue(t *testing.T) {
	w := newWorld(t, 3)
	w.fill(300, 40)
	ids := value[[]string](w, "SELECT array_agg(id::text) FROM (SELECT id FROM $SCHEMA.appointment WHERE ends_at > now() ORDER BY id LIMIT 5) AS n")
	want := w.digest(ids...)
	schema := w.schema()
	w.backUp()
	w.erase(w.stores[1], ids[:4]...)

	must(t, w.admin.Drop(t.Context(), w.tenant.DataID))
	must(t, w.admin.Ensure(t.Context(), w.tenant))
	// What an instance of an older release journalled lives in the schema in use alone.
	w.exec("INSERT INTO "+w.tenant.DataID+".erasure_journal (subject_hmac) VALUES ($1)", booking.ErasureMark(ids[4]))
	result, err := restore.Run(t.Context(), w.begin("r1"))
	must(t, err)
	recorded, err := w.admin.FinishRestore(t.Context(), w.tenant, "r1")
	must(t, err)

	if got := w.digest(); got != want {
		t.Errorf("restored %s, want %s", got, want)
	}
	if result.Erased != 5 || result.Journal != 5 || result.Overdue != 0 || result.Hits != 0 || result.Rows["appointment"] != 340 || result.Purged["Appointment"] != 40 {
		t.Errorf("result %+v", result)
	}
	if !strings.Contains(recorded, `"erased": 5`) {
		t.Errorf("recorded %s", recorded)
	}
	if n := value[int64](w, "SELECT count(*) FROM $SCHEMA.appointment WHERE ends_at < now() OR id::text = ANY ($1)", ids); n != 0 {
		t.Errorf("%d records came back that must not", n)
	}
	w.books(t)
	w.leavesNothing(t)
	w.backUp() // its role may read everything that was swapped in
	w.dropDays()
	after := w.schema()
	for _, line := range slices.Concat(without(after, schema), without(schema, after)) {
		t.Errorf("the schema was not as this release makes it: %s", line)
	}
	again, err := w.admin.FinishRestore(t.Context(), w.tenant, "r1")
	if must(t, err); again != recorded {
		t.Errorf("finished again with %s, first with %s", again, recorded)
	}
	t.Logf("restored %d rows in %.2f s", result.Rows["appointment"], result.Seconds)
}

// without gives the elements of a that are not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(line string) bool { return slices.Contains(b, line) })
}

// schema as pg_dump shows it, by lines.
func (w *world) schema() []string {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), filepath.Join(w.server.Binaries, "pg_dump"), "--schema-only", "--schema="+w.tenant.DataID, w.database)
	command.Env = []string{"PGHOST=" + w.server.Superuser(w.t, w.database).Config().Host, "PGUSER=postgres", "PGPORT=" + strconv.Itoa(int(w.server.Port))}
	raw, err := command.CombinedOutput()
	if err != nil {
		w.t.Fatalf("pg_dump: %v\n%s", err, raw)
	}
	var lines []string
	for line := range strings.Lines(string(raw)) {
		// \restrict carries a random word.
		if !strings.HasPrefix(line, "\\") {
			lines = append(lines, line)
		}
	}
	return lines
}

// dropDays drops the days of the access log a purge makes ahead, which depend on today.
func (w *world) dropDays() {
	w.t.Helper()
	days := value[[]string](w, "SELECT array_agg(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = '$SCHEMA.access_log'::regclass AND inhrelid::regclass::text NOT LIKE '%rest'")
	if len(days) != 2 {
		w.t.Errorf("the purge of the quarantine made days ahead: %v", days)
	}
	w.exec("DROP TABLE " + strings.Join(days, ", "))
}

// books as the application does, with the login it had before.
func (w *world) books(t *testing.T) {
	t.Helper()
	config, err := postgres.OperandConfig(w.target(), settings.Credentials{Username: postgres.RolesOf(w.tenant.DataID).AppA, Password: w.tenant.AppA})
	must(t, err)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	must(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), `INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, locale, token_hash)
		VALUES ('hall', 9, 'passport', 'OnSite', now(), now() + interval '1 hour', 'de', '\x01')`)
	must(t, err)
	_, err = conn.Exec(t.Context(), "INSERT INTO mail_outbox (appointment_id, kind) SELECT id, 'confirmed' FROM appointment WHERE counter = 9")
	must(t, err)
}

// leavesNothing of a restore behind.
func (w *world) leavesNothing(t *testing.T) {
	t.Helper()
	q := postgres.QuarantineOf(w.tenant.DataID)
	if value[bool](w, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) OR EXISTS (SELECT FROM pg_roles WHERE rolname = $2)", q.Schema, q.Role) {
		t.Error("the quarantine or its login is still there")
	}
	if value[bool](w, "SELECT EXISTS (SELECT FROM pg_auth_members WHERE roleid::regrole::text LIKE $1 AND member = $2::regrole)", w.tenant.DataID+"%", w.server.AdminUser) {
		t.Error("the operator kept a membership by which it could read rows")
	}
}

func TestARestoreThatFailsLeavesWhatIsInUseUntouched(t *testing.T) {
	w := newWorld(t, 2)
	w.fill(30, 0)
	result := w.backUp()
	want := w.digest()
	for name, c := range map[string]struct {
		change func(*restore.Options)
		want   string
	}{
		"a wrong identity": {func(o *restore.Options) { o.Keys = otherIdentity(t) }, "not the secret key of any recipient"},
		"a moment before the first backup": {func(o *restore.Options) {
			before := result.SnapshotStart.Add(-time.Hour)
			o.Settings.At = &before
		}, "name another store or a later time"},
		"a store that is none":    {func(o *restore.Options) { o.Settings.Store = "nowhere" }, "store nowhere"},
		"a broken pg_restore":     {func(o *restore.Options) { o.Program = "false" }, "pg_restore failed"},
		"another tenant's backup": {func(o *restore.Options) { o.Settings.Source = "tother" }, "another"},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.begin("r-" + name)
			c.change(&o)
			_, err := restore.Run(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secretName) {
				t.Errorf("the error is %v", err)
			}
			state, err := w.admin.RestoreState(t.Context(), w.tenant.DataID)
			must(t, err)
			if !strings.Contains(state.Failure, c.want) || state.Result != "" {
				t.Errorf("the letter box says %+v", state)
			}
			if _, err := w.admin.FinishRestore(t.Context(), w.tenant, "r-"+name); err == nil {
				t.Error("a restore that failed was finished")
			}
			must(t, w.admin.AbortRestore(t.Context(), w.tenant, "r-"+name))
			if got := w.digest(); got != want {
				t.Errorf("in use is %s, was %s", got, want)
			}
			w.leavesNothing(t)
		})
	}
	w.books(t)
}
