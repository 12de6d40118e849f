// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Acceptance 8: a mistake is told with its mend, and leaves nothing half-made.
var _ = Describe("A mistake in a tenant", func() {
	DescribeTable("is refused at once, with the mend,", func(ctx SpecContext, spoil func(*v1alpha1.BookingTenant), mend string) {
		err := kube.Create(ctx, wrong(ctx, spoil))
		Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
		Expect(err).To(MatchError(ContainSubstring(mend)))
	},
		Entry("opening hours that cross", func(t *v1alpha1.BookingTenant) {
			t.Spec.Catalogue.Offices[0].OpeningHours = []v1alpha1.OpeningHours{
				{Day: "Monday", From: "08:00", Until: "12:00"}, {Day: "Monday", From: "11:00", Until: "16:00"},
			}
		}, "merge them or separate them"),
		Entry("a secret key as recipient", func(t *v1alpha1.BookingTenant) {
			t.Spec.Backup.Recipients = []v1alpha1.AgeRecipient{"AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"}
		}, "never a secret key"),
		Entry("a time zone inside a schedule", func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Schedule = "TZ=0 2 * * *" },
			"the time zone has a field of its own"),
		Entry("a host with a scheme", func(t *v1alpha1.BookingTenant) { t.Spec.Instance.Hosts = []v1alpha1.Host{"https://wrong.localhost"} },
			"without scheme, port or path"),
		Entry("an office of nobody", func(t *v1alpha1.BookingTenant) { t.Spec.Catalogue.Offices[0].Controller = "Nobody" },
			"every office must name one of spec.controllers"),
	)

	DescribeTable("stalls the tenant with a sentence, and nothing of it exists,", func(ctx SpecContext, spoil func(*v1alpha1.BookingTenant), reason, says string) {
		tenant := wrong(ctx, spoil)
		Expect(kube.Create(ctx, tenant)).To(Succeed())
		name := client.ObjectKeyFromObject(tenant)
		DeferCleanup(func(ctx SpecContext) { withdraw(ctx, name) })
		stalled := eventually(ctx, name, v1alpha1.ConditionStalled, metav1.ConditionTrue, says)
		Expect(stalled.Reason).To(Equal(reason))
		got := tenantOf(ctx, name)
		Expect(got.Finalizers).To(BeEmpty())
		Expect(got.Status.Database).To(BeNil())
		Expect(podsOf(ctx, got)).To(BeEmpty())
	},
		Entry("when its region does not exist", func(t *v1alpha1.BookingTenant) { t.Spec.RegionRef.Name = "nowhere" },
			v1alpha1.ReasonRegionNotFound, "kubectl get dataregions"),
		Entry("when its policy does not exist", func(t *v1alpha1.BookingTenant) { t.Spec.RetentionPolicyRef.Name = "nothing" },
			v1alpha1.ReasonPolicyNotFound, "kubectl get retentionpolicies"),
		Entry("when its namespace is not admitted", func(t *v1alpha1.BookingTenant) { t.Spec.RegionRef.Name = "de" },
			v1alpha1.ReasonNamespaceNotAllowed, "does not admit namespace"),
		Entry("when its host is another's", func(t *v1alpha1.BookingTenant) { t.Spec.Instance.Hosts = []v1alpha1.Host{"termine.basel.localhost"} },
			v1alpha1.ReasonHostTaken, "choose another host"),
		Entry("when a recipient has a wrong character", func(t *v1alpha1.BookingTenant) {
			t.Spec.Backup.Recipients = []v1alpha1.AgeRecipient{"age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq"}
		}, v1alpha1.ReasonInvalidRecipient, "is no age public key"),
		Entry("when its schedule never fires", func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Schedule = "0 0 30 2 *" },
			v1alpha1.ReasonInvalidSchedule, "spec.backup.schedule"),
		Entry("when its backups are too far apart", func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Schedule = "0 0 * * 1" },
			v1alpha1.ReasonInvalidSchedule, "back up more often"),
	)
})

// wrong is a tenant like the fast lane's, spoilt.
func wrong(ctx context.Context, spoil func(*v1alpha1.BookingTenant)) *v1alpha1.BookingTenant {
	GinkgoHelper()
	tenant := &v1alpha1.BookingTenant{
		ObjectMeta: metav1.ObjectMeta{Namespace: fastLane.Namespace, Name: "falsch"}, Spec: *tenantOf(ctx, fastLane).Spec.DeepCopy(),
	}
	tenant.Spec.Instance.Hosts, tenant.Spec.Instance.TLSSecretName = []v1alpha1.Host{"falsch.localhost"}, ""
	spoil(tenant)
	return tenant
}

// withdraw deletes a tenant that has no data and waits until it is gone.
func withdraw(ctx context.Context, name types.NamespacedName) {
	GinkgoHelper()
	tenant := &v1alpha1.BookingTenant{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
	Expect(client.IgnoreNotFound(kube.Delete(ctx, tenant))).To(Succeed())
	Eventually(func() bool {
		return apierrors.IsNotFound(kube.Get(ctx, name, &v1alpha1.BookingTenant{}))
	}).WithContext(ctx).Should(BeTrue())
}
