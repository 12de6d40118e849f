// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// childVariable makes the test binary a process that only takes one backup, so that its memory can be measured.
const childVariable = "BACKUP_TEST_CHILD"

// budget of design section 7, in KiB as the kernel counts.
const budget = 64 << 10

type childInput struct {
	Settings        settings.Backup
	Credentials     settings.Credentials
	Scratch, PGDump string
	Secret          string
}

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
	debug.SetMemoryLimit(40 << 20)
	var input childInput
	if err := json.NewDecoder(os.Stdin).Decode(&input); err != nil {
		return err
	}
	_, err := backup.Run(context.Background(), backup.Options{
		Settings: input.Settings, Credentials: input.Credentials, Scratch: input.Scratch, PGDump: input.PGDump,
		Keys: func(string) (string, string, error) { return input.Settings.DataID, input.Secret, nil },
	})
	return err
}

func TestMemoryStaysWithinItsBudgetWhateverTheSize(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 3), 1)
	program := filepath.Join(t.TempDir(), "pg_dump")
	// 200 MB that no compression makes smaller.
	must(t, os.WriteFile(program, []byte("#!/bin/sh\n[ \"$1\" = --version ] && exec pg_dump --version\nhead -c 200000000 /dev/urandom\n"), 0o700))
	_, secret, err := tn.options.Keys("")
	must(t, err)
	input, err := json.Marshal(childInput{tn.options.Settings, tn.options.Credentials, tn.options.Scratch, program, secret})
	must(t, err)
	executable, err := os.Executable()
	must(t, err)
	command := exec.CommandContext(t.Context(), executable)
	command.Env = append(os.Environ(), childVariable+"=1")
	command.Stdin = bytes.NewReader(input)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	peak := command.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	t.Logf("peak memory %d KiB", peak)
	if peak > budget {
		t.Errorf("peak memory %d KiB, budget %d KiB", peak, budget)
	}
	for _, store := range tn.stores {
		if got := tn.inventory(t, store); len(got.Backups) != 1 || got.Backups[0].Size < 200000000 {
			t.Errorf("%s: %+v", store.Name, got)
		}
	}
}
