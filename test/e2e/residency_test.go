// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Acceptance 3: where pods run, looked at on the nodes and not in the operator's status.
var _ = Describe("The pods and jobs of a tenant", func() {
	It("run on nodes of its region and nowhere else", func(ctx SpecContext) {
		nodes := &corev1.NodeList{}
		Expect(kube.List(ctx, nodes)).To(Succeed())
		labels := map[string]map[string]string{}
		for _, node := range nodes.Items {
			labels[node.Name] = node.Labels
		}
		for _, tenant := range samples(ctx) {
			trust, looked := regionOf(ctx, tenant.Spec.RegionRef.Name).Spec.Nodes, 0
			for _, pod := range podsOf(ctx, &tenant) {
				if pod.Spec.NodeName == "" {
					continue
				}
				looked++
				Expect(slices.Contains(trust.Values, labels[pod.Spec.NodeName][trust.Label])).To(BeTrue(), "%s/%s runs on %s", pod.Namespace, pod.Name, pod.Spec.NodeName)
			}
			Expect(looked).To(BeNumerically(">", 0), "%s has no pod", tenant.Name)
		}
	})

	It("wait where no node is trusted, with a status that names the label to give, and run once a node has it", func(ctx SpecContext) {
		e := newExtra(ctx, "insel")
		e.create(ctx)
		ready := eventually(ctx, e.tenant, v1alpha1.ConditionReady, metav1.ConditionFalse, extraLabel, e.name, "kubectl label node")
		Expect(ready.Reason).To(Equal(v1alpha1.ReasonNoTrustedNode))
		for _, pod := range podsOf(ctx, tenantOf(ctx, e.tenant)) {
			Expect(pod.Spec.NodeName).To(BeEmpty(), "%s runs where nothing is trusted", pod.Name)
		}
		start := time.Now()
		e.trust(ctx, "ch-2")
		settled(ctx, e.tenant)
		noticed("from the first trusted node to a ready and compliant site", start)
		for _, pod := range podsOf(ctx, tenantOf(ctx, e.tenant)) {
			Expect(pod.Spec.NodeName).To(Or(BeEmpty(), Equal("ch-2")))
		}
		Expect(kube.Get(ctx, client.ObjectKey{Name: e.name}, &e.region)).To(Succeed())
		Expect(*e.region.Status.TrustedNodes).To(Equal(int32(1)))
	})
})
