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

// expiryGrace is how long before the end of its period a backup may be gone already: as far as expiry runs ahead of the
// deadline, and half the period but never more than a day for expiry by another schedule than today's.
func expiryGrace(b plan.Backup) time.Duration {
	return max(b.ExpireAhead, min(b.Period/2, 24*time.Hour))
}

// backups: every backup lies at every store of the plan, the newest is young enough, and none outlives its period
// (invariant 3; B1, B2).
func backups(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := Finding{Type: v1alpha1.ConditionBackupsCurrent}
	measured, unmeasured := measuredStores(p, e, &f, clock)
	copies := map[time.Time]int{}
	for _, name := range measured {
		for _, snapshot := range slices.Compact(slices.Clone(e.Stores[name].Value.Backups)) {
			copies[snapshot]++
		}
	}
	for _, name := range measured {
		judgeStore(p, name, e.Stores[name].Value, &f, clock)
	}
	for _, name := range measured {
		judgeCopies(p, name, e.Stores[name], copies, &f)
	}
	unmeasured = append(unmeasured, judgeKept(p, measured, e, &f, clock)...)
	if len(copies) > 0 {
		unmeasured = append(unmeasured, judgeRestoreTest(p, e, &f, clock)...)
	}
	f.conclude(p, copies, unmeasured)
	if test := e.Retention.Value.RestoreTest; f.Status == metav1.ConditionTrue && test != nil && test.ProvenAt != nil {
		f.Message += fmt.Sprintf("; one restored on trial at %s was equal in %d tables and %d rows", stamp(*test.ProvenAt), test.Tables, test.Rows)
	}
	return f
}

// measuredStores names the stores that can support a verdict, and the probes of those that cannot. What a store showed
// too long ago is worth nothing against it either: it may have been mended since.
func measuredStores(p *plan.Plan, e *Evidence, f *Finding, clock Clock) (measured []string, unmeasured []Finding) {
	for _, store := range p.Backup.Stores {
		probe := Finding{}
		if !fresh(e.Stores[store.Name], "store "+store.Name, &probe, clock) {
			unmeasured = append(unmeasured, probe)
			continue
		}
		f.support(probe.ValidUntil)
		measured = append(measured, store.Name)
	}
	return measured, unmeasured
}

// conclude gives a finding that did not fail its status: True needs every store measured and one backup at all of them.
func (f *Finding) conclude(p *plan.Plan, copies map[time.Time]int, unmeasured []Finding) {
	complete, newest := 0, time.Time{}
	for snapshot, stores := range copies {
		if stores < len(p.Backup.Stores) {
			continue
		}
		complete++
		if snapshot.After(newest) {
			newest = snapshot
		}
	}
	switch {
	case f.Status == metav1.ConditionFalse:
	case len(unmeasured) > 0:
		reasons := make([]string, 0, len(unmeasured))
		for _, probe := range unmeasured {
			reasons = append(reasons, probe.Message)
		}
		f.Status, f.Reason, f.Message, f.ValidUntil = metav1.ConditionUnknown, unmeasured[0].Reason, strings.Join(reasons, "; "), time.Time{}
	case len(p.Backup.Stores) == 0:
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the plan names no store"
	case complete == 0:
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the first backup has not finished yet: none lies at every store"
	default:
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("%d backups at each of %d stores, the newest from %s", complete, len(p.Backup.Stores), stamp(newest))
	}
}

// judgeStore looks at one store by itself: is its newest backup young enough, its oldest within the period? A tenant
// younger than its newest backup may be old need not have one yet.
func judgeStore(p *plan.Plan, name string, store Store, f *Finding, clock Clock) {
	young := clock.Now.Sub(p.Backup.Since) <= p.Backup.MaximumAge
	if len(store.Backups) == 0 {
		if !young {
			f.fail(v1alpha1.ReasonCopyMissing, "store %s holds no backup", name)
		}
	} else if age := clock.Now.Sub(store.Backups[0]); age > p.Backup.MaximumAge {
		f.fail(v1alpha1.ReasonCopyMissing, "store %s: the newest backup is from %s, older than %s", name, stamp(store.Backups[0]), v1alpha1.FormatPeriod(p.Backup.MaximumAge))
	}
	if oldest := store.OldestVersion; oldest != nil && clock.Now.After(oldest.Add(p.Backup.Period).Add(p.Backup.Tolerance)) {
		f.fail(v1alpha1.ReasonBackupOverdue, "store %s still holds a backup from %s, past its period of %s", name, stamp(*oldest), v1alpha1.FormatPeriod(p.Backup.Period))
	}
}

// judgeCopies compares a store with the others: a backup that lies elsewhere and should lie here is missing, which is
// how an object deleted behind our back is noticed.
func judgeCopies(p *plan.Plan, name string, sample Sample[Store], copies map[time.Time]int, f *Finding) {
	missing, first := 0, time.Time{}
	for snapshot := range copies {
		onItsWay := sample.At.Sub(snapshot) < uploadGrace(p.Backup.MaximumAge)
		expiring := !sample.At.Before(snapshot.Add(p.Backup.Period - expiryGrace(p.Backup)))
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
