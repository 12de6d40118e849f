// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Owns reports whether the process is one of the cluster's. A process ID is
// reused; the marker in the environment it was started with is not.
func Owns(id string, pid int) bool {
	if pid <= 1 || pid == os.Getpid() {
		return false
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for _, variable := range bytes.Split(raw, []byte{0}) {
		if string(variable) == Marker+"="+id {
			return true
		}
	}
	return false
}

// owned lists the processes of the cluster.
func owned(id string) []int {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var pids []int
	for _, dir := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && Owns(id, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Stop ends the supervisor, which ends its processes in order, and then kills
// whatever of the cluster is left, such as the processes of a supervisor that
// was killed itself.
func Stop(id, statusFile string) error {
	if status, err := ReadStatus(statusFile); err == nil && Owns(id, status.PID) {
		_ = syscall.Kill(status.PID, syscall.SIGTERM)
		for end := time.Now().Add(2 * stopGrace); Owns(id, status.PID) && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
	}
	for end := time.Now().Add(stopGrace); ; time.Sleep(50 * time.Millisecond) {
		pids := owned(id)
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("processes %v of %s do not end", pids, id)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
