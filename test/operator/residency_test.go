// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
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

		By("being evicted")
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(stray), stray)).To(Succeed())
			g.Expect(stray.DeletionTimestamp).NotTo(BeNil())
		}).Should(Succeed())
		expectIncident(ctx, tenant, "Pod "+w.namespace+"/stray", v1alpha1.IncidentEvicted, false)

		Expect(admin.Delete(ctx, stray, client.GracePeriodSeconds(0))).To(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		expectIncident(ctx, tenant, "Pod "+w.namespace+"/stray", v1alpha1.IncidentEvicted, true)
	})

	It("turns False naming a pod of the ingress on a foreign node, and True when it is gone", func(ctx SpecContext) {
		w := newWorld(ctx, func(r *v1alpha1.DataRegion, _ *v1alpha1.RetentionPolicy) {
			r.Spec.Ingress.Namespace = r.Name + "-ingress"
		})
		createNamespace(ctx, w.name+"-ingress")
		edge := func(name, node string) *corev1.Pod {
			made := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: w.name + "-ingress", Name: name, Labels: w.region.Spec.Ingress.PodSelector.MatchLabels},
				Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "edge", Image: "registry.example/edge"}}},
			}
			Expect(admin.Create(ctx, made)).To(Succeed())
			return made
		}
		edge("home", w.name+"-trusted")
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		Eventually(func(g Gomega) {
			g.Expect(get(ctx, tenant).Status.Evidence).To(ContainElement(And(
				HaveField("What", ContainSubstring(w.name+"-ingress/home")), HaveField("Where", w.name+"-trusted"), HaveField("Source", v1alpha1.EvidenceObserved))))
		}).Should(Succeed())

		abroad := edge("abroad", w.node(ctx, "foreign", "elsewhere").Name)
		claim := eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionFalse, saying(w.name+"-ingress/abroad", w.name+"-foreign"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonForeignNode))
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(abroad), abroad)).To(Succeed())
		Expect(abroad.DeletionTimestamp).To(BeNil(), "the ingress is not ours to evict")
		Expect(admin.Delete(ctx, abroad, client.GracePeriodSeconds(0))).To(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
	})

	It("only reports where the region says so", func(ctx SpecContext) {
		w := newWorld(ctx, func(r *v1alpha1.DataRegion, _ *v1alpha1.RetentionPolicy) { r.Spec.Drift = v1alpha1.DriftReport })
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		foreign := w.node(ctx, "foreign", w.name)
		stray := pod(ctx, deployment(ctx, tenant), "stray", foreign.Name)
		w.relabel(ctx, foreign.Name, "elsewhere")
		expectIncident(ctx, tenant, "Pod "+w.namespace+"/stray", v1alpha1.IncidentReported, false)
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(stray), stray)).To(Succeed())
		Expect(stray.DeletionTimestamp).To(BeNil())
	})

	It("tells a blocked eviction, and takes the rest once it may", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		for _, replica := range w.serve(ctx, tenant, w.name+"-trusted") {
			before := replica.DeepCopy()
			replica.Status.Phase = corev1.PodRunning
			replica.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			Expect(admin.Status().Patch(ctx, replica, mergeFrom(before))).To(Succeed())
		}
		w.backUp(ctx, tenant, 2*time.Hour)
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		// Nobody plays the disruption controller, so that the tenant's own budget allows nothing.
		w.relabel(ctx, w.name+"-trusted", "elsewhere")
		expectIncident(ctx, tenant, "Pod "+w.namespace+"/site-booking-0", v1alpha1.IncidentEvictionBlocked, false)
		w.relabel(ctx, w.name+"-trusted", w.name)
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		expectIncident(ctx, tenant, "Pod "+w.namespace+"/site-booking-0", v1alpha1.IncidentEvictionBlocked, true)
	})

	It("raises no alarm for a node that is taken out of the cluster before its pods are gone", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		foreign := w.node(ctx, "foreign", w.name)
		pod(ctx, deployment(ctx, tenant), "stray", foreign.Name)
		node := &corev1.Node{}
		node.Name = w.name + "-trusted"
		Expect(admin.Delete(ctx, node)).To(Succeed())

		By("another node becoming foreign, which shows that somebody looked")
		w.relabel(ctx, foreign.Name, "elsewhere")
		expectIncident(ctx, tenant, "Pod "+w.namespace+"/stray", v1alpha1.IncidentEvicted, false)
		Expect(get(ctx, tenant).Status.Residency.Incidents).To(HaveLen(1))
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

// expectIncident waits for an incident in a tenant's history.
func expectIncident(ctx SpecContext, tenant *v1alpha1.BookingTenant, what string, action v1alpha1.IncidentAction, healed bool) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		live := get(ctx, tenant)
		g.Expect(live.Status.Residency).NotTo(BeNil())
		fields := []types.GomegaMatcher{HaveField("What", what), HaveField("Action", action), HaveField("HealedAt", BeNil())}
		if healed {
			fields[2] = HaveField("HealedAt", Not(BeNil()))
		}
		g.Expect(live.Status.Residency.Incidents).To(ContainElement(And(fields...)))
	}).Should(Succeed())
}
