// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// childVariable makes the test binary a process that only takes one backup, so that its memory can be measured.
const childVariable = "BACKUP_TEST_CHILD"

// budget of design section 7, in KiB as the kernel counts.
const budget = 64 << 10

type childInput struct {
	Settings                   settings.Backup
	Credentials                settings.Credentials
	Scratch, PGDump, PGRestore string
	Keys                       objectstore.Keys
	// KilledOverItsTrial makes it one that does not survive the restore on trial.
	KilledOverItsTrial bool
}

// deadly is a trial that kills the process, as a node without memory does.
type deadly struct{}

func (deadly) Begin(context.Context) (string, error) { return "a snapshot", nil }

func (deadly) Restore(context.Context, backup.Tried) (*backup.Restored, error) {
	return nil, syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

func (deadly) End(context.Context) error { return nil }

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	if err := child(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child() error {
	backup.LimitMemory()
	var input childInput
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		return err
	}
	options := backup.Options{
		Settings: input.Settings, Credentials: input.Credentials, Scratch: input.Scratch,
		PGDump: input.PGDump, PGRestore: input.PGRestore,
		Keys: func(string) (string, string, error) { return input.Keys.AccessKeyID, input.Keys.SecretAccessKey, nil },
	}
	if input.KilledOverItsTrial {
		options.Trial = deadly{}
	}
	_, err := backup.Run(context.Background(), options)
	return err
}

func TestMemoryStaysWithinItsBudgetWhateverTheSize(t *testing.T) {
	const small, large = 20_000_000, 200_000_000
	least, most := peakOf(t, small), peakOf(t, large)
	if least == 0 {
		t.Fatal("the kernel does not tell a process's anonymous memory")
	}
	t.Logf("peak memory %d KiB for 20 MB, %d KiB for 200 MB", least, most)
	if most > budget {
		t.Errorf("peak memory %d KiB, budget %d KiB", most, budget)
	}
	// Ten times the data, 176,000 KiB more: anything that is kept per byte would show.
	if most > least+16<<10 {
		t.Errorf("peak memory grows with the size: %d KiB for 20 MB, %d KiB for 200 MB", least, most)
	}
}

// peakOf gives the peak memory of a process that backs up size bytes, which no compression makes smaller, in KiB.
func peakOf(t *testing.T, size int64) int64 {
	t.Helper()
	tn := newTenant(t, s3test.Start(t, 3), 1)
	tn.dumping(t, fmt.Sprintf("head -c %d /dev/urandom\n", size))
	command, output := tn.process(t)
	must(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	peak, err := watch(t, command.Process.Pid, ended)
	if err != nil {
		t.Fatalf("%v\n%s", err, output.Bytes())
	}
	for _, store := range tn.stores {
		if got := tn.inventory(t, store); len(got.Backups) != 1 || got.Backups[0].Size < size {
			t.Errorf("%s: %+v", store.Name, got)
		}
	}
	return peak
}

// process is one that takes a backup and ends.
func (tn *tenant) process(t *testing.T) (command *exec.Cmd, output *bytes.Buffer) {
	t.Helper()
	return process(t, tn.childInput())
}

func (tn *tenant) childInput() childInput {
	return childInput{
		Settings: tn.options.Settings, Credentials: tn.options.Credentials, Scratch: tn.options.Scratch,
		PGDump: tn.options.PGDump, PGRestore: tn.options.PGRestore, Keys: tn.pair().Writer,
	}
}

func process(t *testing.T, of childInput) (command *exec.Cmd, output *bytes.Buffer) {
	t.Helper()
	input, err := json.Marshal(of)
	must(t, err)
	executable, err := os.Executable()
	must(t, err)
	command = exec.CommandContext(t.Context(), executable)
	command.Env = append(os.Environ(), childVariable+"=1")
	command.Stdin = bytes.NewReader(input)
	output = &bytes.Buffer{}
	command.Stdout, command.Stderr = output, output
	return command, output
}

// watch gives the greatest anonymous memory a process had until it ended. File pages do not count: they are mostly
// those of the test binary, which the kernel shares and drops as it likes.
func watch(t *testing.T, pid int, ended <-chan error) (peak int64, err error) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			return peak, err
		case <-ticker.C:
			peak = max(peak, anonymous(t, pid))
		}
	}
}

func anonymous(t *testing.T, pid int) (kib int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) { // it just ended
		return 0
	}
	must(t, err)
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "RssAnon:"); found {
			kib, err = strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			must(t, err)
		}
	}
	return kib
}
