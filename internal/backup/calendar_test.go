// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// Acceptance 3 at real stores, scaled: a period of two days instead of ninety, six days of 12-hourly runs. Buckets do not
// lock here, since a lock ends by the store's own clock and this one is moved. In the middle a store is down for a day
// and then has everything again.
func TestOverManyPeriodsNothingIsTooOldAnywhereAndTheNewestIsEverywhere(t *testing.T) {
	tn := newTenant(t, s3test.StartUnlocked(t, 3), 1)
	tn.options.Settings.Period, tn.options.Settings.ExpireAhead = "2d", "12h"
	tn.options.Timeout = 5 * time.Second
	const steps, down, up = 12, 5, 7
	begin := time.Now().Add(-steps * 12 * time.Hour).UTC().Truncate(time.Second)
	for step := range steps {
		now := begin.Add(time.Duration(step) * 12 * time.Hour)
		switch step {
		case down:
			tn.stores[1].Stop()
		case up:
			tn.stores[1].Restart(t)
		}
		isDown := step >= down && step < up
		tn.at(now)
		result, err := backup.Run(t.Context(), tn.options)
		tn.at(now.Add(time.Minute))
		_, expireErr := tn.expire(t)
		if (err != nil || expireErr != nil) != isDown {
			t.Fatalf("step %d: %v, %v", step, err, expireErr)
		}
		for i, store := range tn.stores {
			if isDown && i == 1 {
				continue
			}
			got := tn.inventory(t, store)
			if next := now.Add(12 * time.Hour); next.Sub(got.Oldest) > 48*time.Hour {
				t.Errorf("step %d: %s will hold what is %s old before the next run", step, store.Name, next.Sub(got.Oldest))
			}
			if !got.Newest().Equal(*result.SnapshotStart) || len(got.Backups) != min(step+1, 3) {
				t.Errorf("step %d: %s holds %d backups, the newest from %s", step, store.Name, len(got.Backups), got.Newest())
			}
		}
	}
}
