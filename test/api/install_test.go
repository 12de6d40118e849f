// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/testing/manifests"
)

// render gives the objects of a kustomization.
func render(ctx context.Context, folder string) []*unstructured.Unstructured {
	GinkgoHelper()
	command := exec.CommandContext(ctx, filepath.Join(assets(ctx), "kubectl"), "kustomize", filepath.Join(repository, folder))
	command.Stderr = GinkgoWriter
	out, err := command.Output()
	Expect(err).NotTo(HaveOccurred())
	return manifests.Parse(GinkgoTB(), out)
}

var _ = Describe("config/default", Ordered, func() {
	It("is accepted by the API server", func(ctx context.Context) {
		for _, object := range render(ctx, "config/default") {
			Expect(apiServer.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("test"), client.ForceOwnership)).
				To(Succeed(), "%s %s", object.GetKind(), object.GetName())
		}
	})

	It("runs operands with the operator's own image", func(ctx context.Context) {
		for _, object := range render(ctx, "config/default") {
			if object.GetKind() != "Deployment" || object.GetName() != "termintreu-operator" {
				continue
			}
			containers, _, err := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
			Expect(err).NotTo(HaveOccurred())
			container, ok := containers[0].(map[string]any)
			Expect(ok).To(BeTrue())
			Expect(container["env"]).To(ContainElement(map[string]any{"name": "TERMINTREU_IMAGE", "value": container["image"]}))
		}
	})

	DescribeTable("gives the least rights:",
		func(ctx context.Context, account, verb, group, resource, subresource string, want bool) {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User: "system:serviceaccount:" + operatorNamespace + ":" + account,
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: "basel", Verb: verb, Group: group, Resource: resource, Subresource: subresource,
				},
			}}
			// The authorizer learns of new roles by watching.
			Eventually(func(g Gomega) {
				again := review.DeepCopy()
				g.Expect(apiServer.Create(ctx, again)).To(Succeed())
				g.Expect(again.Status.Allowed).To(Equal(want))
			}).WithTimeout(20 * time.Second).Should(Succeed())
		},
		Entry("the operator reports on tenants", "termintreu-operator", "patch", v1alpha1Group, "bookingtenants", "status", true),
		Entry("the operator adds its finalizer", "termintreu-operator", "patch", v1alpha1Group, "bookingtenants", "", true),
		Entry("the operator makes purges", "termintreu-operator", "create", "batch", "cronjobs", "", true),
		Entry("the operator clears a platform namespace by label", "termintreu-operator", "deletecollection", "", "secrets", "", true),
		Entry("the operator deletes no tenant", "termintreu-operator", "delete", v1alpha1Group, "bookingtenants", "", false),
		Entry("the operator changes no policy", "termintreu-operator", "patch", v1alpha1Group, "retentionpolicies", "", false),
		Entry("the operator enters no pod", "termintreu-operator", "create", "", "pods", "exec", false),
		Entry("the operator gives no rights", "termintreu-operator", "create", "rbac.authorization.k8s.io", "clusterrolebindings", "", false),
		Entry("the sentinel writes verdicts", "termintreu-sentinel", "patch", v1alpha1Group, "bookingtenants", "status", true),
		Entry("the sentinel changes no tenant", "termintreu-sentinel", "patch", v1alpha1Group, "bookingtenants", "", false),
		Entry("the sentinel reads no Secret", "termintreu-sentinel", "get", "", "secrets", "", false),
	)
})

const v1alpha1Group = "booking.termintreu.dev"
