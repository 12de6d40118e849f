// SPDX-License-Identifier: Apache-2.0

package resources

import (
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	netac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/termintreu/termintreu/internal/plan"
)

// Ingress of the site; nil when the tenant has no host or the region no ingress.
func Ingress(p *plan.Plan) *netac.IngressApplyConfiguration {
	if len(p.Instance.Hosts) == 0 || p.Instance.Ingress == nil {
		return nil
	}
	spec := netac.IngressSpec().WithIngressClassName(p.Instance.Ingress.ClassName)
	for _, host := range p.Instance.Hosts {
		spec.WithRules(netac.IngressRule().WithHost(host).WithHTTP(netac.HTTPIngressRuleValue().WithPaths(
			netac.HTTPIngressPath().WithPath("/").WithPathType(networkingv1.PathTypePrefix).
				WithBackend(netac.IngressBackend().WithService(netac.IngressServiceBackend().
					WithName(InstanceName(p)).WithPort(netac.ServiceBackendPort().WithName(portSite)))))))
	}
	if p.Instance.TLSSecretName != "" {
		spec.WithTLS(netac.IngressTLS().WithHosts(p.Instance.Hosts...).WithSecretName(p.Instance.TLSSecretName))
	}
	return netac.Ingress(InstanceName(p), p.Tenant.Namespace).
		WithLabels(Labels(p, ComponentInstance)).WithAnnotations(told(p)).WithOwnerReferences(owner(p)).WithSpec(spec)
}

// told is what the region's ingress controller wants to be told beside the Ingress's own fields.
func told(p *plan.Plan) map[string]string {
	words := strings.NewReplacer("{namespace}", p.Tenant.Namespace, "{service}", InstanceName(p))
	annotations := make(map[string]string, len(p.Instance.Ingress.Annotations))
	for key, value := range p.Instance.Ingress.Annotations {
		annotations[key] = words.Replace(value)
	}
	return annotations
}
