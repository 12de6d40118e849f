// SPDX-License-Identifier: Apache-2.0

package resources

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"
	netac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/termintreu/termintreu/internal/plan"
)

const portDNS = 53

// NetworkPolicy of the instance: citizens come through the region's ingress alone, and data goes to the region's
// database server and mail relay alone (A11). The operator scrapes metrics and reads the published notice (invariant 8).
func NetworkPolicy(p *plan.Plan) *netac.NetworkPolicyApplyConfiguration {
	spec := netac.NetworkPolicySpec().
		WithPodSelector(metaac.LabelSelector().WithMatchLabels(selector(p, ComponentInstance))).
		WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress).
		WithEgress(egress(p.Instance.EgressCIDRs)...)
	if ingress := p.Instance.Ingress; ingress != nil {
		from := netac.NetworkPolicyIngressRule().
			WithFrom(netac.NetworkPolicyPeer().
				WithNamespaceSelector(namespaceSelector(ingress.Namespace)).
				WithPodSelector(labelSelector(ingress.PodSelector))).
			WithPorts(port(corev1.ProtocolTCP, PortHTTPS))
		for _, cidr := range ingress.CIDRs {
			from.WithFrom(netac.NetworkPolicyPeer().WithIPBlock(netac.IPBlock().WithCIDR(cidr)))
		}
		spec.WithIngress(from)
	}
	if p.OperatorNamespace != "" {
		spec.WithIngress(netac.NetworkPolicyIngressRule().
			WithFrom(netac.NetworkPolicyPeer().WithNamespaceSelector(namespaceSelector(p.OperatorNamespace))).
			WithPorts(port(corev1.ProtocolTCP, PortInternal), port(corev1.ProtocolTCP, PortHTTPS)))
	}
	return netac.NetworkPolicy(InstanceName(p), p.Tenant.Namespace).
		WithLabels(Labels(p, ComponentInstance)).WithOwnerReferences(owner(p)).WithSpec(spec)
}

// egress allows name resolution inside the cluster and the given endpoints, and nothing else.
func egress(endpoints []plan.Endpoint) []*netac.NetworkPolicyEgressRuleApplyConfiguration {
	rules := []*netac.NetworkPolicyEgressRuleApplyConfiguration{
		netac.NetworkPolicyEgressRule().
			WithTo(netac.NetworkPolicyPeer().WithNamespaceSelector(metaac.LabelSelector())).
			WithPorts(port(corev1.ProtocolUDP, portDNS), port(corev1.ProtocolTCP, portDNS)),
	}
	for _, e := range endpoints {
		rules = append(rules, netac.NetworkPolicyEgressRule().WithTo(peer(e)).WithPorts(port(corev1.ProtocolTCP, e.Port)))
	}
	return rules
}

// peer is an address range, or the pods of a CloudNativePG Cluster, whose addresses come and go.
func peer(e plan.Endpoint) *netac.NetworkPolicyPeerApplyConfiguration {
	if e.Cluster == "" {
		return netac.NetworkPolicyPeer().WithIPBlock(netac.IPBlock().WithCIDR(e.CIDR))
	}
	return netac.NetworkPolicyPeer().
		WithNamespaceSelector(namespaceSelector(e.Namespace)).
		WithPodSelector(metaac.LabelSelector().WithMatchLabels(map[string]string{plan.LabelCNPGCluster: e.Cluster}))
}

func port(protocol corev1.Protocol, number int32) *netac.NetworkPolicyPortApplyConfiguration {
	return netac.NetworkPolicyPort().WithProtocol(protocol).WithPort(intstr.FromInt32(number))
}

func namespaceSelector(name string) *metaac.LabelSelectorApplyConfiguration {
	return metaac.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: name})
}

func labelSelector(s metav1.LabelSelector) *metaac.LabelSelectorApplyConfiguration {
	out := metaac.LabelSelector()
	if len(s.MatchLabels) > 0 {
		out.WithMatchLabels(s.MatchLabels)
	}
	for _, r := range s.MatchExpressions {
		out.WithMatchExpressions(metaac.LabelSelectorRequirement().WithKey(r.Key).WithOperator(r.Operator).WithValues(r.Values...))
	}
	return out
}
