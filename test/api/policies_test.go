// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
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
	raw, err := os.ReadFile(name)
	Expect(err).NotTo(HaveOccurred())
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(raw), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return
		}
		Expect(err).NotTo(HaveOccurred())
		Expect(apiServer.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test"), client.ForceOwnership)).To(Succeed())
	}
}
