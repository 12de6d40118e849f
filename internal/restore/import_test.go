// SPDX-License-Identifier: Apache-2.0

package restore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"
)

const importName = "import of 4b0c"

// export writes what the tenant has, as the end of its contract does.
func (w *world) export() []byte {
	w.t.Helper()
	config, err := postgres.OperandConfig(w.target(), settings.Credentials{Username: postgres.RolesOf(w.tenant.DataID).Backup, Password: w.tenant.Backup})
	must(w.t, err)
	conn, err := pgx.ConnectConfig(w.t.Context(), config)
	must(w.t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	var raw bytes.Buffer
	sealed, err := export.Seal(&raw, []age.Recipient{w.identity.Recipient()})
	must(w.t, err)
	_, err = export.Write(w.t.Context(), conn, sealed, export.Scope{})
	must(w.t, err)
	must(w.t, sealed.Close())
	return raw.Bytes()
}

// bring puts an export where the tenant's import looks for it, and gives what the job runs with.
func (w *world) bring(raw []byte, identity *age.X25519Identity) restore.ImportOptions {
	w.t.Helper()
	password, sum := rand.Text(), sha256.Sum256(raw)
	must(w.t, w.admin.BeginImport(w.t.Context(), w.tenant.DataID, importName, password, time.Now().Add(time.Hour)))
	key := objectstore.Key(w.tenant.DataID+"/", time.Now(), objectstore.KindExport)
	must(w.t, w.stores[0].Objects(w.t).PutBytes(w.t.Context(), key, raw))
	return restore.ImportOptions{
		Settings: settings.Import{
			DataID: w.tenant.DataID, Database: w.target(), Source: w.storeSettings()[0], Key: key, SHA256: hex.EncodeToString(sum[:]),
			Offices: []string{"hall"}, Services: []string{"passport"},
		},
		Credentials: settings.Credentials{Username: postgres.QuarantineOf(w.tenant.DataID).Role, Password: password},
		Stores:      w.storeKeys, Keys: restore.Identity{identity},
	}
}

// D4, invariants 3 and 10: all of it comes in but what is due, and the job begun again changes nothing.
func TestAnExportComesInTheSameAndNothingOverdueWithIt(t *testing.T) {
	old, fresh := newWorld(t, 1), newWorld(t, 1)
	old.fill(40, 7)
	raw := old.export()
	job := fresh.bring(raw, old.identity)
	first, err := restore.Import(t.Context(), job)
	must(t, err)
	if first.Records["appointment"] != 47 || first.Records["contact"] != 47 || first.Purged["Contact"] != 7 || first.Purged["Appointment"] != 7 || first.Overdue != 0 {
		t.Errorf("%+v", first)
	}
	if first.Size != int64(len(raw)) || first.SHA256 != job.Settings.SHA256 {
		t.Errorf("it read %d bytes with digest %s", first.Size, first.SHA256)
	}
	if n := value[int64](fresh, "SELECT count(*) FROM $SCHEMA.appointment"); n != 0 {
		t.Errorf("%d appointments are in use before anybody swapped", n)
	}
	again, err := restore.Import(t.Context(), job)
	must(t, err)
	if again.Records["appointment"] != 47 || again.Purged["Appointment"] != 7 {
		t.Errorf("begun again, it gives %+v", again)
	}
	told, err := fresh.admin.FinishRestore(t.Context(), fresh.tenant, importName)
	must(t, err)
	if !strings.Contains(told, job.Settings.SHA256) || strings.Contains(told, secretName) {
		t.Errorf("the result is %s", told)
	}
	if got, want := fresh.digest(), old.digest(); got != want || !strings.HasPrefix(got, "40 ") {
		t.Errorf("the rows are %s, want %s", got, want)
	}
	if n := value[int64](fresh, "SELECT count(*) FROM $SCHEMA.appointment"); n != 40 {
		t.Errorf("%d appointments are in use, want 40", n)
	}
	if purged := value[bool](fresh, `SELECT min(bound) < now() FROM pg_stats, unnest(histogram_bounds::text::timestamptz[]) AS bound
		WHERE schemaname = '$SCHEMA' AND tablename = 'appointment' AND attname = 'ends_at'`); purged {
		t.Error("the statistics hold what was purged")
	}
	if unknown := value[string](fresh, `SELECT coalesce(string_agg(relname, ', '), '') FROM pg_class
		WHERE relnamespace = '$SCHEMA'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'retention_rule' AND reltuples < 0`); unknown != "" {
		t.Errorf("the planner knows nothing of %s", unknown)
	}
	if value[bool](fresh, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", postgres.QuarantineOf(fresh.tenant.DataID).Role) {
		t.Error("the login of the import is still there")
	}
	if err := fresh.admin.BeginImport(t.Context(), fresh.tenant.DataID, importName, rand.Text(), time.Now().Add(time.Hour)); !postgres.Unproven(err) {
		t.Errorf("a second import is let in: %v", err)
	}
}

// Whatever goes wrong, nothing is left of it, the sentence tells the mend and no record, and the next attempt ends well.
func TestAnImportThatFailsLeavesNothingAndCanBeRepeated(t *testing.T) {
	old, fresh := newWorld(t, 1), newWorld(t, 1)
	old.fill(30, 3)
	raw := old.export()
	other, err := age.GenerateX25519Identity()
	must(t, err)
	flipped := slices.Clone(raw)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		raw      []byte
		identity *age.X25519Identity
		spoil    func(*settings.Import)
		says     string
	}{
		"a wrong key":       {raw, other, nil, "does not open the export"},
		"another file":      {raw, old.identity, func(s *settings.Import) { s.SHA256 = strings.Repeat("0", 64) }, "spec.bootstrap.import.sha256 names another"},
		"a flipped bit":     {flipped, old.identity, nil, "export"},
		"half of it":        {raw[:len(raw)/2], old.identity, nil, "export"},
		"no export at all":  {[]byte("something"), old.identity, nil, "is no age file"},
		"nothing there":     {raw, old.identity, func(s *settings.Import) { s.Key += ".gone" }, "reading"},
		"an unknown office": {raw, old.identity, func(s *settings.Import) { s.Offices = []string{"other"} }, "spec.catalogue.offices lacks hall"},
		"no catalogue":      {raw, old.identity, func(s *settings.Import) { s.Services = nil }, "spec.catalogue.services lacks passport"},
	} {
		job := fresh.bring(c.raw, c.identity)
		if c.spoil != nil {
			c.spoil(&job.Settings)
		}
		_, err := restore.Import(t.Context(), job)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), secretName) {
			t.Errorf("%s: the error is %v, want it to say %q", name, err, c.says)
		}
		state, err := fresh.admin.RestoreState(t.Context(), fresh.tenant.DataID)
		must(t, err)
		if state.Result != "" || !strings.Contains(state.Failure, c.says) {
			t.Errorf("%s: the operator is told %+v", name, state)
		}
		fresh.expectNothing(name)
	}
	job := fresh.bring(raw, old.identity)
	_, err = restore.Import(t.Context(), job)
	must(t, err)
	_, err = fresh.admin.FinishRestore(t.Context(), fresh.tenant, importName)
	must(t, err)
	if got, want := fresh.digest(), old.digest(); got != want {
		t.Errorf("the rows are %s, want %s", got, want)
	}
}

// expectNothing looks into both places a record could lie.
func (w *world) expectNothing(after string) {
	w.t.Helper()
	for _, schema := range []string{w.tenant.DataID, postgres.QuarantineOf(w.tenant.DataID).Schema} {
		if !value[bool](w, "SELECT to_regclass($1) IS NOT NULL", schema+".appointment") {
			continue
		}
		if n := value[int64](w, "SELECT (SELECT count(*) FROM "+schema+".appointment) + (SELECT count(*) FROM "+schema+".audit_log)"); n != 0 {
			w.t.Errorf("after %s %d records are left in %s", after, n, schema)
		}
	}
}

// killing is a key whose holder's job is killed while it opens the file.
type killing struct {
	restore.Identity
	kill func()
}

func (k killing) Open(ctx context.Context, headers [][]byte, box *restore.Box) ([]age.Identity, error) {
	opened, err := k.Identity.Open(ctx, headers, box)
	k.kill()
	return opened, err
}

// A job that is killed, or whose server goes away in the middle, leaves nothing, and the next one begins anew.
func TestAnImportKilledOnItsWayLeavesNothing(t *testing.T) {
	old, fresh := newWorld(t, 1), newWorld(t, 1)
	old.fill(30, 3)
	raw, quarantine := old.export(), postgres.QuarantineOf(fresh.tenant.DataID).Schema
	ctx, cancel := context.WithCancel(t.Context())
	killed := fresh.bring(raw, old.identity)
	killed.Keys = killing{restore.Identity{old.identity}, cancel}
	if _, err := restore.Import(ctx, killed); err == nil {
		t.Error("it was killed and ended well")
	}
	fresh.expectNothing("being killed")

	// Its session ends at the last moment: everything is stored and proven, and nothing committed.
	dying := fresh.bring(raw, old.identity)
	fresh.exec(fmt.Sprintf(`CREATE FUNCTION %[1]s.die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
			BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
		CREATE TRIGGER die BEFORE UPDATE ON %[1]s.restore_state FOR EACH ROW WHEN (NEW.result IS NOT NULL) EXECUTE FUNCTION %[1]s.die()`, quarantine))
	if _, err := restore.Import(t.Context(), dying); err == nil {
		t.Error("its session was ended and it ended well")
	}
	fresh.exec("DROP FUNCTION " + quarantine + ".die CASCADE")
	fresh.expectNothing("its session having ended")

	_, err := restore.Import(t.Context(), fresh.bring(raw, old.identity))
	must(t, err)
	_, err = fresh.admin.FinishRestore(t.Context(), fresh.tenant, importName)
	must(t, err)
	if got, want := fresh.digest(), old.digest(); got != want {
		t.Errorf("the rows are %s, want %s", got, want)
	}
}
