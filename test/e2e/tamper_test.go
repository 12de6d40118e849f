// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/cluster"
	"github.com/termintreu/termintreu/internal/resources"
)

var _ = Describe("Tampering", Label("tamper"), func() {
	It("with the label of a node under running pods turns ResidencyEnforced False within a minute, and True once it is back", func(ctx SpecContext) {
		settled(ctx, awo)
		DeferCleanup(func(ctx SpecContext) {
			labelNode(ctx, "de-1", cluster.RegionLabel, "de")
			settled(ctx, awo)
		})
		start := time.Now()
		labelNode(ctx, "de-1", cluster.RegionLabel, "elsewhere")
		failed := eventually(ctx, awo, v1alpha1.ConditionResidencyEnforced, metav1.ConditionFalse, "de-1", "elsewhere")
		noticed("from a node relabelled under a pod to ResidencyEnforced=False", start)
		Expect(time.Since(start)).To(BeNumerically("<", time.Minute))
		Expect(failed.Reason).To(Equal(v1alpha1.ReasonForeignNode))
		eventually(ctx, awo, v1alpha1.ConditionCompliant, metav1.ConditionFalse, "de-1")

		labelNode(ctx, "de-1", cluster.RegionLabel, "de")
		start = time.Now()
		settled(ctx, awo)
		noticed("from the label's return to Compliant=True", start)
		expectHealed(ctx, awo, "de-1", v1alpha1.ReasonForeignNode, v1alpha1.IncidentEvicted)
	})

	It("with the affinity of a Deployment is undone", func(ctx SpecContext) {
		deployment := &appsv1.Deployment{}
		name := client.ObjectKey{Namespace: fastLane.Namespace, Name: fastLane.Name + "-booking"}
		Expect(kube.Get(ctx, name, deployment)).To(Succeed())
		want := deployment.Spec.Template.Spec.Affinity.NodeAffinity.DeepCopy()
		start := time.Now()
		Expect(kube.Patch(ctx, deployment, client.RawPatch(types.JSONPatchType, []byte(`[{"op":"remove","path":"/spec/template/spec/affinity"}]`)))).To(Succeed())
		Eventually(func(g Gomega) {
			live := &appsv1.Deployment{}
			g.Expect(kube.Get(ctx, name, live)).To(Succeed())
			g.Expect(live.Spec.Template.Spec.Affinity).NotTo(BeNil())
			g.Expect(live.Spec.Template.Spec.Affinity.NodeAffinity).To(Equal(want))
		}).WithContext(ctx).Should(Succeed())
		noticed("from affinity stripped to affinity restored", start)
		settled(ctx, fastLane)
	})

	It("with a NetworkPolicy brings it back", func(ctx SpecContext) {
		policies := &networkingv1.NetworkPolicyList{}
		Expect(kube.List(ctx, policies, client.InNamespace(fastLane.Namespace), client.MatchingLabels{resources.LabelManagedBy: resources.Manager})).To(Succeed())
		Expect(policies.Items).NotTo(BeEmpty())
		for _, policy := range policies.Items {
			comesBack(ctx, &policy, &networkingv1.NetworkPolicy{}, "from a NetworkPolicy deleted to its return")
		}
		settled(ctx, fastLane)
	})

	It("with the instance's Secret brings it back with a password the role takes, and the site works with it", func(ctx SpecContext) {
		tenant, secret := tenantOf(ctx, fastLane), &corev1.Secret{}
		name := client.ObjectKey{Namespace: fastLane.Namespace, Name: fastLane.Name + "-booking"}
		Expect(kube.Get(ctx, name, secret)).To(Succeed())
		again := &corev1.Secret{}
		comesBack(ctx, secret, again, "from a Secret deleted to its return")
		app := as(ctx, tenant, name.Namespace, name.Name)
		// What is connected stays connected: end it, so that the site needs the password in the Secret.
		run(ctx, home(ctx, tenant), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1`, app.Config().User)
		start := time.Now()
		citizen := open(ctx, tenant)
		Eventually(func(g Gomega) {
			shown, err := citizen.try(ctx, http.MethodGet, flash.path(), nil)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(shown.starts()).NotTo(BeEmpty())
			held, err := citizen.try(ctx, http.MethodPost, flash.path()+"/hold", slotForm(shown, shown.starts()[0]))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(held.status).To(Equal(http.StatusSeeOther))
		}).WithContext(ctx).WithPolling(2 * time.Second).Should(Succeed())
		noticed("from a new password to a site that books with it", start)
		settled(ctx, fastLane)
	})
})

// comesBack deletes an object and waits for another of its name, which it reads.
func comesBack(ctx context.Context, object, again client.Object, what string) {
	GinkgoHelper()
	start := time.Now()
	Expect(kube.Delete(ctx, object)).To(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(kube.Get(ctx, client.ObjectKeyFromObject(object), again)).To(Succeed())
		g.Expect(again.GetUID()).NotTo(Equal(object.GetUID()))
		g.Expect(again.GetDeletionTimestamp()).To(BeNil())
	}).WithContext(ctx).Should(Succeed())
	noticed(what, start)
}
