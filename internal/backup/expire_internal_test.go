// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"testing"
	"time"
)

// oldestKept tells how old the oldest backup is that a rule keeps, when one is made every interval and the rule runs
// after each.
func oldestKept(interval time.Duration, runs int, keep func(now time.Time, starts []time.Time) []time.Time) (oldest time.Duration) {
	var starts []time.Time
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range runs {
		starts = keep(now, append(starts, now))
		// What is kept lives until the next run at least.
		now = now.Add(interval)
		for _, start := range starts {
			oldest = max(oldest, now.Sub(start))
		}
	}
	return oldest
}

// Keeping "the last backup before the window", so that any moment of it can be restored, makes the true period one
// interval longer than the published one; so does expiry that looks only at what is due already (B1).
func TestNoBackupLivesLongerThanThePeriodNotEvenTheLastBeforeTheWindow(t *testing.T) {
	const period, interval = 90 * 24 * time.Hour, 12 * time.Hour
	ours := oldestKept(interval, 400, func(now time.Time, starts []time.Time) (kept []time.Time) {
		for _, start := range starts {
			if !(expiry{now: now, period: period, ahead: interval}).due(start) {
				kept = append(kept, start)
			}
		}
		return kept
	})
	if ours > period || ours <= period-2*interval {
		t.Errorf("the oldest backup lives %s, want at most %s and no more than two intervals less", ours, period)
	}
	naive := oldestKept(interval, 400, func(now time.Time, starts []time.Time) []time.Time {
		first := 0
		for n, start := range starts {
			if !start.After(now.Add(-period)) {
				first = n // The last before the window stays.
			}
		}
		return starts[first:]
	})
	if naive <= period {
		t.Errorf("keeping the last before the window keeps a backup for %s: this test shows nothing", naive)
	}
}
