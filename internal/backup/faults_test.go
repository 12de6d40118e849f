// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

func isDump(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, string(objectstore.KindDump)) }

// Acceptance 2: whatever a store does, the status is true and the other copies are good.
func TestAStoreThatLiesIsFoundOutAndTheOthersAreGood(t *testing.T) {
	for name, c := range map[string]struct {
		fault  s3test.Fault
		copy   backup.Copy
		error  objectstore.Class
		lock   backup.Locked
		counts int // backups the liar's listing shows
	}{
		"accepts and drops": {
			fault: s3test.Drops(isDump),
			copy:  backup.CopyMissing, error: objectstore.ClassNotFound,
		},
		"truncates": {
			fault: s3test.Truncates(isDump),
			copy:  backup.CopyMissing, error: objectstore.ClassCorrupt,
		},
		"flips a bit": {
			fault: s3test.FlipsABit(isDump),
			copy:  backup.CopyMissing, error: objectstore.ClassCorrupt,
		},
		"ignores the lock": {
			fault: s3test.IgnoresLock(),
			copy:  backup.CopyWritten, lock: backup.LockIgnored, counts: 1,
		},
		"is full": {
			fault: s3test.Full(func(*http.Request) bool { return true }),
			copy:  backup.CopyMissing, error: objectstore.ClassStoreFailed,
		},
	} {
		// The first store is the one whose copy is decrypted and listed: lying there must not end the proof either.
		for place := range 2 {
			t.Run(name+" at store "+strconv.Itoa(place+1), func(t *testing.T) {
				tn := newTenant(t, s3test.Start(t, 3), 10)
				liar := tn.stores[place].Behind(t, c.fault)
				tn.options.Settings.Stores[place].Endpoint = liar.Endpoint
				tn.options.Settings.Stores[place].CABundle = liar.CABundle
				result, err := backup.Run(t.Context(), tn.options)
				if err == nil || !strings.Contains(err.Error(), liar.Name) {
					t.Errorf("the error is %v", err)
				}
				want := map[string]backup.Copy{"store-1": backup.CopyWritten, "store-2": backup.CopyWritten, "store-3": backup.CopyWritten}
				want[liar.Name] = c.copy
				got := result.Stores[place]
				if !maps.Equal(copies(result), want) || got.Error != c.error || c.lock == backup.LockIgnored && got.Lock != c.lock {
					t.Errorf("the result is %+v", result.Stores)
				}
				if result.SnapshotStart == nil || result.Tables == 0 {
					t.Fatalf("no backup was shown to be restorable: %+v", result)
				}
				for i, store := range tn.stores {
					counts := 1
					if i == place {
						counts = c.counts
					}
					if inventory := tn.inventory(t, store); len(inventory.Backups) != counts {
						t.Errorf("%s counts %d backups, want %d", store.Name, len(inventory.Backups), counts)
					}
				}
			})
		}
	}
}

func TestCredentialsThatHaveEndedAtOneStoreCostItsCopyOnly(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 3)
	keys := tn.options.Keys
	tn.options.Keys = func(store string) (string, string, error) {
		id, secret, err := keys(store)
		if store == "store-1" {
			secret = "ended"
		}
		return id, secret, err
	}
	result, err := backup.Run(t.Context(), tn.options)
	if err == nil || result.Stores[0].Error != objectstore.ClassAccessDenied || result.Stores[1].Copy != backup.CopyWritten {
		t.Errorf("%+v, %v", result.Stores, err)
	}
	if strings.Contains(err.Error(), "ended") {
		t.Error("the error shows the secret")
	}
}

// A dump that pg_restore cannot list is no backup, however well it was copied: its manifest is never written.
func TestWhatCannotBeRestoredIsNoBackup(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 3)
	tn.dumping(t, "echo this is no archive\n")
	tn.options.PGRestore = ""
	result, err := backup.Run(t.Context(), tn.options)
	if err == nil || !strings.Contains(err.Error(), "cannot be restored") || result.Error == "" {
		t.Errorf("%+v, %v", result, err)
	}
	for _, store := range tn.stores {
		if got := tn.inventory(t, store); len(got.Backups) != 0 {
			t.Errorf("%s: %+v", store.Name, got)
		}
	}
}

func TestARunThatReachesNoStoreSaysSo(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 3)
	tn.options.Keys = func(string) (string, string, error) { return "nobody", "secret", nil }
	result, err := backup.Run(t.Context(), tn.options)
	if err == nil || result.SnapshotStart != nil || !strings.Contains(result.Error, "no store takes the backup") {
		t.Errorf("%+v, %v", result, err)
	}
}
