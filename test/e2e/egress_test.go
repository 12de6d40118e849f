// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// A11: nothing on the local cluster enforces NetworkPolicies, and a claim that did not notice would be worth nothing.
var _ = Describe("The network of a tenant", Label("tamper"), func() {
	It("is tried from the instance, and said to be open where nothing enforces NetworkPolicies", func(ctx SpecContext) {
		claim := eventually(ctx, basel, v1alpha1.ConditionEgressRestricted, metav1.ConditionFalse, "which DataRegion ch does not declare")
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonEgressOpen))
		// The region only reports it.
		settled(ctx, basel)
	})
})
