// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

func TestABackupLiesAtEveryStoreAndIsTheSameEverywhere(t *testing.T) { // B2
	tn := newTenant(t, s3test.Start(t, 3), 100)
	result := tn.run(t)
	for _, store := range tn.stores {
		raw, err := os.ReadFile(tn.copyOf(t, store, *result.SnapshotStart))
		must(t, err)
		sum := sha256.Sum256(raw)
		if hex.EncodeToString(sum[:]) != result.SHA256 || int64(len(raw)) != result.Size {
			t.Errorf("%s: the copy is another", store.Name)
		}
		inventory := tn.inventory(t, store)
		if !inventory.Newest().Equal(*result.SnapshotStart) || inventory.Versions != 2 {
			t.Errorf("%s: %+v", store.Name, inventory)
		}
	}
	for name, got := range copies(result) {
		if got != backup.CopyWritten {
			t.Errorf("%s: %s", name, got)
		}
	}
	left, err := filepath.Glob(filepath.Join(tn.options.Scratch, "*"))
	must(t, err)
	if len(left) != 0 {
		t.Errorf("the scratch directory still holds %v", left)
	}
}

func TestOnlyThePrefixIsKnownAtTheStoreAndNothingOfACitizen(t *testing.T) { // invariant 2
	tn := newTenant(t, s3test.Start(t, 1), 3)
	result := tn.run(t)
	raw, err := json.Marshal(result)
	must(t, err)
	content, err := os.ReadFile(tn.copyOf(t, tn.stores[0], *result.SnapshotStart))
	must(t, err)
	for _, text := range []string{string(raw), string(content)} {
		if strings.Contains(text, "Geheimnis") || strings.Contains(text, tn.options.Credentials.Password) {
			t.Error("a name or a secret is in the result or at the store")
		}
	}
}

func TestAStoreWithoutItsCopyIsNamedAndTheOthersAreGood(t *testing.T) {
	for name, breakIt := range map[string]struct {
		do   func(*testing.T, *s3test.Store)
		want objectstore.Class
	}{
		"down":            {func(_ *testing.T, s *s3test.Store) { s.Stop() }, objectstore.ClassUnreachable},
		"refusing writes": {func(t *testing.T, s *s3test.Store) { s.Restart(t, "--readonly") }, objectstore.ClassAccessDenied},
		"not answering": {func(t *testing.T, s *s3test.Store) {
			s.Suspend(t)
			t.Cleanup(func() { s.Resume(t) })
		}, objectstore.ClassTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant(t, s3test.Start(t, 3), 10)
			tn.options.Timeout = 2 * time.Second
			breakIt.do(t, tn.stores[1])
			result, err := backup.Run(t.Context(), tn.options)
			if err == nil || !strings.Contains(err.Error(), "store-2") || strings.Contains(err.Error(), "store-1") {
				t.Errorf("the error is %v", err)
			}
			want := map[string]backup.Copy{"store-1": backup.CopyWritten, "store-2": backup.CopyMissing, "store-3": backup.CopyWritten}
			if !maps.Equal(copies(result), want) || result.Stores[1].Error != breakIt.want {
				t.Errorf("the result is %+v, want error %s", result, breakIt.want)
			}
			for _, store := range []*s3test.Store{tn.stores[0], tn.stores[2]} {
				if got := tn.inventory(t, store); len(got.Backups) != 1 {
					t.Errorf("%s: %+v", store.Name, got)
				}
			}
		})
	}
}

func TestAPgDumpThatFailsInTheMiddleLeavesNothing(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 10)
	// The real program, cut off: its output ends early and it exits with an error. Enough noise comes first that
	// several parts are already at the stores.
	tn.dumping(t, `
head -c 20000000 /dev/urandom
pg_dump "$@" | head -c 1000
echo "pg_dump: error: Dumping the contents of table failed: PQgetResult() failed." >&2
echo "pg_dump: detail: Error message from server: Key (name)=(Geheimnis)" >&2
exit 1
`)
	result, err := backup.Run(t.Context(), tn.options)
	if err == nil || !strings.Contains(err.Error(), "PQgetResult") || strings.Contains(err.Error(), "Geheimnis") {
		t.Errorf("the error is %v", err)
	}
	if result.SnapshotStart != nil || result.Error == "" {
		t.Errorf("the result is %+v", result)
	}
	for _, store := range tn.stores {
		// The record of the upload stays for the keeper.
		if got := tn.inventory(t, store); got.Versions != 1 || len(got.Backups) != 0 {
			t.Errorf("%s: %+v", store.Name, got)
		}
		unfinished, err := store.Objects(t).AbortUploads(t.Context(), "", time.Now().Add(time.Hour))
		must(t, err)
		if unfinished != 0 {
			t.Errorf("%s: %d unfinished uploads", store.Name, unfinished)
		}
	}
}

func TestAStoreThatFailsOnceIsRepairedFromAnothersCopy(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 10)
	tn.options.Timeout = time.Minute
	tn.options.Patience = 200 * time.Millisecond
	// A store that hangs while parts arrive is left behind; when it is back, it gets the other's copy.
	dir := t.TempDir()
	tn.dumping(t, fmt.Sprintf(`
touch %[1]s/begun
while [ ! -e %[1]s/hangs ]; do sleep 0.05; done
head -c 60000000 /dev/urandom
touch %[1]s/through
while [ ! -e %[1]s/resumed ]; do sleep 0.05; done
`, dir))
	done := make(chan struct{})
	go func() {
		defer close(done)
		await(t, filepath.Join(dir, "begun"))
		tn.stores[0].Suspend(t)
		must(t, os.WriteFile(filepath.Join(dir, "hangs"), nil, 0o600))
		await(t, filepath.Join(dir, "through"))
		tn.stores[0].Resume(t)
		must(t, os.WriteFile(filepath.Join(dir, "resumed"), nil, 0o600))
	}()
	result := tn.run(t)
	<-done
	want := map[string]backup.Copy{"store-1": backup.CopyRepaired, "store-2": backup.CopyWritten}
	if !maps.Equal(copies(result), want) {
		t.Errorf("the result is %+v", result)
	}
}

func await(t *testing.T, file string) {
	t.Helper()
	deadline := time.After(time.Minute)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(file); err == nil {
			return
		}
		select {
		case <-deadline:
			t.Errorf("%s never came", filepath.Base(file))
			return
		case <-ticker.C:
		}
	}
}

func TestWhatCannotBeDumpedIsRefusedWithASentence(t *testing.T) {
	stores := s3test.Start(t, 1)
	old := filepath.Join(t.TempDir(), "pg_dump")
	must(t, os.WriteFile(old, []byte("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n"), 0o700))
	for name, c := range map[string]struct {
		change func(*backup.Options)
		want   string
	}{
		"pg_dump older than its server": {func(o *backup.Options) { o.PGDump = old }, "older than the server"},
		"a schema that is not there":    {func(o *backup.Options) { o.Settings.Database.Schema = "nowhere" }, "no matching schemas"},
		"a wrong password":              {func(o *backup.Options) { o.Credentials.Password = "wrong" }, "password authentication failed"},
		"no recipient":                  {func(o *backup.Options) { o.Settings.Recipients = nil }, "needs a recipient"},
		"a CA that did not sign":        {func(o *backup.Options) { o.Settings.Database.CABundle = stores[0].CABundle }, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant(t, stores, 1)
			c.change(&tn.options)
			result, err := backup.Run(t.Context(), tn.options)
			if err == nil || !strings.Contains(err.Error(), c.want) || result.Error == "" {
				t.Errorf("the error is %v", err)
			}
			if got := tn.inventory(t, stores[0]); got.Versions != 0 {
				t.Errorf("something was written: %+v", got)
			}
		})
	}
}
