// SPDX-License-Identifier: Apache-2.0

package operator

import "testing"

func TestTheMemoryLimitIsTheBudgetUntilWhatLivesNeedsMore(t *testing.T) {
	for name, c := range map[string]struct {
		tenants      int
		live, beside uint64
		want         int64
	}{
		"no tenants":                     {0, 8 << 20, 9 << 20, 27 << 20},
		"a thousand":                     {1000, 40 << 20, 16 << 20, 27<<20 + 1000*43<<10},
		"a thousand that are large":      {1000, 80 << 20, 20 << 20, 110 << 20},
		"few beside much else":           {4, 16 << 20, 60 << 20, 78 << 20},
		"nothing is known of what lives": {60, 0, 0, 27<<20 + 60*43<<10},
	} {
		if got := memoryLimit(c.tenants, c.live, c.beside); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
