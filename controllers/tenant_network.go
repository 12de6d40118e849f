// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// networkItems tell where the ingress runs and what the instance could connect to.
func networkItems(s *scope) []v1alpha1.EvidenceItem {
	var items []v1alpha1.EvidenceItem
	if front := s.evidence.Front; s.plan.Instance.Ingress != nil && front.Err == nil {
		for _, placement := range front.Value[:min(len(front.Value), 8)] {
			items = append(items, v1alpha1.EvidenceItem{
				What: shortTo("ingress, "+placement.What, 200), Where: placement.Node, Value: s.plan.Region.NodeLabel + "=" + placement.NodeValue,
				Source: v1alpha1.EvidenceObserved, At: timeOf(front.At),
			})
		}
	}
	if tried := s.evidence.Egress; tried != nil && tried.Err == nil && !tried.At.IsZero() {
		value := fmt.Sprintf("%d of %d answered", len(tried.Value.Open), tried.Value.Tried)
		items = append(items, v1alpha1.EvidenceItem{
			What: "trial of connections to undeclared addresses", Where: s.plan.Tenant.Namespace, Value: value,
			Source: v1alpha1.EvidenceObserved, At: timeOf(tried.At),
		})
	}
	return items
}
