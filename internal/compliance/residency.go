// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// residency: every pod and job of the tenant runs on a trusted node of the region, and every object that makes pods
// requires such nodes (invariant 1; B3, D2).
func residency(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := Finding{Type: v1alpha1.ConditionResidencyEnforced}
	if !fresh(e.Placements, "where pods and jobs run", &f, clock) {
		return f
	}
	if len(e.Placements.Value) == 0 {
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "no pod or job of the tenant exists yet"
		return f
	}
	running := 0
	for _, placement := range e.Placements.Value {
		if !placement.Bound {
			f.fail(v1alpha1.ReasonPlacementUnenforced, "%s does not require nodes with %s in %v", placement.What, p.Region.NodeLabel, p.Region.NodeValues)
		}
		if placement.Node == "" {
			continue
		}
		running++
		if !slices.Contains(p.Region.NodeValues, placement.NodeValue) {
			f.fail(v1alpha1.ReasonForeignNode, "%s runs on node %s, whose label %s is %q; DataRegion %s trusts %v",
				placement.What, placement.Node, p.Region.NodeLabel, placement.NodeValue, p.Region.Name, p.Region.NodeValues)
		}
	}
	if f.Status == "" {
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("%d objects require nodes of region %s; %d pods run, all there", len(e.Placements.Value)-running, p.Region.Name, running)
	}
	return f
}
