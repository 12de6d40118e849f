// SPDX-License-Identifier: Apache-2.0

package resources

import (
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	policyac "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/termintreu/termintreu/internal/plan"
)

// PodDisruptionBudget lets one replica go at a time; nil for a single replica, which would block every node drain.
func PodDisruptionBudget(p *plan.Plan) *policyac.PodDisruptionBudgetApplyConfiguration {
	if p.Instance.Replicas <= 1 {
		return nil
	}
	return policyac.PodDisruptionBudget(InstanceName(p), p.Tenant.Namespace).
		WithLabels(Labels(p, ComponentInstance)).WithOwnerReferences(owner(p)).
		WithSpec(policyac.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			// A pod that is not ready protects nobody; it must not keep a node from being drained.
			WithUnhealthyPodEvictionPolicy(policyv1.AlwaysAllow).
			WithSelector(metaac.LabelSelector().WithMatchLabels(selector(p, ComponentInstance))))
}
