// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/export"
)

// Art. 17: what a citizen asked to be erased is handed to nobody, though its rows wait for their journal entry.
func TestAnExportLeavesOutWhatIsHidden(t *testing.T) {
	s := newSite(t, 30*24*time.Hour)
	s.fill(t)
	conn := s.server.Superuser(t, s.database)
	var id string
	must(t, conn.QueryRow(t.Context(), "SELECT appointment_id::text FROM "+s.tenant.DataID+".attachment LIMIT 1").Scan(&id))
	for _, scope := range []export.Scope{{Catalogue: catalogue}, {Catalogue: catalogue, Controller: "both", Offices: offices}} {
		_, err := conn.Exec(t.Context(), "DELETE FROM "+s.tenant.DataID+".erasure_pending")
		must(t, err)
		if raw, _ := write(t, s, scope); mentions(t, raw, id) == 0 {
			t.Fatal("the record is not exported at all")
		}
		_, err = conn.Exec(t.Context(), "INSERT INTO "+s.tenant.DataID+".erasure_pending (subject) VALUES ($1::text::uuid)", id)
		must(t, err)
		raw, _ := write(t, s, scope)
		if n := mentions(t, raw, id); n != 0 {
			t.Errorf("an export of %q names what is hidden in %d files", scope.Controller, n)
		}
	}
}

// mentions counts the files of an archive that hold a text.
func mentions(t *testing.T, raw []byte, text string) (files int) {
	t.Helper()
	archive := tar.NewReader(bytes.NewReader(raw))
	for {
		_, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		content, err := io.ReadAll(archive)
		must(t, err)
		if strings.Contains(string(content), text) {
			files++
		}
	}
}
