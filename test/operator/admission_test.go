// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/operator"
	"github.com/termintreu/termintreu/internal/resources"
)

// Invariant 1, second wall: it needs no operator. Every attempt is a cluster administrator's, whom no right stops.
var _ = Describe("Admission with the operator gone", func() {
	var w *world
	var tenant *v1alpha1.BookingTenant
	var foreign, unlabelled *corev1.Node
	var waiting *corev1.Pod

	BeforeEach(func(ctx SpecContext) {
		// Nobody is named, so that nobody may.
		w = newWorld(ctx, func(r *v1alpha1.DataRegion, _ *v1alpha1.RetentionPolicy) { r.Spec.Admission.NodeAdministrators = nil })
		running := startOperator()
		tenant = w.create(ctx, "site")
		w.settle(ctx, tenant)
		running.kill()
		foreign = w.node(ctx, "foreign", "elsewhere")
		unlabelled = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: w.name + "-unlabelled"}}
		Expect(admin.Create(ctx, unlabelled)).To(Succeed())
		waiting = pod(ctx, deployment(ctx, tenant), "waiting", "")
	})

	bind := func(ctx context.Context, c client.Client, node string, labels map[string]string) error {
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Target: corev1.ObjectReference{Kind: "Node", Name: node}}
		return c.SubResource("binding").Create(ctx, waiting, binding)
	}
	refused := func(err error, words string) {
		GinkgoHelper()
		Expect(err).To(MatchError(ContainSubstring("ValidatingAdmissionPolicy")))
		Expect(err).To(MatchError(ContainSubstring(words)))
	}

	It("refuses bindings but the scheduler's to the region's nodes", func(ctx SpecContext) {
		forged := map[string]string{w.region.Spec.Nodes.Label: w.name}
		refused(bind(ctx, admin, foreign.Name, nil), `is "elsewhere"`)
		refused(bind(ctx, admin, foreign.Name, forged), `is "elsewhere"`)
		refused(bind(ctx, admin, unlabelled.Name, nil), `is ""`)
		refused(bind(ctx, admin, unlabelled.Name, forged), "only the schedulers named")
		refused(bind(ctx, admin, w.name+"-trusted", nil), "only the schedulers named")
		legacy := &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: waiting.Name, Labels: forged},
			Target:     corev1.ObjectReference{Kind: "Node", Name: foreign.Name},
		}
		refused(admin.Create(ctx, legacy), "only the schedulers named")
		refused(bind(ctx, impersonating("system:kube-scheduler"), foreign.Name, nil), `is "elsewhere"`)
		legacy.ResourceVersion = ""
		refused(impersonating("system:kube-scheduler").Create(ctx, legacy), "use pods/binding")
		Expect(bind(ctx, impersonating("system:kube-scheduler"), w.name+"-trusted", nil)).To(Succeed())
	})

	It("refuses pods that name their node or bring topology labels, in both namespaces of a tenant", func(ctx SpecContext) {
		for _, namespace := range []string{w.namespace, w.region.Spec.PlatformNamespace} {
			made := func(change func(*corev1.Pod)) error {
				p := waiting.DeepCopy()
				p.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: "made", Labels: map[string]string{}}
				p.Spec.ServiceAccountName, p.Spec.DeprecatedServiceAccount = "", ""
				change(p)
				return admin.Create(ctx, p, client.DryRunAll)
			}
			refused(made(func(p *corev1.Pod) { p.Spec.NodeName = foreign.Name }), "must not name their node")
			refused(made(func(p *corev1.Pod) { p.Labels[corev1.LabelTopologyRegion] = w.name }), "leave them to Kubernetes")
			refused(made(func(p *corev1.Pod) { p.Labels[corev1.LabelTopologyZone] = "a" }), "leave them to Kubernetes")
		}
	})

	It("refuses a namespace another region, and to be let go", func(ctx SpecContext) {
		for _, name := range []string{w.namespace, w.region.Spec.PlatformNamespace} {
			namespace := &corev1.Namespace{}
			Expect(admin.Get(ctx, client.ObjectKey{Name: name}, namespace)).To(Succeed())
			Expect(namespace.Labels).To(HaveKeyWithValue(resources.LabelRegion, w.name))
			before := namespace.DeepCopy()
			namespace.Labels[resources.LabelRegion] = "elsewhere"
			refused(admin.Patch(ctx, namespace, client.MergeFrom(before)), "the operator alone writes it")
			namespace = before.DeepCopy()
			delete(namespace.Labels, resources.LabelRegion)
			refused(admin.Patch(ctx, namespace, client.MergeFrom(before)), "the operator alone writes it")
		}
	})

	It("refuses to change what makes a node trusted, and lets everything else of nodes through", func(ctx SpecContext) {
		label := w.region.Spec.Nodes.Label
		relabel := func(c client.Client, name, value string) error {
			node := &corev1.Node{}
			Expect(admin.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
			before := node.DeepCopy()
			if node.Labels == nil {
				node.Labels = map[string]string{}
			}
			node.Labels[label] = value
			return c.Patch(ctx, node, client.MergeFrom(before))
		}
		refused(relabel(admin, w.name+"-trusted", "elsewhere"), "is written once")
		refused(relabel(admin, foreign.Name, w.name), "is written once")
		kubelet := impersonating("system:node:"+unlabelled.Name, "system:nodes", "system:masters")
		refused(relabel(kubelet, unlabelled.Name, w.name), "a kubelet may not")
		Expect(relabel(admin, foreign.Name, "anywhere")).To(Succeed())
		Expect(relabel(admin, unlabelled.Name, w.name)).To(Succeed(), "a new node is labelled once")
		node := &corev1.Node{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: w.name + "-trusted"}, node)).To(Succeed())
		node.Spec.Unschedulable = true
		Expect(admin.Update(ctx, node)).To(Succeed())
	})

	It("refuses every binding once the region is gone, and nothing of nodes", func(ctx SpecContext) {
		Expect(admin.Delete(ctx, w.region)).To(Succeed())
		Eventually(func() error { return bind(ctx, impersonating("system:kube-scheduler"), w.name+"-trusted", nil) }).
			Should(MatchError(ContainSubstring("no params found")))
		node := &corev1.Node{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: w.name + "-trusted"}, node)).To(Succeed())
		node.Spec.Unschedulable = true
		Expect(admin.Update(ctx, node)).To(Succeed())
	})
})

// impersonating is a client of somebody else, with that name's rights.
func impersonating(user string, groups ...string) client.Client {
	GinkgoHelper()
	config := rest.CopyConfig(cluster)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	c, err := client.New(config, client.Options{Scheme: operator.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	return c
}
