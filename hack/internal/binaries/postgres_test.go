// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLinksOfAPackageStayInTheirFolder(t *testing.T) {
	root := t.TempDir()
	list := filepath.Join(root, "links.json")
	for content, good := range map[string]bool{
		`[{"source": "lib/libpq.so.5.18", "target": "lib/libpq.so"}]`: true,
		`[{"source": "lib/libpq.so.5.18", "target": "../libpq.so"}]`:  false,
		`[{"source": "/etc/passwd", "target": "lib/x"}]`:              false,
		`{}`: false,
	} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "lib"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(list, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := linkAll(dir, list); (err == nil) != good {
			t.Errorf("%s: %v", content, err)
		}
	}
}
