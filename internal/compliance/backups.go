// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// uploadGrace is how long after its snapshot start a backup may still be on its way to a store.
func uploadGrace(maximumAge time.Duration) time.Duration { return min(10*time.Minute, maximumAge/4) }

// expiryGrace is how long before the end of its period a backup may be gone already, since expiry runs ahead of the
// deadline: half the period, but never more than a day.
func expiryGrace(period time.Duration) time.Duration { return min(period/2, 24*time.Hour) }

// backups: every backup lies at every store of the plan, the newest is young enough, and none outlives its period
// (invariant 3; B1, B2).
func backups(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := Finding{Type: v1alpha1.ConditionBackupsCurrent}
	var unknown []string
	seen := map[time.Time]bool{}
	for _, store := range p.Backup.Stores {
		probe := Finding{}
		if !fresh(e.Stores[store.Name], "store "+store.Name, &probe, clock) {
			unknown = append(unknown, probe.Message)
			f.Reason = probe.Reason
			continue
		}
		f.support(probe.ValidUntil)
		judgeStore(p, store.Name, e.Stores[store.Name].Value, &f, clock)
		for _, snapshot := range e.Stores[store.Name].Value.Backups {
			seen[snapshot] = true
		}
	}
	for _, store := range p.Backup.Stores {
		if sample := e.Stores[store.Name]; sample.Err == nil && !sample.At.IsZero() {
			judgeCopies(p, store.Name, sample, seen, &f, clock)
		}
	}
	young := len(seen) == 0 && clock.Now.Sub(p.Backup.Since) <= p.Backup.MaximumAge
	switch {
	case young && len(unknown) == 0 && f.Reason == v1alpha1.ReasonCopyMissing:
		f = Finding{Type: f.Type, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonNoEvidence, Message: "the first backup has not finished yet"}
	case f.Status == metav1.ConditionFalse:
	case len(unknown) > 0:
		f.Status, f.Message, f.ValidUntil = metav1.ConditionUnknown, strings.Join(unknown, "; "), time.Time{}
	case len(p.Backup.Stores) == 0:
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the plan names no store"
	default:
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("%d backups at each of %d stores, the newest from %s", len(seen), len(p.Backup.Stores), stamp(newest(seen)))
	}
	return f
}

// judgeStore looks at one store by itself: is its newest backup young enough, its oldest within the period?
func judgeStore(p *plan.Plan, name string, store Store, f *Finding, clock Clock) {
	if len(store.Backups) == 0 {
		f.fail(v1alpha1.ReasonCopyMissing, "store %s holds no backup", name)
	} else if age := clock.Now.Sub(store.Backups[0]); age > p.Backup.MaximumAge {
		f.fail(v1alpha1.ReasonCopyMissing, "store %s: the newest backup is from %s, older than %s", name, stamp(store.Backups[0]), v1alpha1.FormatPeriod(p.Backup.MaximumAge))
	}
	if oldest := store.OldestVersion; oldest != nil && clock.Now.After(oldest.Add(p.Backup.Period+p.Backup.Tolerance)) {
		f.fail(v1alpha1.ReasonBackupOverdue, "store %s still holds a backup from %s, past its period of %s", name, stamp(*oldest), v1alpha1.FormatPeriod(p.Backup.Period))
	}
}

// judgeCopies compares a store with the others: a backup that lies elsewhere and should lie here is missing, which is
// how an object deleted behind our back is noticed.
func judgeCopies(p *plan.Plan, name string, sample Sample[Store], seen map[time.Time]bool, f *Finding, clock Clock) {
	missing, first := 0, time.Time{}
	for snapshot := range seen {
		onItsWay := sample.At.Sub(snapshot) < uploadGrace(p.Backup.MaximumAge)
		expiring := !sample.At.Before(snapshot.Add(p.Backup.Period - expiryGrace(p.Backup.Period)))
		if onItsWay || expiring || slices.Contains(sample.Value.Backups, snapshot) {
			continue
		}
		missing++
		if first.IsZero() || snapshot.Before(first) {
			first = snapshot
		}
	}
	if missing > 0 {
		f.fail(v1alpha1.ReasonCopyMissing, "store %s lacks %d of the backups other stores hold, the first from %s", name, missing, stamp(first))
	}
}

func newest(seen map[time.Time]bool) time.Time {
	var last time.Time
	for snapshot := range seen {
		if snapshot.After(last) {
			last = snapshot
		}
	}
	return last
}
