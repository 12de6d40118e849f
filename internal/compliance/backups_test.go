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

func everywhere(e *compliance.Evidence, ages ...time.Duration) {
	for _, store := range []string{"bern", "zug", "chur"} {
		setBackups(e, store, ages...)
	}
}

func spoilStore(e *compliance.Evidence, name string, spoil func(*compliance.Sample[compliance.Store])) {
	sample := e.Stores[name]
	spoil(&sample)
	e.Stores[name] = sample
}

// B2: three copies every twelve hours; B1: none longer than its period.
func TestBackupsAreWhatLiesAtTheStores(t *testing.T) {
	expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
		"the same at every store": {func(*plan.Plan, *compliance.Evidence) {}, metav1.ConditionTrue, v1alpha1.ReasonMeasured,
			[]string{"2 backups at each of 3 stores", now.Add(-time.Hour).Format(time.RFC3339)}},
		"an object deleted behind our back": {func(_ *plan.Plan, e *compliance.Evidence) { setBackups(e, "zug", time.Hour) }, metav1.ConditionFalse, v1alpha1.ReasonCopyMissing,
			[]string{"store zug lacks 1 of the backups other stores hold", now.Add(-13 * time.Hour).Format(time.RFC3339)}},
		"a store that refuses writes": {func(_ *plan.Plan, e *compliance.Evidence) { setBackups(e, "chur", 14*time.Hour) }, metav1.ConditionFalse, v1alpha1.ReasonCopyMissing,
			[]string{"store chur: the newest backup", "older than 13h"}},
		"a store that lost everything": {func(_ *plan.Plan, e *compliance.Evidence) { setBackups(e, "bern") }, metav1.ConditionFalse, v1alpha1.ReasonCopyMissing,
			[]string{"store bern holds no backup"}},
		"no backup since yesterday": {func(_ *plan.Plan, e *compliance.Evidence) { everywhere(e, 25*time.Hour) }, metav1.ConditionFalse, v1alpha1.ReasonCopyMissing,
			[]string{"store bern", "store zug", "store chur"}},
		"a backup past its period": {func(_ *plan.Plan, e *compliance.Evidence) {
			spoilStore(e, "zug", func(s *compliance.Sample[compliance.Store]) {
				oldest := ago(93 * days)
				s.Value.OldestVersion = &oldest
			})
		}, metav1.ConditionFalse, v1alpha1.ReasonBackupOverdue, []string{"store zug still holds a backup from", "past its period of 90d"}},
		"a backup past its period within the tolerance": {func(_ *plan.Plan, e *compliance.Evidence) { everywhere(e, time.Hour, 91*days) }, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
	})
}

func TestBackupsOnTheirWayOrOnTheirWayOutAreNotMissing(t *testing.T) {
	grace := []time.Duration{5 * time.Minute, 12 * time.Hour}
	expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
		"uploaded to two stores so far": {func(_ *plan.Plan, e *compliance.Evidence) {
			everywhere(e, grace...)
			setBackups(e, "chur", 12*time.Hour)
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, []string{"1 backups at each of 3 stores"}},
		"still not uploaded after the grace": {func(_ *plan.Plan, e *compliance.Evidence) {
			everywhere(e, 20*time.Minute, 12*time.Hour)
			setBackups(e, "chur", 12*time.Hour)
		}, metav1.ConditionFalse, v1alpha1.ReasonCopyMissing, []string{"store chur lacks 1"}},
		"expired at one store a little ahead": {func(_ *plan.Plan, e *compliance.Evidence) {
			everywhere(e, time.Hour, 90*days-12*time.Hour)
			setBackups(e, "zug", time.Hour)
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"expired at one store as far ahead as a weekly schedule makes it": {func(p *plan.Plan, e *compliance.Evidence) {
			p.Backup.ExpireAhead = 7 * days
			everywhere(e, time.Hour, 84*days)
			setBackups(e, "zug", time.Hour)
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"gone long before its period": {func(_ *plan.Plan, e *compliance.Evidence) {
			everywhere(e, time.Hour, 88*days)
			setBackups(e, "zug", time.Hour)
		}, metav1.ConditionFalse, v1alpha1.ReasonCopyMissing, []string{"store zug lacks 1"}},
		"listed before the backup began": {func(_ *plan.Plan, e *compliance.Evidence) {
			everywhere(e, time.Minute, 12*time.Hour)
			setBackups(e, "bern", 12*time.Hour)
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
	})
}

func TestBackupsOfANewTenantAreUnknownUntilTheFirstLiesEverywhere(t *testing.T) {
	young := func(then func(*compliance.Evidence)) func(*plan.Plan, *compliance.Evidence) {
		return func(p *plan.Plan, e *compliance.Evidence) {
			p.Backup.Since = ago(time.Hour)
			everywhere(e)
			then(e)
		}
	}
	expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
		"no backup yet": {young(func(*compliance.Evidence) {}), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"first backup has not finished"}},
		"the first is on its way": {young(func(e *compliance.Evidence) { setBackups(e, "bern", 4*time.Minute) }), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence,
			[]string{"first backup has not finished"}},
		"one store not listed yet": {young(func(e *compliance.Evidence) { delete(e.Stores, "zug") }), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence,
			[]string{"store zug has not been measured yet"}},
		"the first never reached one store": {young(func(e *compliance.Evidence) {
			everywhere(e, 30*time.Minute)
			setBackups(e, "chur")
		}), metav1.ConditionFalse, v1alpha1.ReasonCopyMissing, []string{"store chur lacks 1"}},
		"the first is everywhere": {young(func(e *compliance.Evidence) { everywhere(e, 30*time.Minute) }), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
	})
	expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
		"a tenant old enough to have one": {func(p *plan.Plan, e *compliance.Evidence) {
			p.Backup.Since = ago(14 * time.Hour)
			everywhere(e)
		}, metav1.ConditionFalse, v1alpha1.ReasonCopyMissing, []string{"holds no backup"}},
	})
}

func TestBackupsAreUnknownWhenAStoreWasNotSeen(t *testing.T) {
	stale := func(s *compliance.Sample[compliance.Store]) { s.At = ago(time.Hour) }
	failed := func(s *compliance.Sample[compliance.Store]) { s.Err = errors.New("certificate expired") }
	expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
		"stale": {func(_ *plan.Plan, e *compliance.Evidence) { spoilStore(e, "zug", stale) }, metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale,
			[]string{"store zug was last measured"}},
		"never listed": {func(_ *plan.Plan, e *compliance.Evidence) { delete(e.Stores, "zug") }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"store zug"}},
		"listing failed": {func(_ *plan.Plan, e *compliance.Evidence) { spoilStore(e, "chur", failed) }, metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed,
			[]string{"store chur could not be measured: certificate expired"}},
		"two at once": {func(_ *plan.Plan, e *compliance.Evidence) {
			spoilStore(e, "bern", failed)
			spoilStore(e, "zug", stale)
		}, metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed, []string{"store bern could not", "store zug was last"}},
		"no store planned": {func(p *plan.Plan, _ *compliance.Evidence) { p.Backup.Stores = nil }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"names no store"}},
		"a stale listing that lacks a backup accuses nobody": {func(_ *plan.Plan, e *compliance.Evidence) {
			setBackups(e, "zug", time.Hour)
			spoilStore(e, "zug", stale)
		}, metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale, nil},
		"a failure elsewhere keeps its own reason": {func(_ *plan.Plan, e *compliance.Evidence) {
			setBackups(e, "bern", 14*time.Hour)
			spoilStore(e, "chur", stale)
		}, metav1.ConditionFalse, v1alpha1.ReasonCopyMissing, []string{"store bern"}},
	})
}
