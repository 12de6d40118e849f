// SPDX-License-Identifier: Apache-2.0

package restore_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// onTrial makes the backup job restore what it took, with the rights it has.
func (w *world) onTrial() *restore.Trial {
	trial := &restore.Trial{
		Database: w.target(), Credentials: w.backup.Credentials, Every: 7 * day, Program: filepath.Join(w.server.Binaries, "pg_restore"),
	}
	w.backup.Trial = trial
	return trial
}

// audited gives what the operator's audit says of the tenant.
func (w *world) audited() postgres.TenantAudit {
	w.t.Helper()
	audit, err := w.admin.Audit(w.t.Context())
	must(w.t, err)
	for _, tenant := range audit.Tenants {
		if tenant.DataID == w.tenant.DataID {
			must(w.t, tenant.Err)
			return tenant
		}
	}
	w.t.Fatal("the audit says nothing of the tenant")
	return postgres.TenantAudit{}
}

func (w *world) scratch() bool {
	return value[bool](w, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 's$SCHEMA')")
}

// Issue 5: that a copy can be opened is not that it can be restored.
func TestABackupIsRestoredOnTrialAndHeldAgainstWhatItWasTakenFrom(t *testing.T) {
	w := newWorld(t, 2)
	w.fill(300, 20)
	trial := w.onTrial()
	// What is booked after the snapshot is no difference.
	w.backup.Trial = &meanwhile{Trial: trial, then: func() {
		w.exec(fmt.Sprintf("INSERT INTO %s.audit_log (actor, action, object) VALUES ('citizen', 'confirmed', 'appointment/x')", w.tenant.DataID))
	}}
	if got := w.audited().RestoreTest; got != nil {
		t.Fatalf("before the first trial the audit says %+v", got)
	}
	result := w.backUp()
	got, rows := result.Restored, value[int64](w, "SELECT (SELECT count(*) FROM $SCHEMA.appointment) + (SELECT count(*) FROM $SCHEMA.contact)")
	if got == nil || got.Rows < rows || got.Tables < 15 || got.Seconds <= 0 {
		t.Fatalf("%+v, want at least the %d appointments and contacts", got, rows)
	}
	if w.scratch() {
		t.Error("the scratch schema is still there")
	}
	known := w.audited()
	if test := known.RestoreTest; known.ScratchLeft || test == nil || test.ProvenAt == nil || test.Differing != 0 || test.Rows != got.Rows || int(test.Tables) != got.Tables ||
		!test.SnapshotStart.Equal(*result.SnapshotStart) {
		t.Errorf("the audit says %+v", known.RestoreTest)
	}

	w.backup.Trial = trial
	w.later(time.Minute)
	if again := w.backUp(); again.Restored != nil {
		t.Error("a second trial on the same day")
	}
	w.exec("UPDATE termintreu.tenant SET restore_test = jsonb_set(restore_test, '{proven_at}', to_jsonb(now() - interval '8 days'))")
	w.later(2 * time.Minute)
	if again := w.backUp(); again.Restored == nil {
		t.Error("no trial after the policy's interval")
	}
}

// later lets the next backup begin in another second, as two of a schedule do.
func (w *world) later(d time.Duration) {
	at := time.Now().Add(d)
	w.backup.Now = func() time.Time { return at }
}

// meanwhile does something between the snapshot and the dump.
type meanwhile struct {
	backup.Trial
	then func()
}

func (m *meanwhile) Begin(ctx context.Context) (string, error) {
	snapshot, err := m.Trial.Begin(ctx)
	m.then()
	return snapshot, err
}

func TestARestoreOnTrialThatDiffersIsToldAndCostsNoCopy(t *testing.T) {
	w := newWorld(t, 2)
	w.fill(30, 0)
	trial := w.onTrial()
	program := filepath.Join(t.TempDir(), "pg_restore")
	must(t, os.WriteFile(program, []byte(fmt.Sprintf("#!/bin/sh\n%s \"$@\" | sed s/OnSite/Phone/\n", trial.Program)), 0o700))
	trial.Program = program
	result, err := backup.Run(t.Context(), w.backup)
	if !errors.Is(err, restore.ErrDiffers) || !strings.Contains(err.Error(), "in 1 of") || !strings.Contains(err.Error(), "appointment") || strings.Contains(err.Error(), secretName) {
		t.Errorf("the error is %v", err)
	}
	if result.Restored != nil || result.SnapshotStart == nil || result.Stores[0].Copy != backup.CopyWritten || result.Stores[1].Copy != backup.CopyWritten || result.Error == "" {
		t.Errorf("%+v", result)
	}
	if test := w.audited().RestoreTest; test == nil || test.Differing != 1 || test.ProvenAt != nil || w.scratch() {
		t.Errorf("the audit says %+v", test)
	}
	w.onTrial()
	w.later(time.Minute)
	if again := w.backUp(); again.Restored == nil {
		t.Error("the next run tries no restore")
	}
	if test := w.audited().RestoreTest; test == nil || test.Differing != 0 || test.ProvenAt == nil {
		t.Errorf("the audit says %+v", test)
	}
}

// afterwards does something between the dump and the restore.
type afterwards struct {
	backup.Trial
	then func()
}

func (a *afterwards) Restore(ctx context.Context, of backup.Tried) (*backup.Restored, error) {
	a.then()
	return a.Trial.Restore(ctx, of)
}

// DROP waits for no snapshot: the purge drops days of the access log so, and a swap every table.
func TestATableDroppedWhileABackupIsTriedIsNoDifferenceAndTheNextRunTriesAgain(t *testing.T) {
	for name, drop := range map[string]func(*world){
		"a day of the access log": (*world).dropDays,
		"a table":                 func(w *world) { w.exec("DROP TABLE " + w.tenant.DataID + ".slot_release") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.fill(30, 0)
			w.exec(fmt.Sprintf(`SELECT %[1]s.drop_expired_logs('false');
				INSERT INTO %[1]s.access_log (created_at, method, route, status) VALUES (now() + interval '1 day', 'GET', '/', 200)`, w.tenant.DataID))
			w.backup.Trial = &afterwards{Trial: w.onTrial(), then: func() { drop(w) }}
			result, err := backup.Run(t.Context(), w.backup)
			if err == nil || errors.Is(err, restore.ErrDiffers) || !strings.Contains(err.Error(), "a table was dropped while the backup was tried: the next run tries again") {
				t.Errorf("the error is %v", err)
			}
			if result.Restored != nil || result.Stores[0].Copy != backup.CopyWritten {
				t.Errorf("%+v", result)
			}
			if test := w.audited().RestoreTest; test != nil || w.scratch() {
				t.Errorf("the audit says %+v", test)
			}
			w.onTrial()
			w.later(time.Minute)
			if again := w.backUp(); again.Restored == nil {
				t.Error("the next run tries no restore")
			}
		})
	}
}

// A store gives up on a stream nobody reads for a minute, and checksums of a large tenant's tables take longer.
func TestATrialAsksForTheCopyOnlyOnceThereIsSomewhereToPutIt(t *testing.T) {
	w := newWorld(t, 1)
	w.fill(3, 0)
	w.onTrial()
	ready := make(chan bool, 10)
	asked := w.stores[0].Behind(t, s3test.Fault{Answer: func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, string(objectstore.KindDump)) {
			ready <- w.scratch()
		}
		return false
	}})
	w.backup.Settings.Stores[0].Endpoint, w.backup.Settings.Stores[0].CABundle = asked.Endpoint, asked.CABundle
	if result := w.backUp(); result.Restored == nil {
		t.Fatal("nothing was tried")
	}
	if readBack, tried := <-ready, <-ready; readBack || !tried || len(ready) > 0 {
		t.Errorf("with the scratch schema there: read back %t, want false; tried %t, want true; and %d times more", readBack, tried, len(ready))
	}
}

// Invariant 3: what a killed job leaves is a copy of the data, and counts as one.
func TestWhatAKilledTrialLeavesIsFoundAndTakenAwayByTheNextRun(t *testing.T) {
	w := newWorld(t, 1)
	w.fill(10, 0)
	w.onTrial()
	w.backUp()
	config, err := postgres.OperandConfig(w.target(), w.backup.Credentials)
	must(t, err)
	job, err := pgx.ConnectConfig(t.Context(), config)
	must(t, err)
	for made, deadline := false, time.Now().Add(time.Minute); !made; {
		must(t, job.QueryRow(t.Context(), "SELECT termintreu_scratch.make() IS NOT NULL").Scan(&made))
		if time.Now().After(deadline) { // the server may take a moment to see that the session of the run has ended
			t.Fatal("the run's trial does not let go of the scratch schema")
		}
	}
	_, err = job.Exec(t.Context(), fmt.Sprintf("CREATE TABLE s%[1]s.contact AS SELECT * FROM %[1]s.contact", w.tenant.DataID))
	must(t, err)
	if w.audited().ScratchLeft {
		t.Error("a trial at work counts as one that was killed")
	}
	w.later(time.Minute)
	if w.backUp(); !w.scratch() {
		t.Error("a run took away what another one works in")
	}
	must(t, job.Close(t.Context()))
	for deadline := time.Now().Add(time.Minute); !w.audited().ScratchLeft; {
		if time.Now().After(deadline) { // the server may take a moment to see that the session has ended
			t.Fatal("the audit does not see what is left")
		}
	}
	w.later(2 * time.Minute)
	if w.backUp(); w.scratch() || w.audited().ScratchLeft {
		t.Error("the next run left it")
	}
}

// Invariant 6: the scratch schema is one tenant's backup's, and nobody else's.
func TestOnlyTheBackupOfATenantHasAScratchSchema(t *testing.T) {
	w := newWorld(t, 1)
	w.fill(3, 0)
	roles, neighbour := postgres.RolesOf(w.tenant.DataID), newWorldBeside(t, w)
	connect := func(role, password string) *pgx.Conn {
		config, err := postgres.OperandConfig(w.target(), settings.Credentials{Username: role, Password: password})
		must(t, err)
		conn, err := pgx.ConnectConfig(t.Context(), config)
		must(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	mine := connect(roles.Backup, w.tenant.Backup)
	_, err := mine.Exec(t.Context(), "SELECT termintreu_scratch.make()")
	must(t, err)
	_, err = mine.Exec(t.Context(), fmt.Sprintf("CREATE TABLE s%[1]s.contact AS SELECT * FROM %[1]s.contact", w.tenant.DataID))
	must(t, err)
	for who, conn := range map[string]*pgx.Conn{
		"the application": connect(roles.AppA, w.tenant.AppA), "the purge": connect(roles.Retention, w.tenant.Retention),
		"the neighbour's backup": connect(postgres.RolesOf(neighbour.DataID).Backup, neighbour.Backup),
	} {
		if _, err := conn.Exec(t.Context(), fmt.Sprintf("SELECT * FROM s%s.contact", w.tenant.DataID)); err == nil {
			t.Errorf("%s reads the scratch schema", who)
		}
		if _, err := conn.Exec(t.Context(), fmt.Sprintf("CREATE TABLE s%s.more ()", w.tenant.DataID)); err == nil {
			t.Errorf("%s writes to the scratch schema", who)
		}
		if who == "the neighbour's backup" {
			continue // it has one of its own
		}
		for _, call := range []string{"make()", "clear()", "due('1 day')", "note(now(), 1, 1, 0, 1)"} {
			if _, err := conn.Exec(t.Context(), "SELECT termintreu_scratch."+call); err == nil {
				t.Errorf("%s calls %s", who, call)
			}
		}
	}
	if _, err := mine.Exec(t.Context(), fmt.Sprintf("CREATE TABLE %s.more ()", w.tenant.DataID)); err == nil {
		t.Error("the backup writes to the schema in use")
	}
	must(t, mine.Close(t.Context()))
	must(t, w.admin.Drop(t.Context(), w.tenant.DataID))
	if w.scratch() {
		t.Error("the scratch schema outlived its tenant")
	}
}

// newWorldBeside makes another tenant in the same database.
func newWorldBeside(t *testing.T, w *world) postgres.Tenant {
	t.Helper()
	other := w.tenant
	other.DataID, other.Name, other.UID, other.Backup = w.tenant.DataID+"x", "other", "4b0d", "secret of the neighbour"
	must(t, w.admin.Ensure(t.Context(), other))
	return other
}
