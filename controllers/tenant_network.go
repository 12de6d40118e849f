// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

// networkItems tell where ingress and database server run, as far as it was seen, and what the instance could connect to.
func networkItems(s *scope) []v1alpha1.EvidenceItem {
	var items []v1alpha1.EvidenceItem
	pods := func(whose string, seen compliance.Sample[[]compliance.Placement]) {
		if seen.Err != nil {
			return
		}
		for _, placement := range seen.Value[:min(len(seen.Value), 8)] {
			items = append(items, v1alpha1.EvidenceItem{
				What: shortTo(whose+", "+placement.What, 200), Where: placement.Node, Value: s.plan.Region.NodeLabel + "=" + placement.NodeValue,
				Source: v1alpha1.EvidenceObserved, At: timeOf(seen.At),
			})
		}
	}
	if s.plan.Instance.Ingress != nil {
		pods("ingress", s.evidence.Front)
	}
	pods("database server "+s.plan.Database.Server.Name, s.evidence.Server)
	if tried := s.evidence.Egress; tried != nil && tried.Err == nil && !tried.At.IsZero() {
		value := fmt.Sprintf("%d of %d answered", len(tried.Value.Open), tried.Value.Tried)
		items = append(items, v1alpha1.EvidenceItem{
			What: "trial of connections to undeclared addresses", Where: s.plan.Tenant.Namespace, Value: value,
			Source: v1alpha1.EvidenceObserved, At: timeOf(tried.At),
		})
	}
	return items
}
