// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// A11: the claim is made from what the instance itself tried, and by nothing else.
var _ = Describe("The network of a tenant", Label("tamper"), func() {
	It("is tried from the instance: closed while nothing but its own policy says what is open, and open when another does", func(ctx SpecContext) {
		claim := eventually(ctx, basel, v1alpha1.ConditionEgressRestricted, metav1.ConditionTrue, "were refused, while the database server answered")
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonMeasured))

		By("somebody letting every pod of the namespace go everywhere")
		another := &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: basel.Namespace, Name: "everywhere"},
			Spec: networkingv1.NetworkPolicySpec{
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}, Egress: []networkingv1.NetworkPolicyEgressRule{{}},
			},
		}
		start := time.Now()
		Expect(kube.Create(ctx, another)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(kube.Delete(ctx, another))).To(Succeed()) })
		claim = eventually(ctx, basel, v1alpha1.ConditionEgressRestricted, metav1.ConditionFalse, "which DataRegion ch does not declare")
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonEgressOpen))
		noticed("from a NetworkPolicy that opens the network to EgressRestricted=False", start)
		Expect(time.Since(start)).To(BeNumerically("<", time.Minute))
		// The region only reports it.
		settled(ctx, basel)

		start = time.Now()
		Expect(kube.Delete(ctx, another)).To(Succeed())
		eventually(ctx, basel, v1alpha1.ConditionEgressRestricted, metav1.ConditionTrue)
		noticed("from that NetworkPolicy's end to EgressRestricted=True", start)
	})
})
