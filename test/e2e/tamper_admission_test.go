// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/cluster"
	"github.com/termintreu/termintreu/internal/resources"
)

// What admission refuses, to a cluster administrator too, whether the operator runs or not (invariant 1).
var _ = Describe("Tampering that is refused", Label("tamper"), Ordered, func() {
	It("is refused while the operator runs", func(ctx SpecContext) { attempts(ctx) })

	It("is refused while it does not", func(ctx SpecContext) {
		DeferCleanup(func(ctx SpecContext) {
			scaleOperator(ctx, 1)
			settled(ctx, basel)
		})
		scaleOperator(ctx, 0)
		attempts(ctx)
	})
})

// attempts tries every way into another region by hand, and expects each to be refused at once.
func attempts(ctx context.Context) {
	GinkgoHelper()
	label := cluster.RegionLabel
	forged := map[string]string{label: "ch"}
	bind := func(node string, labels map[string]string) error {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: basel.Namespace, Name: unbound(ctx)}}
		return kube.SubResource("binding").Create(ctx, pod, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Labels: labels}, Target: corev1.ObjectReference{Kind: "Node", Name: node},
		})
	}
	make := func(change func(*corev1.Pod)) error {
		pod := idle(basel.Namespace, extraPrefix+"made")
		change(pod)
		return kube.Create(ctx, pod)
	}
	relabel := func(kind client.Object, name, label, value string) error {
		Expect(kube.Get(ctx, client.ObjectKey{Name: name}, kind)).To(Succeed())
		before, _ := kind.DeepCopyObject().(client.Object)
		labels := kind.GetLabels()
		labels[label] = value
		kind.SetLabels(labels)
		return kube.Patch(ctx, kind, client.MergeFrom(before))
	}
	for _, attempt := range []struct {
		what string
		do   func() error
	}{
		{"binding a pod to a foreign node", func() error { return bind("de-1", nil) }},
		{"binding a pod to a foreign node with a forged label", func() error { return bind("de-1", forged) }},
		{"binding a pod to a trusted node past the scheduler", func() error { return bind("ch-1", nil) }},
		{"binding a pod to a node without labels, with a forged one", func() error {
			bare := bareNode(ctx)
			return bind(bare, forged)
		}},
		{"binding a pod through the legacy endpoint", func() error {
			return kube.Create(ctx, &corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Namespace: basel.Namespace, Name: unbound(ctx), Labels: forged},
				Target:     corev1.ObjectReference{Kind: "Node", Name: "de-1"},
			})
		}},
		{"creating a pod that names its node", func() error { return make(func(p *corev1.Pod) { p.Spec.NodeName = "de-1" }) }},
		{"creating a pod with a topology label", func() error { return make(func(p *corev1.Pod) { p.Labels = forged }) }},
		{"giving a foreign node a trusted label", func() error { return relabel(&corev1.Node{}, "de-1", label, "ch") }},
		{"taking a trusted node's label", func() error { return relabel(&corev1.Node{}, "ch-1", label, "elsewhere") }},
		{"moving the tenant's namespace to another region", func() error {
			return relabel(&corev1.Namespace{}, basel.Namespace, resources.LabelRegion, "de")
		}},
		{"moving the platform's namespace to another region", func() error {
			return relabel(&corev1.Namespace{}, "termintreu-ch", resources.LabelRegion, "de")
		}},
	} {
		start := time.Now()
		Expect(attempt.do()).To(MatchError(ContainSubstring("ValidatingAdmissionPolicy 'termintreu-")), attempt.what)
		noticed(attempt.what+", refused after", start)
	}
}

// unbound gives a pod of the tenant's namespace that waits for a node no scheduler offers.
func unbound(ctx context.Context) string {
	GinkgoHelper()
	pod := idle(basel.Namespace, extraPrefix+"unbound")
	pod.Spec.SchedulerName = "nobody"
	if err := kube.Create(ctx, pod); client.IgnoreAlreadyExists(err) == nil {
		DeferCleanup(func(ctx SpecContext) {
			Expect(client.IgnoreNotFound(kube.Delete(ctx, pod, client.GracePeriodSeconds(0)))).To(Succeed())
		})
		return pod.Name
	}
	Fail("the pod could not be made")
	return ""
}

// idle is a pod that Pod Security lets into the namespace.
func idle(namespace, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(65532)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "idle", Image: "registry.example/none",
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// bareNode is a node without any label of its place; no kubelet stands behind it.
func bareNode(ctx context.Context) string {
	GinkgoHelper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: extraPrefix + "bare"}, Spec: corev1.NodeSpec{Unschedulable: true}}
	Expect(client.IgnoreAlreadyExists(kube.Create(ctx, node))).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(kube.Delete(ctx, node))).To(Succeed()) })
	return node.Name
}

// expectHealed waits until an incident, of something or at a place, shows as healed in a tenant's history.
func expectHealed(ctx context.Context, name types.NamespacedName, named, reason string, action v1alpha1.IncidentAction) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		residency := tenantOf(ctx, name).Status.Residency
		g.Expect(residency).NotTo(BeNil())
		g.Expect(residency.Incidents).To(ContainElement(And(
			Or(HaveField("What", named), HaveField("Where", named)), HaveField("Reason", reason), HaveField("HealedAt", Not(BeNil())), HaveField("Action", action))))
	}).WithContext(ctx).Should(Succeed())
}
