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

func soundNotice(p *plan.Plan) *compliance.Sample[compliance.Notice] {
	return &compliance.Sample[compliance.Notice]{At: ago(time.Minute), Value: compliance.Notice{
		PlanHash: p.Instance.Settings.PlanHash, ContentHash: plan.Hash(p.Instance.Settings.Notice), PlannedSince: ago(time.Hour)}}
}

func TestWhatIsPublishedMustBeWhatIsEnforced(t *testing.T) { // invariant 8
	for name, test := range map[string]struct {
		change func(*compliance.Sample[compliance.Notice])
		status metav1.ConditionStatus
		reason string
	}{
		"the plan's own notice": {func(*compliance.Sample[compliance.Notice]) {}, metav1.ConditionTrue, v1alpha1.ReasonMeasured},
		"another plan's notice": {func(s *compliance.Sample[compliance.Notice]) { s.Value.PlanHash = "older" }, metav1.ConditionFalse, v1alpha1.ReasonNoticeDiffers},
		"other words under the plan's hash": {func(s *compliance.Sample[compliance.Notice]) { s.Value.ContentHash = "forged" },
			metav1.ConditionFalse, v1alpha1.ReasonNoticeDiffers},
		"the last plan's notice just after a change": {func(s *compliance.Sample[compliance.Notice]) {
			s.Value.PlanHash, s.Value.PlannedSince = "older", ago(time.Minute)
		}, metav1.ConditionUnknown, v1alpha1.ReasonNoticeRolling},
		"a site that does not answer": {func(s *compliance.Sample[compliance.Notice]) { s.Err = errors.New("connection refused") },
			metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed},
		"a site nobody has asked for long": {func(s *compliance.Sample[compliance.Notice]) { s.At = ago(48 * time.Hour) },
			metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale},
		"a site nobody has asked": {func(s *compliance.Sample[compliance.Notice]) { *s = compliance.Sample[compliance.Notice]{} },
			metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := baselPlan(), soundEvidence()
			e.Notice = soundNotice(p)
			test.change(e.Notice)
			findings := compliance.Judge(p, e, clock)
			if f := find(t, findings, v1alpha1.ConditionNoticeConsistent); f.Status != test.status || f.Reason != test.reason {
				t.Errorf("it is %s because of %s: %s", f.Status, f.Reason, f.Message)
			}
			if summary := find(t, findings, v1alpha1.ConditionCompliant); summary.Status != test.status {
				t.Errorf("the summary is %s", summary.Status)
			}
		})
	}
}

func TestAnOperatorThatDoesNotReadNoticesClaimsNothingOfThem(t *testing.T) {
	e := soundEvidence()
	e.Notice = nil
	for _, f := range compliance.Judge(baselPlan(), e, clock) {
		if f.Type == v1alpha1.ConditionNoticeConsistent || f.Status != metav1.ConditionTrue {
			t.Errorf("%s is %s", f.Type, f.Status)
		}
	}
}
