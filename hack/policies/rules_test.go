// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func pod(namespace, name, address string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "https", ContainerPort: 8443}}}}},
		Status:     corev1.PodStatus{PodIP: address, Phase: corev1.PodRunning},
	}
}

func of(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
}

func port(number intstr.IntOrString) networkingv1.NetworkPolicyPort {
	return networkingv1.NetworkPolicyPort{Port: &number}
}

// world has a site and its ingress in a namespace each, and a stranger beside either.
func world(policies ...*networkingv1.NetworkPolicy) view {
	ended := pod("web", "old", "10.244.1.9")
	ended.Status.Phase = corev1.PodSucceeded
	former := pod("web", "former", "10.244.1.2")
	former.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
	site := pod("web", "site", "10.244.1.2")
	site.CreationTimestamp = metav1.Now()
	return view{
		policies: policies, dns: "10.244.254.53", namespaces: map[string]labels.Set{"web": {"name": "web"}, "front": {"name": "front"}},
		pods: []*corev1.Pod{former, site, pod("web", "stranger", "10.244.1.3"), pod("front", "ingress", "10.244.2.2"), pod("front", "other", "10.244.2.3"), ended, pod("web", "unborn", "")},
	}
}

func policy(spec networkingv1.NetworkPolicySpec) *networkingv1.NetworkPolicy {
	spec.PodSelector = *of("site")
	spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	if spec.Egress != nil {
		spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}
	}
	return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "p"}, Spec: spec}
}

func TestAPodMayDoWhatOneOfItsPoliciesAllowsAndNothingElse(t *testing.T) {
	in := func(from []networkingv1.NetworkPolicyPeer, ports ...networkingv1.NetworkPolicyPort) networkingv1.NetworkPolicySpec {
		return networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{From: from, Ports: ports}}}
	}
	out := func(to []networkingv1.NetworkPolicyPeer, ports ...networkingv1.NetworkPolicyPort) networkingv1.NetworkPolicySpec {
		return networkingv1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{{To: to, Ports: ports}}}
	}
	udp := port(intstr.FromInt32(53))
	udp.Protocol = new(corev1.ProtocolUDP)
	ranged := port(intstr.FromInt32(30))
	ranged.EndPort = new(int32(40))
	for name, test := range map[string]struct {
		spec networkingv1.NetworkPolicySpec
		d    direction
		want []string
	}{
		"nothing":                       {networkingv1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{}}, egress, nil},
		"everything":                    {out(nil), egress, []string{""}},
		"a range, and not a part of it": {out([]networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "10.0.0.0/8", Except: []string{"10.1.0.0/16"}}}}, port(intstr.FromInt32(5432))), egress, []string{"ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16 } tcp dport 5432"}},
		"every pod's UDP":               {out([]networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{}}}, udp), egress, []string{"ip daddr { 10.244.2.2, 10.244.2.3, 10.244.1.2, 10.244.1.3 } udp dport 53"}},
		"ports in a row, of anybody":    {in(nil, ranged), ingress, []string{"tcp dport 30-40"}},
		"a named port, of one pod elsewhere": {in([]networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"name": "front"}}, PodSelector: of("ingress")}}, port(intstr.FromString("https"))), ingress, []string{"ip saddr { 10.244.2.2 } tcp dport 8443"}},
		"pods of the same namespace":      {in([]networkingv1.NetworkPolicyPeer{{PodSelector: of("stranger")}}), ingress, []string{"ip saddr { 10.244.1.3 }"}},
		"pods there are none of":          {in([]networkingv1.NetworkPolicyPeer{{PodSelector: of("ingress")}}), ingress, nil},
		"a named port out of a pod":       {out(nil, port(intstr.FromString("https"))), egress, nil},
		"pods that ended have no address": {in([]networkingv1.NetworkPolicyPeer{{PodSelector: of("old")}}), ingress, nil},
	} {
		v := world(policy(test.spec))
		v.pods = networked(v.pods)
		isolated, found := v.allowed(v.pods[slices.IndexFunc(v.pods, func(p *corev1.Pod) bool { return p.Name == "site" })], test.d)
		if !isolated || !slices.Equal(found, test.want) {
			t.Errorf("%s: %q (isolated: %t), want %q", name, found, isolated, test.want)
		}
		stranger := v.pods[slices.IndexFunc(v.pods, func(p *corev1.Pod) bool { return p.Name == "stranger" })]
		if isolated, _ := v.allowed(stranger, test.d); isolated {
			t.Errorf("%s: a pod no policy selects is isolated", name)
		}
		check(t, ruleset(world(policy(test.spec))))
	}
}

func TestAnAddressIsOfTheNewestPodThatHasIt(t *testing.T) {
	rules := ruleset(world(policy(networkingv1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{}})))
	if !strings.Contains(rules, "ip saddr vmap { 10.244.1.2 : jump egress_10_244_1_2 }") || strings.Contains(rules, "web/former") {
		t.Errorf("rules:\n%s", rules)
	}
	former := policy(networkingv1.NetworkPolicySpec{Egress: []networkingv1.NetworkPolicyEgressRule{}})
	former.Spec.PodSelector = *of("former")
	if rules := ruleset(world(former)); strings.Contains(rules, "vmap") {
		t.Errorf("the address of one that was is isolated:\n%s", rules)
	}
}

// check lets nft read the rules without applying them, where that can be: nft asks the kernel.
func check(t *testing.T, rules string) {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil || os.Geteuid() != 0 {
		t.Log("without nft and root the form of the rules is left to the end-to-end tests")
		return
	}
	command := exec.Command("unshare", "--net", nft, "--check", "--file", "-")
	command.Stdin = strings.NewReader(rules)
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, output, rules)
	}
}
