// SPDX-License-Identifier: Apache-2.0

package restore_test

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"strings"
	"syscall"
	"testing"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

// disk is a small file system on which a role's tables lie.
type disk struct{ dir string }

const tablespace = "small"

// newDisk mounts one of so many KiB and makes a tablespace on it.
func (w *world) newDisk(kib int) *disk {
	w.t.Helper()
	dir, err := os.MkdirTemp("", "disk-")
	must(w.t, err)
	must(w.t, os.Chmod(dir, 0o755))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=0777", kib)); err != nil {
		w.t.Fatalf("mounting a small file system, which takes root: %v", err)
	}
	w.t.Cleanup(func() {
		must(w.t, syscall.Unmount(dir, syscall.MNT_DETACH))
		must(w.t, os.Remove(dir))
	})
	location := dir + "/tables"
	must(w.t, os.Mkdir(location, 0o700))
	if os.Getuid() == 0 {
		account, err := user.Lookup("postgres")
		must(w.t, err)
		var uid, gid int
		_, err = fmt.Sscan(account.Uid+" "+account.Gid, &uid, &gid)
		must(w.t, err)
		must(w.t, os.Chown(location, uid, gid))
	}
	conn := w.server.Superuser(w.t, w.database)
	_, err = conn.Exec(context.Background(), fmt.Sprintf("CREATE TABLESPACE %s LOCATION '%s'", tablespace, location))
	must(w.t, err)
	_, err = conn.Exec(context.Background(), "GRANT CREATE ON TABLESPACE "+tablespace+" TO PUBLIC")
	must(w.t, err)
	return &disk{dir}
}

// holds puts what a role makes from now on onto the disk.
func (d *disk) holds(w *world, role string) {
	w.t.Helper()
	w.exec(fmt.Sprintf("ALTER ROLE %[2]s SET default_tablespace = %[1]s", tablespace, role))
}

func (d *disk) grow(t *testing.T, kib int) {
	t.Helper()
	must(t, syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dk", kib)))
}

// Acceptance 2: nothing decrypted touches the job's disk; the one a restore can fill is the database server's.
func TestARestoreOntoAFullDiskSaysSoLosesNothingAndTheNextIsWhole(t *testing.T) {
	w := newWorldAt(t, pgtest.Another(t), 1)
	w.fill(4000, 0)
	d := w.newDisk(2000)

	// The disk is full for a restore on trial, which costs no copy.
	d.holds(w, postgres.RolesOf(w.tenant.DataID).Backup)
	w.onTrial()
	result, err := backup.Run(t.Context(), w.backup)
	if err == nil || !strings.Contains(err.Error(), "disk is full") || result.Stores[0].Copy != backup.CopyWritten || result.Restored != nil {
		t.Fatalf("%+v, %v", result, err)
	}
	if w.scratch() || w.audited().RestoreTest != nil {
		t.Error("a trial that failed left something, or counts")
	}

	want := w.digest()
	o := w.begin("r-full")
	d.holds(w, o.Credentials.Username)
	if _, err := restore.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "disk is full") || strings.Contains(err.Error(), secretName) {
		t.Errorf("the error is %v", err)
	}
	state, err := w.admin.RestoreState(t.Context(), w.tenant.DataID)
	must(t, err)
	if !strings.Contains(state.Failure, "disk is full") || state.Result != "" {
		t.Errorf("the letter box says %+v", state)
	}
	must(t, w.admin.AbortRestore(t.Context(), w.tenant, "r-full"))
	if got := w.digest(); got != want {
		t.Errorf("in use is %s, was %s", got, want)
	}
	w.leavesNothing(t)

	d.grow(t, 200_000)
	o = w.begin("r-room")
	d.holds(w, o.Credentials.Username)
	_, err = restore.Run(t.Context(), o)
	must(t, err)
	_, err = w.admin.FinishRestore(t.Context(), w.tenant, "r-room")
	must(t, err)
	if got := w.digest(); got != want {
		t.Errorf("restored is %s, was %s", got, want)
	}
	w.books(t)
}
