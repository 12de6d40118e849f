// SPDX-License-Identifier: Apache-2.0

package locale_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking/locale"
)

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

func read(t *testing.T, file string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	messages := map[string]string{}
	if err := json.Unmarshal(raw, &messages); err != nil {
		t.Fatal(err)
	}
	return messages
}

func TestEveryLanguageSaysTheSameThings(t *testing.T) {
	files, err := filepath.Glob("*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d languages, error %v", len(files), err)
	}
	german := read(t, "de.json")
	for _, file := range files {
		other := read(t, file)
		if got, want := slices.Sorted(maps.Keys(other)), slices.Sorted(maps.Keys(german)); !slices.Equal(got, want) {
			t.Errorf("%s and de.json have different keys", file)
		}
		for key, message := range other {
			got, want := placeholder.FindAllString(message, -1), placeholder.FindAllString(german[key], -1)
			slices.Sort(got)
			slices.Sort(want)
			if message == "" || !slices.Equal(slices.Compact(got), slices.Compact(want)) {
				t.Errorf("%s: %s has placeholders %v, want %v", file, key, got, want)
			}
		}
	}
}

func TestPeriodsAreWrittenInWords(t *testing.T) {
	words := locale.Get("de")
	for period, want := range map[string]string{"30d": "30 Tage", "1d": "1 Tag", "12h": "12 Stunden", "1m": "1 Minute", "": "", "d": "d"} {
		if got := words.Period(v1alpha1.Period(period)); got != want {
			t.Errorf("%s is %q, want %q", period, got, want)
		}
	}
}

func TestAMessageThatDoesNotExistIsAnError(t *testing.T) {
	if _, err := locale.Get("de").T("no.such.key"); err == nil {
		t.Error("a page with a hole would be sent")
	}
}
