// SPDX-License-Identifier: Apache-2.0

package operator

import "testing"

func TestTheMemoryLimitIsTheBudgetUntilWhatLivesNeedsMore(t *testing.T) {
	for name, c := range map[string]struct {
		tenants int
		live    uint64
		want    int64
	}{
		"no tenants":                     {0, 4 << 20, 22 << 20},
		"a thousand":                     {1000, 50 << 20, 22<<20 + 1000*50<<10},
		"a thousand that are large":      {1000, 80 << 20, 100 << 20},
		"nothing is known of what lives": {60, 0, 22<<20 + 60*50<<10},
	} {
		if got := memoryLimit(c.tenants, c.live); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
