// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

func TestParsePeriodReadsWholeMinutesHoursAndDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1m": time.Minute, "15m": 15 * time.Minute, "60m": time.Hour, "12h": 12 * time.Hour, "24h": 24 * time.Hour,
		"1d": 24 * time.Hour, "30d": 720 * time.Hour, "120d": 2880 * time.Hour, "99999d": 99999 * 24 * time.Hour,
	} {
		t.Run(text, func(t *testing.T) {
			got, err := v1alpha1.ParsePeriod(text)
			if err != nil || got != want {
				t.Errorf("ParsePeriod(%q) = %v, %v; want %v", text, got, err, want)
			}
			if got, err = v1alpha1.Period(text).Duration(); err != nil || got != want {
				t.Errorf("Period(%q).Duration() = %v, %v; want %v", text, got, err, want)
			}
		})
	}
}

// A default of 0 meaning "off", and months that differ in length, are among the traps of requirements.md.
func TestParsePeriodRefusesWhatCannotBePromisedAndNamesTheMend(t *testing.T) {
	for why, text := range map[string]string{
		"empty": "", "no unit": "30", "no number": "d", "zero minutes": "0m", "zero days": "0d", "leading zero": "01d",
		"negative": "-1d", "plus sign": "+1d", "fraction": "1.5h", "month": "1mo", "month in capitals": "1M", "year": "1y",
		"seconds": "30s", "two units": "1d12h", "spaces inside": "1 d", "spaces around": " 1d", "line end": "1d\n",
		"too many digits": "100000d", "other digits": "١d", "capital unit": "30D", "hexadecimal": "0x1d",
	} {
		t.Run(why, func(t *testing.T) {
			got, err := v1alpha1.ParsePeriod(text)
			if err == nil || got != 0 {
				t.Fatalf("ParsePeriod(%q) = %v, %v; want an error and nothing else", text, got, err)
			}
			if !strings.Contains(err.Error(), "such as 60m, 12h or 30d") {
				t.Errorf("the error does not say how to write a period: %v", err)
			}
		})
	}
}

func TestFormatPeriodWritesTheLargestExactUnit(t *testing.T) {
	for want, length := range map[v1alpha1.Period]time.Duration{
		"15m": 15 * time.Minute, "1h": time.Hour, "90m": 90 * time.Minute, "12h": 12 * time.Hour, "1d": 24 * time.Hour,
		"36h": 36 * time.Hour, "30d": 720 * time.Hour, "1m": time.Second, "2m": time.Minute + time.Nanosecond,
	} {
		if got := v1alpha1.FormatPeriod(length); got != want {
			t.Errorf("FormatPeriod(%v) = %q; want %q", length, got, want)
		}
	}
}

// FuzzParsePeriod holds the parser against the rule in the CRD: what one accepts the other does, so that no object the
// API server took has a period the operator cannot read.
func FuzzParsePeriod(f *testing.F) {
	rule := periodRule(f)
	for _, seed := range []string{"30d", "60m", "12h", "0d", "-1d", "1M", "99999m", "100000d", "1d\n", "", "d", "٣d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		length, err := v1alpha1.ParsePeriod(text)
		if accepted := rule.MatchString(text); accepted != (err == nil) {
			t.Fatalf("ParsePeriod(%q) gives %v, but the CRD's rule says %v", text, err, accepted)
		}
		if err != nil {
			if length != 0 {
				t.Fatalf("ParsePeriod(%q) gives a length beside an error: %v", text, length)
			}
			return
		}
		if length <= 0 {
			t.Fatalf("ParsePeriod(%q) = %v: a period is never zero nor negative", text, length)
		}
		again, err := v1alpha1.FormatPeriod(length).Duration()
		if err != nil || again != length {
			t.Fatalf("%q becomes %q, which reads as %v, %v; want %v", text, v1alpha1.FormatPeriod(length), again, err, length)
		}
	})
}

// periodRule is the expression the API server holds periods against, taken from the generated CRD.
func periodRule(tb testing.TB) *regexp.Regexp {
	tb.Helper()
	crd, err := os.ReadFile("../../config/crd/bases/booking.termintreu.dev_retentionpolicies.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	found := regexp.MustCompile(`self\.matches\('([^']*\[mhd\]\$)'\)`).FindSubmatch(crd)
	if found == nil {
		tb.Fatal("the CRD of RetentionPolicy no longer has a rule for periods")
	}
	// CEL and Go share RE2, where $ without flags is the end of the text.
	return regexp.MustCompile(string(found[1]))
}
