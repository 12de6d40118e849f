// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// Invariant 3: the store's own lock keeps a copy until expiry takes it, and not a moment longer.
func TestACopyIsLockedUntilExpiryTakesItAndNoLonger(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 3)
	tn.options.Settings.ExpireAhead = "12h"
	result := tn.run(t)
	deadline := result.SnapshotStart.Add(90 * 24 * time.Hour)
	for i, store := range tn.stores {
		shown := result.Stores[i]
		if shown.Lock != backup.LockHeld || shown.VersionID == "" || shown.LockedUntil == nil ||
			!shown.LockedUntil.Equal(deadline.Add(-12*time.Hour-backup.ClockSkew)) {
			t.Errorf("%s: %+v", store.Name, shown)
		}
		// Nobody deletes it before: neither the keeper, whose clock is wrong, nor the store's administrator.
		for _, kind := range []objectstore.Kind{objectstore.KindDump, objectstore.KindManifest} {
			key := objectstore.Key(tn.schema+"/", *result.SnapshotStart, kind)
			info, err := store.Objects(t).Stat(t.Context(), key, "")
			must(t, err)
			if err := store.Objects(t).DeleteVersion(t.Context(), key, info.VersionID); objectstore.ClassOf(err) != objectstore.ClassAccessDenied {
				t.Errorf("%s: the administrator deletes %s: %v", store.Name, kind, err)
			}
		}
	}
	tn.at(deadline)
	expired, err := tn.expire(t)
	if err == nil || expired.Stores[0].ExpiryError != objectstore.ClassAccessDenied || expired.Stores[0].Expired != 0 {
		t.Errorf("by a clock that is wrong expiry takes it: %+v, %v", expired, err)
	}
}

func TestNoLockIsAskedForThatCouldEndTooLateOrThatTheStoreCannotHold(t *testing.T) {
	for name, c := range map[string]struct {
		stores func(testing.TB, int) []*s3test.Store
		ago    time.Duration
		period string
		want   backup.Locked
	}{
		"a bucket without object lock":    {s3test.StartUnlocked, 0, "90d", backup.LockUnsupported},
		"a clock that is an hour behind":  {s3test.Start, time.Hour, "90d", backup.LockClockSkewed},
		"a clock that is a year ahead":    {s3test.Start, -365 * 24 * time.Hour, "90d", backup.LockClockSkewed},
		"a period shorter than the skews": {s3test.Start, 0, "20m", backup.LockTooShort},
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant(t, c.stores(t, 1), 3)
			tn.at(time.Now().Add(-c.ago))
			tn.options.Settings.Period = v1alpha1.Period(c.period)
			result := tn.run(t)
			if got := result.Stores[0]; got.Lock != c.want || got.LockedUntil != nil || got.Copy != backup.CopyWritten {
				t.Errorf("%+v", got)
			}
		})
	}
}
