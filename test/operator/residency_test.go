// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

func mergeFrom(before client.Object) client.Patch { return client.MergeFrom(before) }

// Acceptance 3 and invariant 1.
var _ = Describe("Residency", func() {
	It("keeps a tenant from being Ready without a trusted node, and says which label is missing", func(ctx SpecContext) {
		w := newWorld(ctx)
		Expect(admin.DeleteAllOf(ctx, &corev1.Node{})).To(Succeed())
		startOperator()
		tenant := w.create(ctx, "site")
		waiting := pod(ctx, deployment(ctx, tenant), "site-booking-0", "")
		ready := eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionFalse,
			saying("topology.kubernetes.io/region", w.name, "kubectl label node"))
		Expect(ready.Reason).To(Equal(v1alpha1.ReasonNoTrustedNode))

		By("a node being labelled")
		node := w.node(ctx, "late", w.name)
		schedule(ctx, waiting, node.Name)
		w.answer(ctx, tenant)
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionTrue)
	})

	It("turns False naming the pod on a foreign node, and True when it is gone", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		// The wall keeps a pod from a foreign node; it becomes foreign beneath it.
		foreign := w.node(ctx, "foreign", w.name)
		stray := pod(ctx, deployment(ctx, tenant), "stray", foreign.Name)
		w.relabel(ctx, foreign.Name, "elsewhere")
		claim := eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionFalse, saying(w.namespace+"/stray", foreign.Name, "elsewhere"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonForeignNode))
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionFalse, saying("stray"))
		Expect(get(ctx, tenant).Status.Residency.Nodes).To(ContainElement(
			v1alpha1.NodeEvidence{Name: foreign.Name, Value: "elsewhere", Trusted: metav1.ConditionFalse, Pods: 1}))

		Expect(admin.Delete(ctx, stray, client.GracePeriodSeconds(0))).To(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
	})

	It("notices a node that loses its label under a running pod", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		node := w.relabel(ctx, w.name+"-trusted", "")
		eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionFalse, saying(node.Name))
	})

	It("repairs a Deployment whose affinity somebody stripped", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		d := deployment(ctx, tenant)
		wanted := d.Spec.Template.Spec.Affinity.DeepCopy()
		Expect(wanted).NotTo(BeNil())
		before := d.DeepCopy()
		d.Spec.Template.Spec.Affinity = nil
		Expect(admin.Patch(ctx, d, mergeFrom(before))).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(deployment(ctx, tenant).Spec.Template.Spec.Affinity).To(Equal(wanted))
		}).Should(Succeed())
		w.answer(ctx, tenant)
		eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
	})
})
