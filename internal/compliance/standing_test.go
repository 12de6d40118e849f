// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"maps"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

func TestAVerdictStandsUntilItsEvidenceIsStaleAndNoLonger(t *testing.T) {
	until := metav1.NewTime(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC))
	status := &v1alpha1.BookingTenantStatus{
		Compliance: &v1alpha1.ComplianceStatus{ValidUntil: &until},
		Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionTrue},
			{Type: v1alpha1.ConditionRetentionEnforced, Status: metav1.ConditionFalse},
		},
	}
	for name, c := range map[string]struct {
		status *v1alpha1.BookingTenantStatus
		now    time.Time
		want   map[string]metav1.ConditionStatus
	}{
		"before": {status, until.Add(-time.Second), map[string]metav1.ConditionStatus{
			v1alpha1.ConditionCompliant: metav1.ConditionTrue, v1alpha1.ConditionRetentionEnforced: metav1.ConditionFalse,
			v1alpha1.ConditionBackupsCurrent: metav1.ConditionUnknown}},
		"at": {status, until.Time, map[string]metav1.ConditionStatus{
			v1alpha1.ConditionCompliant: metav1.ConditionUnknown, v1alpha1.ConditionRetentionEnforced: metav1.ConditionUnknown}},
		"without a date": {&v1alpha1.BookingTenantStatus{Conditions: status.Conditions}, until.Time, map[string]metav1.ConditionStatus{
			v1alpha1.ConditionCompliant: metav1.ConditionUnknown}},
	} {
		t.Run(name, func(t *testing.T) {
			got := maps.Collect(compliance.Standing(c.status, c.now))
			for kind, want := range c.want {
				if got[kind] != want {
					t.Errorf("%s stands at %s, want %s", kind, got[kind], want)
				}
			}
		})
	}
}
