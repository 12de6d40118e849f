// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
)

// A case of abuse keeps the lines of one address and no other (A3), and gives them up when it is ended by hand.
func TestAHoldKeepsLinesOfOneAddressUntilItIsEnded(t *testing.T) {
	m := newMounted(t, accessLogRule(), postgres.Rule{
		Category: v1alpha1.CategoryAbuseCase, StartEvent: v1alpha1.StartCaseOpened, Period: 60 * 24 * time.Hour, Action: v1alpha1.ActionDelete,
	})
	m.logLine(t, "192.0.2.1")
	m.logLine(t, "192.0.2.1")
	m.logLine(t, "192.0.2.2")
	held := []string{"--kind", "AbuseCase", "--reference", "case-7"}
	for _, step := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{"opening", append([]string{"hold", "open", "--category", "AccessLog", "--record", "192.0.2.1", "--for", "48h"}, held...), "2 records are held until 20"},
		{"a dry run", []string{"retain", "--dry-run"}, "AccessLog 1h Delete 3 1 2"},
		{"a purge", []string{"retain"}, "AccessLog 1 0 1"},
		{"ending", append([]string{"hold", "end"}, held...), "2 holds have ended"},
		{"ending again", append([]string{"hold", "end"}, held...), "0 holds have ended"},
		{"a purge after it", []string{"retain"}, "AccessLog 2 0 1"},
	} {
		printed, _, err := m.run(t, step.arguments...)
		if err != nil || !strings.Contains(printed, step.want) {
			t.Errorf("%s: %v, printed\n%s", step.name, err, printed)
		}
	}
}

// What the schema refuses, it refuses in a sentence that says the mend.
func TestAHoldThatMayNotBeIsRefusedInWords(t *testing.T) {
	m := newMounted(t, accessLogRule())
	m.logLine(t, "192.0.2.1")
	for name, c := range map[string]struct {
		arguments []string
		want      string
	}{
		"no reference":      {[]string{"--category", "AccessLog", "--for", "48h"}, "case reference"},
		"no length":         {[]string{"--category", "AccessLog", "--reference", "x"}, "must end after now"},
		"more than a year":  {[]string{"--category", "AccessLog", "--reference", "x", "--for", "9000h"}, "366 days"},
		"a journal":         {[]string{"--category", "ErasureJournal", "--reference", "x", "--for", "48h"}, "cannot be held"},
		"a case of no rule": {[]string{"--category", "AccessLog", "--reference", "x", "--for", "48h", "--kind", "AbuseCase"}, "no rule for AbuseCase"},
	} {
		_, _, err := m.run(t, append([]string{"hold", "open", "--record", "192.0.2.1"}, c.arguments...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
