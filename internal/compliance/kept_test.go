// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
)

// requiring makes the region require locks of the store zug, and every newest backup a locked one that was listed.
func requiring(then func(*compliance.Sample[compliance.Copy])) func(*plan.Plan, *compliance.Evidence) {
	return func(p *plan.Plan, e *compliance.Evidence) {
		p.Backup.Stores[1].ObjectLock = v1alpha1.ObjectLockRequired
		for _, name := range []string{"bern", "zug", "chur"} {
			spoilStore(e, name, func(s *compliance.Sample[compliance.Store]) {
				snapshot := s.Value.Backups[0]
				s.Value.Newest = compliance.Sample[compliance.Copy]{At: ago(20 * time.Minute), Value: compliance.Copy{
					Snapshot: snapshot, LockMode: "COMPLIANCE", LockedUntil: snapshot.Add(90*days - 12*time.Hour - 15*time.Minute),
					Shown: &compliance.Shown{Proof: v1alpha1.RestoreProofListed, At: snapshot, Store: "bern", Tables: 12},
				}}
			})
		}
		spoilStore(e, "zug", func(s *compliance.Sample[compliance.Store]) { then(&s.Value.Newest) })
	}
}

// Invariant 3, B1: what the region requires of a store's locks is what the store shows, not what it was asked.
func TestALockThatTheRegionRequiresIsOneTheStoreShows(t *testing.T) {
	type look = compliance.Sample[compliance.Copy]
	unknown, broken := metav1.ConditionUnknown, metav1.ConditionFalse
	expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
		"in force":         {requiring(func(*look) {}), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"none":             {requiring(func(l *look) { l.Value.LockMode, l.Value.LockedUntil = "", time.Time{} }), broken, v1alpha1.ReasonCopyUnlocked, []string{"store zug", "shows no lock"}},
		"one to be lifted": {requiring(func(l *look) { l.Value.LockMode = "GOVERNANCE" }), broken, v1alpha1.ReasonCopyUnlocked, []string{"store zug", "GOVERNANCE"}},
		"ended":            {requiring(func(l *look) { l.Value.LockedUntil = ago(time.Second) }), broken, v1alpha1.ReasonCopyUnlocked, []string{"store zug", "ended at"}},
		"never looked at":  {requiring(func(l *look) { *l = look{} }), unknown, v1alpha1.ReasonNoEvidence, []string{"newest backup at store zug has not been measured"}},
		"looked at the one before": {requiring(func(l *look) { l.Value.Snapshot = ago(13 * time.Hour) }), unknown, v1alpha1.ReasonNoEvidence,
			[]string{"newest backup at store zug"}},
		"looked at too long ago":  {requiring(func(l *look) { l.At = ago(2 * time.Hour) }), unknown, v1alpha1.ReasonEvidenceStale, []string{"newest backup at store zug was last"}},
		"looked at in the future": {requiring(func(l *look) { l.At = ago(-2 * time.Hour) }), unknown, v1alpha1.ReasonEvidenceStale, []string{"future"}},
		"the look failed": {requiring(func(l *look) { *l = look{At: ago(time.Minute), Err: errors.New("access denied")} }), unknown, v1alpha1.ReasonMeasurementFailed,
			[]string{"newest backup at store zug could not", "access denied"}},
	})
}

func TestALockBeyondThePeriodIsABreachWhateverTheRegionRequires(t *testing.T) {
	for _, required := range []v1alpha1.ObjectLock{"", v1alpha1.ObjectLockRequired} {
		expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
			"by years " + string(required): {func(p *plan.Plan, e *compliance.Evidence) {
				requiring(func(l *compliance.Sample[compliance.Copy]) { l.Value.LockedUntil = now.Add(3650 * days) })(p, e)
				p.Backup.Stores[1].ObjectLock = required
			}, metav1.ConditionFalse, v1alpha1.ReasonLockOutlivesPeriod, []string{"store zug", "nobody can delete it", "90d"}},
		})
	}
}

// A region that requires no lock claims none: what is not known of one, or not there, turns nothing.
func TestWithoutARequirementAMissingLockTurnsNothing(t *testing.T) {
	optional := func(then func(*compliance.Sample[compliance.Copy])) func(*plan.Plan, *compliance.Evidence) {
		return func(p *plan.Plan, e *compliance.Evidence) {
			requiring(then)(p, e)
			p.Backup.Stores[1].ObjectLock = ""
		}
	}
	type look = compliance.Sample[compliance.Copy]
	expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
		"none":            {optional(func(l *look) { l.Value.LockMode, l.Value.LockedUntil = "", time.Time{} }), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"never looked at": {optional(func(l *look) { *l = look{} }), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
	})
}

// B2: a copy is no backup before it was shown to be one.
func TestABackupNobodyListedIsNotKnownToBeRestorable(t *testing.T) {
	unlisted := func(stores ...string) func(*plan.Plan, *compliance.Evidence) {
		return func(p *plan.Plan, e *compliance.Evidence) {
			requiring(func(*compliance.Sample[compliance.Copy]) {})(p, e)
			for _, name := range stores {
				spoilStore(e, name, func(s *compliance.Sample[compliance.Store]) { s.Value.Newest.Value.Shown = nil })
			}
		}
	}
	expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
		"anywhere":         {unlisted("bern", "zug", "chur"), metav1.ConditionUnknown, v1alpha1.ReasonRestorableUnproven, []string{"not shown to be restorable"}},
		"but at one store": {unlisted("bern", "zug"), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
	})
}

func TestAVerdictOnALockStandsNoLongerThanTheLookAtIt(t *testing.T) {
	p, e := baselPlan(), soundEvidence()
	requiring(func(l *compliance.Sample[compliance.Copy]) { l.At = ago(compliance.CopyEvidenceAge - time.Minute) })(p, e)
	f := find(t, compliance.Judge(p, e, clock), v1alpha1.ConditionBackupsCurrent)
	if f.Status != metav1.ConditionTrue || !f.ValidUntil.Equal(now.Add(time.Minute)) {
		t.Errorf("%s until %s: %s", f.Status, f.ValidUntil, f.Message)
	}
}
