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

// B3, D2: data is where it is said to be.
func TestResidencyIsWhatTheNodesUnderPodsShow(t *testing.T) {
	place := func(change func(*compliance.Placement)) func(*plan.Plan, *compliance.Evidence) {
		return func(_ *plan.Plan, e *compliance.Evidence) { change(&e.Placements.Value[1]) }
	}
	expectVerdicts(t, v1alpha1.ConditionResidencyEnforced, map[string]verdict{
		"all at home": {func(*plan.Plan, *compliance.Evidence) {}, metav1.ConditionTrue, v1alpha1.ReasonMeasured,
			[]string{"1 objects require nodes of region ch", "2 pods run, all there"}},
		"node of another region": {place(func(p *compliance.Placement) { p.Node, p.NodeValue = "de-1", "de" }), metav1.ConditionFalse, v1alpha1.ReasonForeignNode,
			[]string{"Pod basel/site-booking-1 runs on node de-1", `is "de"`, "DataRegion ch trusts [ch li]"}},
		"node whose label was taken away": {place(func(p *compliance.Placement) { p.NodeValue = "" }), metav1.ConditionFalse, v1alpha1.ReasonForeignNode,
			[]string{"node ch-1", `topology.kubernetes.io/region is ""`}},
		"pod free to go anywhere": {place(func(p *compliance.Placement) { p.Bound = false }), metav1.ConditionFalse, v1alpha1.ReasonPlacementUnenforced,
			[]string{"Pod basel/site-booking-1 does not require nodes with topology.kubernetes.io/region in [ch li]"}},
		"two strays are both named": {func(_ *plan.Plan, e *compliance.Evidence) {
			e.Placements.Value[1].NodeValue, e.Placements.Value[2].NodeValue = "de", "fr"
		}, metav1.ConditionFalse, v1alpha1.ReasonForeignNode, []string{"node ch-1", "node li-1"}},
		"foreign bindings go through": {func(_ *plan.Plan, e *compliance.Evidence) { e.Wall.Value.Open = "node de-1 was not refused" }, metav1.ConditionFalse, v1alpha1.ReasonAdmissionOpen,
			[]string{"node de-1 was not refused"}},
		"foreign bindings go through and nobody knows where pods run": {func(_ *plan.Plan, e *compliance.Evidence) {
			e.Wall.Value.Open, e.Placements.Err = "node de-1 was not refused", errors.New("no answer")
		}, metav1.ConditionFalse, v1alpha1.ReasonAdmissionOpen, []string{"node de-1 was not refused"}},
		"below Kubernetes 1.35": {func(_ *plan.Plan, e *compliance.Evidence) { e.Wall.Value.Untried = "labels are not copied" }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence,
			[]string{"labels are not copied"}},
		"wall never tried": {func(_ *plan.Plan, e *compliance.Evidence) { e.Wall.At = time.Time{} }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence,
			[]string{"whether foreign bindings are refused has not been measured yet"}},
		"wall tried too long ago": {func(_ *plan.Plan, e *compliance.Evidence) { e.Wall.At = ago(11 * time.Minute) }, metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale,
			[]string{"too long ago"}},
		"wall could not be tried": {func(_ *plan.Plan, e *compliance.Evidence) { e.Wall.Err = errors.New("no answer") }, metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed,
			[]string{"no answer"}},
		"nothing exists yet": {func(_ *plan.Plan, e *compliance.Evidence) { e.Placements.Value = nil }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"exists yet"}},
		"never measured": {func(_ *plan.Plan, e *compliance.Evidence) { e.Placements.At = time.Time{} }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence,
			[]string{"has not been measured yet"}},
		"measured too long ago": {func(_ *plan.Plan, e *compliance.Evidence) { e.Placements.At = ago(11 * time.Minute) }, metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale,
			[]string{"too long ago"}},
		"measured in the future": {func(_ *plan.Plan, e *compliance.Evidence) { e.Placements.At = ago(-time.Hour) }, metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale,
			[]string{"set the clocks right"}},
		"measurement failed": {func(_ *plan.Plan, e *compliance.Evidence) { e.Placements.Err = errors.New("no answer") }, metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed,
			[]string{"could not be measured: no answer"}},
	})
}
