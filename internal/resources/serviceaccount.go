// SPDX-License-Identifier: Apache-2.0

package resources

import (
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/termintreu/termintreu/internal/plan"
)

// ServiceAccount of the instance. It has no right and no token: the instance never speaks to the API server.
func ServiceAccount(p *plan.Plan) *coreac.ServiceAccountApplyConfiguration {
	return coreac.ServiceAccount(InstanceName(p), p.Tenant.Namespace).
		WithLabels(Labels(p, ComponentInstance)).WithOwnerReferences(owner(p)).
		WithAutomountServiceAccountToken(false)
}
