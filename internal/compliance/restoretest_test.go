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

// Issue 5: a backup nobody ever restored is a hope.
func TestABackupIsProvenByARestoreOnTrialThatIsNotTooOld(t *testing.T) {
	audited := func(change func(*compliance.Sample[compliance.Retention])) func(*plan.Plan, *compliance.Evidence) {
		return func(_ *plan.Plan, e *compliance.Evidence) { change(&e.Retention) }
	}
	proven := func(age time.Duration) func(*plan.Plan, *compliance.Evidence) {
		return audited(func(s *compliance.Sample[compliance.Retention]) {
			at := ago(age)
			s.Value.RestoreTest.ProvenAt, s.Value.RestoreTest.TestedAt = &at, at
		})
	}
	unknown, broken := metav1.ConditionUnknown, metav1.ConditionFalse
	expectVerdicts(t, v1alpha1.ConditionBackupsCurrent, map[string]verdict{
		"yesterday":                         {proven(days), metav1.ConditionTrue, v1alpha1.ReasonMeasured, []string{"restored on trial", "18 tables and 4711 rows"}},
		"a week ago, and no backup since":   {proven(7*days + 12*time.Hour), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"more than a week and a backup ago": {proven(7*days + 13*time.Hour), unknown, v1alpha1.ReasonRestoreUntested, []string{"last restored on trial", "every 7d"}},
		"never":                             {audited(func(s *compliance.Sample[compliance.Retention]) { s.Value.RestoreTest = nil }), unknown, v1alpha1.ReasonRestoreUntested, []string{"no backup was restored"}},
		"never, of a tenant without a backup": {func(_ *plan.Plan, e *compliance.Evidence) {
			e.Retention.Value.RestoreTest = nil
			for name := range e.Stores {
				setBackups(e, name)
			}
		}, broken, v1alpha1.ReasonCopyMissing, nil},
		"the last differs": {audited(func(s *compliance.Sample[compliance.Retention]) { s.Value.RestoreTest.Differing = 2 }), broken, v1alpha1.ReasonRestoreDiffers, []string{"in 2 tables"}},
		"the first differs": {audited(func(s *compliance.Sample[compliance.Retention]) {
			s.Value.RestoreTest = &compliance.RestoreTest{TestedAt: ago(days), Differing: 1}
		}), broken, v1alpha1.ReasonRestoreDiffers, nil},
		"the database does not answer": {audited(func(s *compliance.Sample[compliance.Retention]) { s.Err = errors.New("refused") }), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"nobody can say whether ever": {audited(func(s *compliance.Sample[compliance.Retention]) {
			s.Value.RestoreTest, s.Err = nil, errors.New("refused")
		}), unknown, v1alpha1.ReasonMeasurementFailed, []string{"whether a backup was ever restored"}},
		"nobody asks for it": {func(p *plan.Plan, e *compliance.Evidence) {
			p.Backup.RestoreTestEvery, e.Retention.Value.RestoreTest = 0, nil
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
	})
}

// Art. 17 GDPR: hidden is not erased.
func TestAnErasureThatWaitsTooLongForAStoreIsABreach(t *testing.T) {
	asked := ago(20 * time.Hour)
	expectVerdicts(t, v1alpha1.ConditionRetentionEnforced, map[string]verdict{
		"some wait": {func(_ *plan.Plan, e *compliance.Evidence) {
			e.Retention.Value.Erasures = &compliance.Erasures{Waiting: 3, Oldest: &asked}
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"too long": {func(_ *plan.Plan, e *compliance.Evidence) {
			e.Retention.Value.Erasures = &compliance.Erasures{Waiting: 3, Overdue: 2, Oldest: &asked}
		},
			metav1.ConditionFalse, v1alpha1.ReasonErasureOverdue, []string{"2 erasures", "13h", asked.Format(time.RFC3339), "the next backup that reaches a store"}},
		"nobody counts them": {func(p *plan.Plan, e *compliance.Evidence) {
			p.Database.Rules = append(p.Database.Rules, plan.Rule{Category: v1alpha1.CategoryErasureJournal, Period: 120 * days, Action: v1alpha1.ActionDelete})
			e.Retention.Value.Categories = append(e.Retention.Value.Categories, compliance.Category{Category: v1alpha1.CategoryErasureJournal, Period: 120 * days, Action: v1alpha1.ActionDelete})
			e.Retention.Value.Erasures = nil
		}, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"how long erasures wait"}},
		"a copy of a killed trial": {func(p *plan.Plan, e *compliance.Evidence) { p.DataID, e.Retention.Value.ScratchLeft = "t123", true },
			metav1.ConditionFalse, v1alpha1.ReasonScratchLeft, []string{"cronjob/t123-backup"}},
	})
}
