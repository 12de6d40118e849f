// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/testing/manifests"
)

var _ = Describe("a RetentionPolicy in use", func() {
	It("cannot be deleted before its last tenant has left it", func(ctx context.Context) {
		policy, ok := spoiled(policyWith(func(p *v1alpha1.RetentionPolicy) { p.Name = "in-use" })).(*v1alpha1.RetentionPolicy)
		Expect(ok).To(BeTrue())
		applyFile(ctx, repository+"/config/admission/policies.yaml")
		Expect(apiServer.Create(ctx, policy)).To(Succeed())
		report := func(tenants int32) {
			before := policy.DeepCopy()
			policy.Status.Tenants = &tenants
			Expect(apiServer.Status().Patch(ctx, policy, client.MergeFrom(before))).To(Succeed())
		}
		report(3)
		// The API server learns of new admission policies by watching.
		Eventually(func() error { return apiServer.Delete(ctx, policy, client.DryRunAll) }).WithTimeout(20 * time.Second).
			Should(MatchError(ContainSubstring("3 BookingTenants keep RetentionPolicy in-use: have each name another policy")))
		report(0)
		Expect(apiServer.Delete(ctx, policy)).To(Succeed())
	})
})

// applyFile applies every object of a file.
func applyFile(ctx context.Context, name string) {
	for _, object := range manifests.Read(GinkgoTB(), name) {
		Expect(apiServer.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test"), client.ForceOwnership)).To(Succeed())
	}
}
