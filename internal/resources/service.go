// SPDX-License-Identifier: Apache-2.0

package resources

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/termintreu/termintreu/internal/plan"
)

// Service in front of the instance. The internal port is not on it, so that no Ingress can publish metrics.
func Service(p *plan.Plan) *coreac.ServiceApplyConfiguration {
	return coreac.Service(InstanceName(p), p.Tenant.Namespace).
		WithLabels(Labels(p, ComponentInstance)).WithOwnerReferences(owner(p)).
		WithSpec(coreac.ServiceSpec().
			WithType(corev1.ServiceTypeClusterIP).
			WithSelector(selector(p, ComponentInstance)).
			// The protocol is said twice, since ingress controllers go by one or the other.
			WithPorts(coreac.ServicePort().WithName(portSite).WithAppProtocol("https").WithProtocol(corev1.ProtocolTCP).
				WithPort(PortService).WithTargetPort(intstr.FromString(portSite))))
}
