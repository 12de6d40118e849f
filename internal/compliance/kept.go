// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// CopyEvidenceAge is how old a look at a newest backup may be. It is longer than that of a listing, since a lock that was
// seen cannot be taken back, and each look costs requests per tenant.
const CopyEvidenceAge = time.Hour

// judgeKept looks at the newest backup of each store: can nobody delete it before its time, will expiry be able to when
// it is due, and was it shown to be restorable? It gives what a claim lacks evidence of (invariant 7).
func judgeKept(p *plan.Plan, measured []string, e *Evidence, f *Finding, clock Clock) (unknown []Finding) {
	required, shown := false, false
	for _, store := range p.Backup.Stores {
		if !slices.Contains(measured, store.Name) {
			continue
		}
		found := e.Stores[store.Name].Value
		if len(found.Backups) == 0 {
			continue // judgeStore has said what that means
		}
		must := store.ObjectLock == v1alpha1.ObjectLockRequired
		required = required || must
		probe := Finding{}
		if !looked(store.Name, found, &probe, clock) {
			if must {
				unknown = append(unknown, probe)
			}
			continue
		}
		shown = shown || found.Newest.Value.Shown != nil
		if must {
			f.support(probe.ValidUntil)
		}
		judgeLock(p, store.Name, found.Newest.Value, must, f, clock)
	}
	if required && !shown && len(unknown) == 0 {
		unknown = append(unknown, Finding{
			Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonRestorableUnproven,
			Message: "the newest backup was not shown to be restorable: no manifest says that it was decrypted and listed; the next backup of this release will say so",
		})
	}
	return unknown
}

// looked tells whether the newest backup of a store was looked at, and not too long ago.
func looked(name string, found Store, probe *Finding, clock Clock) bool {
	what := fmt.Sprintf("the newest backup at store %s", name)
	sample := found.Newest
	if sample.Err == nil && !sample.Value.Snapshot.Equal(found.Backups[0]) {
		sample = Sample[Copy]{}
	}
	return fresh(sample, what, probe, Clock{Now: clock.Now, MaxEvidenceAge: max(CopyEvidenceAge, clock.MaxEvidenceAge)})
}

func judgeLock(p *plan.Plan, name string, c Copy, required bool, f *Finding, clock Clock) {
	compliant := c.LockMode == string(v1alpha1.LockModeCompliance)
	switch deadline := c.Snapshot.Add(p.Backup.Period).Add(p.Backup.Tolerance); {
	case compliant && c.LockedUntil.After(deadline):
		f.fail(v1alpha1.ReasonLockOutlivesPeriod, "store %s: the newest backup, from %s, is locked until %s, so that nobody can delete it at the end of its period of %s",
			name, stamp(c.Snapshot), stamp(c.LockedUntil), v1alpha1.FormatPeriod(p.Backup.Period))
	case required && !compliant:
		f.fail(v1alpha1.ReasonCopyUnlocked, "store %s: the newest backup, from %s, shows %s instead of a lock in mode COMPLIANCE, which the region requires: the result of the backup's Job says why",
			name, stamp(c.Snapshot), lockWords(c))
	case required && !c.LockedUntil.After(clock.Now):
		f.fail(v1alpha1.ReasonCopyUnlocked, "store %s: the lock of the newest backup, from %s, ended at %s: the result of the backup's Job says why",
			name, stamp(c.Snapshot), stamp(c.LockedUntil))
	}
}

func lockWords(c Copy) string {
	if c.LockMode == "" {
		return "no lock"
	}
	return "a lock in mode " + c.LockMode
}
