// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"testing"
	"time"
)

// Acceptance 3, by arithmetic alone: 400 days of a backup and an expiry every 12 hours. At no moment is a backup older
// than 90 days, none goes earlier than it must, and each lock has ended by the run that takes its backup, however far
// apart the clocks may be.
func TestOverFourHundredDaysNothingOutlivesItsPeriodAndNoLockOutlivesExpiry(t *testing.T) {
	const period, interval, days = 90 * 24 * time.Hour, 12 * time.Hour, 400
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var kept []time.Time
	for step := range days * 2 {
		now := begin.Add(time.Duration(step) * interval)
		e := expiry{now: now, period: period, ahead: interval}
		var left []time.Time
		for _, start := range kept {
			if !e.due(start) {
				left = append(left, start)
				continue
			}
			if lock := start.Add(e.period - e.ahead - ClockSkew); now.Add(-ClockSkew).Before(lock) {
				t.Fatalf("at %s expiry meets a lock until %s by a store's clock", now, lock)
			}
			if now.Sub(start) < period-2*interval {
				t.Fatalf("at %s a backup of %s goes too early", now, start)
			}
		}
		kept = append(left, now)
		// Until the very moment of the next run.
		if oldest := now.Add(interval).Sub(kept[0]); oldest > period {
			t.Fatalf("before the run after %s a backup is %s old", now, oldest)
		}
		// As many as fit: no backup is missing from the middle.
		if want := min(step+1, int(period/interval)-1); len(kept) != want && len(kept) != want+1 {
			t.Fatalf("at %s %d backups are kept, want about %d", now, len(kept), want)
		}
	}
}
