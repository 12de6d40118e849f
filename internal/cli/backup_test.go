// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// mount writes what a pod finds mounted: the settings, and the files of one store's identity.
func mount(t *testing.T, store *s3test.Store) (dir string, target settings.Store) {
	t.Helper()
	dir = t.TempDir()
	target = settings.Store{
		Name: store.Name, Endpoint: store.Endpoint, Bucket: store.Bucket, CABundle: store.CABundle, Prefix: "ta/",
	}
	document, err := json.Marshal(settings.Backup{DataID: "ta", Stores: []settings.Store{target}, Period: "30d"})
	if err != nil {
		t.Fatal(err)
	}
	idFile, secretFile := settings.StoreKeys(store.Name)
	for name, content := range map[string]string{
		settings.FileKey: string(document), idFile: store.AdminKeyID, secretFile: store.AdminSecret, "termination-log": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, target
}

func execute(t *testing.T, command *cobra.Command, dir string, more ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	command.SetOut(&out)
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetArgs(append([]string{
		"--settings", filepath.Join(dir, settings.FileKey), "--stores", dir, "--termination-log", filepath.Join(dir, "termination-log"),
	}, more...))
	err := command.ExecuteContext(t.Context())
	return out.String(), err
}

func TestExpireDeletesAndLeavesItsResultWhereKubernetesLooks(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	dir, target := mount(t, store)
	client, err := objectstore.New(objectstore.Config{Store: target, AccessKeyID: store.AdminKeyID, SecretAccessKey: store.AdminSecret})
	if err != nil {
		t.Fatal(err)
	}
	for _, days := range []int{1, 31} {
		key := objectstore.Key("ta/", time.Now().AddDate(0, 0, -days), objectstore.KindDump)
		if err := client.PutBytes(t.Context(), key, []byte("a backup")); err != nil {
			t.Fatal(err)
		}
	}
	out, err := execute(t, newExpire(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var result backup.Result
	if err := json.Unmarshal([]byte(out), &result); err != nil || len(result.Stores) != 1 || result.Stores[0].Expired != 1 {
		t.Errorf("the result is %s, %v", out, err)
	}
	left, err := os.ReadFile(filepath.Join(dir, "termination-log"))
	if err != nil || string(left) != strings.TrimSuffix(out, "\n") {
		t.Errorf("the termination message is %s, %v", left, err)
	}
}

func TestBackupFailsLoudlyWithoutADatabaseAndSaysWhy(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	dir, _ := mount(t, store)
	for name, content := range map[string]string{"username": "nobody", "password": "very secret"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := execute(t, newBackup(), dir, "--credentials", dir)
	if err == nil || !strings.Contains(out, "needs a recipient") || strings.Contains(out+err.Error(), "very secret") {
		t.Errorf("%s, %v", out, err)
	}
}
