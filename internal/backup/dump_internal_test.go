// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"strings"
	"testing"
)

func TestTheVersionOfPgDumpIsReadFromWhatItPrints(t *testing.T) {
	for output, want := range map[string]int{
		"pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": 15,
		"pg_dump (PostgreSQL) 9.6.24\n":                         9,
		"pg_dump (PostgreSQL) 19beta1\n":                        19,
		"pg_dump (PostgreSQL) \n":                               0,
		"pg_dump (PostgreSQL) devel":                            0,
		"":                                                      0,
	} {
		_, major, err := parseClientVersion(output)
		if major != want || (err == nil) != (want > 0) {
			t.Errorf("%q gives %d, %v", output, major, err)
		}
	}
}

func FuzzParseClientVersion(f *testing.F) {
	f.Add("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n")
	f.Fuzz(func(t *testing.T, output string) {
		version, major, err := parseClientVersion(output)
		if err == nil && (major < 0 || !strings.Contains(output, version)) {
			t.Errorf("%q gives %q, %d", output, version, major)
		}
	})
}

func TestOnlyPgDumpsOwnSentenceIsRepeated(t *testing.T) {
	for name, c := range map[string]struct{ stderr, want string }{
		"nothing":         {"", "it gave no reason"},
		"no error":        {"Segmentation fault\n", "it gave no reason"},
		"details left":    {"pg_dump: warning: w\npg_dump: error: it broke\npg_dump: detail: (name)=(Geheimnis)\n", "it broke"},
		"on one line too": {"pg_dump: error: it broke DETAIL: (name)=(Geheimnis)\n", "it broke "},
		"cut off":         {"pg_dump: error: " + strings.Repeat("x", 1000), strings.Repeat("x", 300)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := firstErrorOf("pg_dump", c.stderr); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}
