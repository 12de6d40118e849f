// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/termintreu/termintreu/internal/backup"
)

// FuzzParseManifest: whoever can write to a store writes what a restore reads. What is taken identifies a backup and
// says the same when it is written again.
func FuzzParseManifest(f *testing.F) {
	good := `{"format":"pg_dump custom, zstd, age","dataID":"t1","snapshotStart":"2026-01-02T03:04:05Z","size":1,"sha256":"` +
		`e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","serverVersion":"15.1","clientVersion":"15.1"}`
	for _, seed := range []string{good, good[:len(good)/2], "null", `{"size":-1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := backup.ParseManifest(raw)
		if err != nil {
			return
		}
		if found.Size <= 0 || len(found.SHA256) != 64 || found.SnapshotStart.IsZero() || found.DataID == "" || found.SchemaVersion < backup.FirstSchemaVersion {
			t.Fatalf("taken: %+v", found)
		}
		written, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		again, err := backup.ParseManifest(written)
		if err != nil || again.SHA256 != found.SHA256 || !again.SnapshotStart.Equal(found.SnapshotStart) || !reflect.DeepEqual(again.Owners, found.Owners) && len(found.Owners) > 0 {
			t.Fatalf("read again as %+v, %v", again, err)
		}
	})
}
