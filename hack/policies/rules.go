// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// table of nftables that holds all rules, in the cluster's own network namespace; hack/cluster waits for it.
const table = "network_policies"

// view is what the rules are made from.
type view struct {
	policies   []*networkingv1.NetworkPolicy
	pods       []*corev1.Pod
	namespaces map[string]labels.Set
	// dns is the address of the cluster's name server, a process of the node, which a pod may always reach.
	dns string
}

// direction of traffic as a pod sees it, and where its other end stands in a packet.
type direction struct {
	name, own, other string
	kind             networkingv1.PolicyType
}

var (
	ingress = direction{"ingress", "daddr", "saddr", networkingv1.PolicyTypeIngress}
	egress  = direction{"egress", "saddr", "daddr", networkingv1.PolicyTypeEgress}
)

// ruleset gives the rules for `nft -f`, which replace the ones before at once. A pod that a policy selects may do what
// one of its policies allows and nothing else. Pods meet in the forward hook; the services outside the cluster are
// addresses of the namespace itself, so that pods meet those in the input hook. What the node begins itself, probes
// above all, is nobody's to refuse.
func ruleset(v view) string {
	out, jumps := &strings.Builder{}, map[direction][]string{}
	fmt.Fprintf(out, "add table ip %[1]s\ndelete table ip %[1]s\ntable ip %[1]s {\n", table)
	v.pods = networked(v.pods)
	for _, pod := range v.pods {
		for _, d := range []direction{egress, ingress} {
			isolated, allowed := v.allowed(pod, d)
			if !isolated {
				continue
			}
			chain := d.name + "_" + strings.ReplaceAll(pod.Status.PodIP, ".", "_")
			fmt.Fprintf(out, "\tchain %s { # %s/%s\n", chain, pod.Namespace, pod.Name)
			for _, match := range allowed {
				fmt.Fprintf(out, "\t\t%s counter return\n", match)
			}
			out.WriteString("\t\tcounter drop\n\t}\n")
			jumps[d] = append(jumps[d], pod.Status.PodIP+" : jump "+chain)
		}
	}
	hook := func(name string, directions ...direction) {
		fmt.Fprintf(out, "\tchain %[1]s {\n\t\ttype filter hook %[1]s priority filter; policy accept;\n\t\tct state established,related accept\n", name)
		fmt.Fprintf(out, "\t\tip daddr %s meta l4proto { tcp, udp } th dport 53 accept\n", v.dns)
		for _, d := range directions {
			if len(jumps[d]) > 0 {
				fmt.Fprintf(out, "\t\tip %s vmap { %s }\n", d.own, strings.Join(jumps[d], ", "))
			}
		}
		out.WriteString("\t}\n")
	}
	hook("forward", egress, ingress)
	hook("input", egress)
	out.WriteString("}\n")
	return out.String()
}

// networked gives the pods with an address of their own, by namespace and name. That of one that has ended may be
// another's already: the newest has it.
func networked(pods []*corev1.Pod) []*corev1.Pod {
	newest := map[string]*corev1.Pod{}
	for _, pod := range pods {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if address := pod.Status.PodIP; address != "" && !pod.Spec.HostNetwork && !ended &&
			(newest[address] == nil || newest[address].CreationTimestamp.Before(&pod.CreationTimestamp)) {
			newest[address] = pod
		}
	}
	return slices.SortedFunc(maps.Values(newest), func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// allowed gives what matches the packets a pod's policies allow, and whether any policy selects it.
func (v view) allowed(pod *corev1.Pod, d direction) (isolated bool, found []string) {
	for _, policy := range v.policies {
		spec := &policy.Spec
		if policy.Namespace != pod.Namespace || !slices.Contains(spec.PolicyTypes, d.kind) || !matches(&spec.PodSelector, pod.Labels) {
			continue
		}
		isolated = true
		if d == ingress {
			for _, rule := range spec.Ingress {
				found = append(found, combined(v.peers(policy.Namespace, rule.From, d), ports(rule.Ports, pod, d))...)
			}
			continue
		}
		for _, rule := range spec.Egress {
			found = append(found, combined(v.peers(policy.Namespace, rule.To, d), ports(rule.Ports, pod, d))...)
		}
	}
	slices.Sort(found)
	return isolated, slices.Compact(found)
}

func combined(peers, ports []string) (found []string) {
	for _, peer := range peers {
		for _, port := range ports {
			found = append(found, strings.TrimSpace(peer+" "+port))
		}
	}
	return found
}

// peers gives matches of the other end; one that matches all where none is named.
func (v view) peers(namespace string, peers []networkingv1.NetworkPolicyPeer, d direction) (found []string) {
	if len(peers) == 0 {
		return []string{""}
	}
	for i := range peers {
		peer := &peers[i]
		if block := peer.IPBlock; block != nil {
			match := fmt.Sprintf("ip %s %s", d.other, block.CIDR)
			if len(block.Except) > 0 {
				match += fmt.Sprintf(" ip %s != { %s }", d.other, strings.Join(block.Except, ", "))
			}
			found = append(found, match)
			continue
		}
		var addresses []string
		for _, pod := range v.pods {
			if v.isPeer(namespace, peer, pod) {
				addresses = append(addresses, pod.Status.PodIP)
			}
		}
		if len(addresses) > 0 {
			found = append(found, fmt.Sprintf("ip %s { %s }", d.other, strings.Join(addresses, ", ")))
		}
	}
	return found
}

func (v view) isPeer(namespace string, peer *networkingv1.NetworkPolicyPeer, pod *corev1.Pod) bool {
	there := pod.Namespace == namespace
	if peer.NamespaceSelector != nil {
		there = matches(peer.NamespaceSelector, v.namespaces[pod.Namespace])
	}
	return there && (peer.PodSelector == nil || matches(peer.PodSelector, pod.Labels))
}

// matches takes a selector the API server has found to be sound.
func matches(selector *metav1.LabelSelector, set labels.Set) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}

// ports gives matches of ports; one that matches all where none is named. A port out of a pod must be a number: which
// one a name means would be another for each pod it leads to.
func ports(wanted []networkingv1.NetworkPolicyPort, pod *corev1.Pod, d direction) (found []string) {
	if len(wanted) == 0 {
		return []string{""}
	}
	for _, port := range wanted {
		protocol := corev1.ProtocolTCP
		if port.Protocol != nil {
			protocol = *port.Protocol
		}
		name := strings.ToLower(string(protocol))
		switch {
		case port.Port == nil:
			found = append(found, "meta l4proto "+name)
		case port.Port.Type == intstr.String:
			for _, number := range named(pod, port.Port.StrVal, protocol) {
				if d == ingress {
					found = append(found, fmt.Sprintf("%s dport %d", name, number))
				}
			}
		case port.EndPort != nil:
			found = append(found, fmt.Sprintf("%s dport %d-%d", name, port.Port.IntVal, *port.EndPort))
		default:
			found = append(found, fmt.Sprintf("%s dport %d", name, port.Port.IntVal))
		}
	}
	return found
}

// named gives the ports of a pod's containers by that name.
func named(pod *corev1.Pod, name string, protocol corev1.Protocol) (numbers []int32) {
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == name && cmp.Or(port.Protocol, corev1.ProtocolTCP) == protocol {
				numbers = append(numbers, port.ContainerPort)
			}
		}
	}
	return numbers
}
