// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// filled runs a command in a mount namespace of its own, where a directory is a file system without a free byte.
const filled = `set -e
dir=$1; shift
mount --make-rprivate /
mount -t tmpfs -o size=8k tmpfs "$dir"
cat /dev/zero > "$dir/full" 2>/dev/null || true
exec "$@"`

// Acceptance 2: the job's only disk is its scratch directory, where pg_dump finds its password file. Full, there is no
// backup and the job says so; nothing that counts is at any store, and the next run is whole.
func TestAJobWhoseDiskIsFullSaysSoAndTheNextIsWhole(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 10)
	command, output := tn.process(t)
	command.Args = append([]string{"sh", "-c", filled, "sh", tn.options.Scratch, command.Path}, command.Args[1:]...)
	command.Path = "/bin/sh"
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
	}
	if err := command.Run(); err == nil || !strings.Contains(output.String(), syscall.ENOSPC.Error()) || strings.Contains(output.String(), tn.options.Credentials.Password) {
		t.Fatalf("%v: %s", err, output)
	}
	for _, store := range tn.stores {
		if n := tn.paired(t, store); n != 0 {
			t.Errorf("%s counts %d backups", store.Name, n)
		}
	}
	tn.at(time.Now().Add(2 * time.Minute))
	if again := tn.run(t); again.Tables == 0 {
		t.Errorf("%+v", again)
	}
	tn.nothingLeft(t)
	if left, err := os.ReadDir(tn.options.Scratch); err != nil || len(left) != 0 {
		t.Errorf("the run left %v, %v", left, err)
	}
}
