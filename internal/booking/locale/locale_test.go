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
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking/locale"
)

var (
	placeholder = regexp.MustCompile(`\{[a-z]+\}`)
	plural      = regexp.MustCompile(`^(.+)\.(zero|one|two|few|many|other)$`)
)

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
	for _, file := range files {
		area := regexp.MustCompile(`[a-z]{2}\.json$`).ReplaceAllString(file, "")
		german, other := read(t, area+"de.json"), read(t, file)
		for _, key := range slices.Sorted(maps.Keys(german)) {
			if _, found := other[key]; !found {
				t.Errorf("%s does not say %s", file, key)
			}
		}
		for key, message := range other {
			said, known := german[key]
			if counted := plural.FindStringSubmatch(key); counted != nil {
				said, known = german[counted[1]+".other"]
			}
			if !known {
				t.Errorf("%s says %s, which the German file does not", file, key)
			}
			got, want := placeholder.FindAllString(message, -1), placeholder.FindAllString(said, -1)
			slices.Sort(got)
			slices.Sort(want)
			if message == "" || !slices.Equal(slices.Compact(got), slices.Compact(want)) {
				t.Errorf("%s: %s has placeholders %v, want %v", file, key, got, want)
			}
		}
	}
}

func TestPeriodsAreWrittenInWords(t *testing.T) {
	for tag, periods := range map[string]map[string]string{
		"de": {"30d": "30 Tage", "1d": "1 Tag", "12h": "12 Stunden", "1m": "1 Minute", "": "", "d": "d"},
		"fr": {"0d": "0 jour", "1d": "1 jour", "30d": "30 jours", "2h": "2 heures"},
		"it": {"0d": "0 giorni", "1h": "1 ora", "15m": "15 minuti"},
		"uk": {"1d": "1 день", "2d": "2 дні", "5d": "5 днів", "11d": "11 днів", "14d": "14 днів", "21d": "21 день", "22h": "22 години", "112m": "112 хвилин"},
	} {
		for period, want := range periods {
			if got := locale.Get(tag).Period(v1alpha1.Period(period)); got != want {
				t.Errorf("%s: %s is %q, want %q", tag, period, got, want)
			}
		}
	}
}

func TestEveryCountHasItsForm(t *testing.T) {
	for _, tag := range []string{"de", "en", "fr", "it", "uk"} {
		for count := range 400 {
			for _, unit := range []string{"period.d", "period.h", "period.m"} {
				if _, err := locale.Get(tag).T(unit + "." + locale.Get(tag).Form(count)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestDatesAreWrittenAsTheLanguageWritesThem(t *testing.T) {
	day := time.Date(2026, time.June, 1, 0, 0, 0, 0, time.UTC)
	for tag, want := range map[string]string{"de": "Montag, 1. Juni 2026", "en": "Monday, 1 June 2026", "fr": "lundi 1 juin 2026",
		"it": "lunedì 1 giugno 2026", "uk": "понеділок, 1 червня 2026 р."} {
		if got := locale.Get(tag).Date(day); got != want {
			t.Errorf("%s writes %q, want %q", tag, got, want)
		}
	}
}

func TestAMessageThatDoesNotExistIsAnError(t *testing.T) {
	if _, err := locale.Get("de").T("no.such.key"); err == nil {
		t.Error("a page with a hole would be sent")
	}
}
