// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// residency: every pod and job of the tenant runs on a trusted node of the region, every object that makes pods
// requires such nodes, the admission policies refuse others, and server and stores are the ones they are said to be
// (invariant 1; B3, D2).
func residency(p *plan.Plan, e *Evidence, clock Clock) Finding {
	parts := []Finding{placed(p, e, clock), walled(p, e, clock), identified(p, e, clock)}
	if p.Instance.Ingress != nil {
		parts = append(parts, fronted(p, e, clock))
	}
	if p.Database.Server.ClusterRef != nil {
		parts = append(parts, based(p, e, clock))
	}
	return join(v1alpha1.ConditionResidencyEnforced, parts...)
}

// fronted: the pods of the region's ingress, which sees every form (B4), run on trusted nodes. Where none runs in this
// cluster, nobody can observe its place, and what its processor declares must do.
func fronted(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := seen(p, e.Front, "the ingress", clock)
	if f.Status == metav1.ConditionTrue && len(e.Front.Value) == 0 {
		f.Message = "no pod of the ingress runs in this cluster: its place is declared only"
	}
	return f
}

// based: the pods of the database server run on trusted nodes. Where none is seen, a Cluster that must be here is not.
func based(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := seen(p, e.Server, "database server "+p.Database.Server.Name, clock)
	if f.Status == metav1.ConditionTrue && len(e.Server.Value) == 0 {
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "no pod of database server "+p.Database.Server.Name+" was seen"
	}
	return f
}

// seen: pods that are not the tenant's own run on trusted nodes.
func seen(p *plan.Plan, pods Sample[[]Placement], whose string, clock Clock) Finding {
	f := Finding{}
	if !fresh(pods, "where "+whose+" runs", &f, clock) {
		return f
	}
	for _, placement := range pods.Value {
		if placement.Foreign(&p.Region) {
			f.violate(placement.What, placement.Node, v1alpha1.ReasonForeignNode, "%s of %s runs on node %s, whose label %s is %q; DataRegion %s trusts %v",
				placement.What, whose, placement.Node, p.Region.NodeLabel, placement.NodeValue, p.Region.Name, p.Region.NodeValues)
		}
	}
	if f.Status == "" {
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("%d pods of %s run, all there", len(pods.Value), whose)
	}
	return f
}

// placed: what runs, runs on trusted nodes.
func placed(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := Finding{}
	if !fresh(e.Placements, "where pods and jobs run", &f, clock) {
		return f
	}
	if len(e.Placements.Value) == 0 {
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "no pod or job of the tenant exists yet"
		return f
	}
	running, makers := 0, 0
	for _, placement := range e.Placements.Value {
		if !placement.Bound {
			f.violate(placement.What, "", v1alpha1.ReasonPlacementUnenforced, "%s does not require nodes with %s in %v",
				placement.What, p.Region.NodeLabel, p.Region.NodeValues)
		}
		if placement.Node == "" {
			makers++
			continue
		}
		running++
		if placement.Foreign(&p.Region) {
			f.violate(placement.What, placement.Node, v1alpha1.ReasonForeignNode, "%s runs on node %s, whose label %s is %q; DataRegion %s trusts %v",
				placement.What, placement.Node, p.Region.NodeLabel, placement.NodeValue, p.Region.Name, p.Region.NodeValues)
		}
	}
	if f.Status == "" {
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("%d objects require nodes of region %s; %d pods run, all there", makers, p.Region.Name, running)
	}
	return f
}

// Foreign tells whether something runs where the region does not trust the node.
func (p *Placement) Foreign(region *plan.Region) bool {
	return p.Node != "" && !slices.Contains(region.NodeValues, p.NodeValue)
}

// walled: a binding to a foreign node, tried without doing it, was refused.
func walled(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := Finding{}
	if !fresh(e.Wall, "whether foreign bindings are refused", &f, clock) {
		return f
	}
	switch wall := e.Wall.Value; {
	case wall.Open != "":
		f.violate("DataRegion "+p.Region.Name, p.Region.PlatformNamespace, v1alpha1.ReasonAdmissionOpen, "%s", wall.Open)
	case wall.Untried != "":
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, wall.Untried
	default:
		f.Status, f.Reason, f.Message = metav1.ConditionTrue, v1alpha1.ReasonMeasured, "a binding to a foreign node was refused on trial"
	}
	return f
}
