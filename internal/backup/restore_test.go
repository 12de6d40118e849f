// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/testing/s3test"
)

var commandBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// A person restores with age, zstd and pg_restore alone, by the commands the documentation gives, word for word.
func TestABackupIsRestoredByTheCommandsOfTheDocumentation(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 1), 250)
	result := tn.run(t)
	page, err := os.ReadFile("../../docs/tasks/restore-by-hand.md")
	must(t, err)
	dir := t.TempDir()
	must(t, os.Rename(tn.copyOf(t, tn.stores[0], *result.SnapshotStart), filepath.Join(dir, "backup.dump.zst.age")))
	must(t, os.WriteFile(filepath.Join(dir, "identity.txt"), []byte(tn.identity.String()+"\n"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "ca.crt"), []byte(tn.server.CABundle), 0o600))

	var output strings.Builder
	for _, block := range commandBlock.FindAllStringSubmatch(string(page), -1) {
		command := exec.CommandContext(t.Context(), "sh", "-e", "-c", block[1])
		command.Dir = dir
		command.Env = append(os.Environ(),
			"PGHOST="+tn.server.Host, fmt.Sprintf("PGPORT=%d", tn.server.Port), "PGUSER="+tn.server.AdminUser,
			"PGPASSWORD="+tn.server.AdminPassword, "PGDATABASE="+tn.server.Database,
			"PGSSLMODE=verify-full", "PGSSLROOTCERT="+filepath.Join(dir, "ca.crt"))
		raw, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", block[1], err, raw)
		}
		output.Write(raw)
	}
	for _, want := range []string{result.SHA256, "TABLE DATA " + tn.schema + " contact", "contact|250", "appointment|250", "mail_outbox|0"} {
		if !strings.Contains(output.String(), want) {
			t.Errorf("%q is not in the output:\n%s", want, output.String())
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.dump")); len(left) != 0 {
		t.Errorf("decrypted data is left: %v", left)
	}
}
