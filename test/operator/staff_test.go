// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// clientSecret at the identity provider; it is the authority's, and belongs in nothing the operator writes.
const clientSecret = "sPuRlos-oidc-2f7c"

// T5, T6: the operator deploys a staff side without ever reading the authority's secret, under its own rights.
var _ = Describe("A tenant with staff", func() {
	It("gets the Secret mounted and the provider's address let through, and is Stalled with the mend while something lacks", func(ctx SpecContext) {
		w := newWorld(ctx, func(region *v1alpha1.DataRegion, policy *v1alpha1.RetentionPolicy) {
			processor := region.Spec.DatabaseServers[0].Processor
			region.Spec.StaffIdentity = &v1alpha1.StaffIdentity{Issuer: "https://id.example.org:8443/realms/basel", Claim: "groups", Processor: processor,
				EndpointCIDRs: []v1alpha1.CIDR{"192.0.2.17/32"}}
			policy.Spec.Rules = append(policy.Spec.Rules, v1alpha1.RetentionRule{Category: v1alpha1.CategoryAuditLog, StartEvent: v1alpha1.StartCreation, Period: "365d",
				Action: v1alpha1.ActionDelete, DeletionClass: "K", Justification: "Nobody needs it longer.", Responsible: "Einwohneramt", ApprovedOn: "2026-03-02"})
		})
		Expect(admin.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "site-oidc"},
			StringData: map[string]string{settings.ClientSecretKey: clientSecret}})).To(Succeed())
		startOperator()
		tenant := w.create(ctx, "site", func(t *v1alpha1.BookingTenant) {
			t.Spec.Instance.TLSSecretName = "site-tls"
			t.Spec.Staff = &v1alpha1.StaffSpec{ClientID: "site", ClientSecretRef: v1alpha1.SecretReference{Name: "site-oidc"},
				Grants: []v1alpha1.StaffGrant{{Role: v1alpha1.StaffClerk, Values: []string{"termine-clerk"}, Offices: []v1alpha1.CatalogueName{"nowhere"}}}}
		})

		By("an office nobody knows")
		stalled := eventually(ctx, tenant, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying("office nowhere", "correct the name, or leave offices out for all"))
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonInvalidStaff))
		Expect(objectsOf(ctx, tenant)).To(BeEmpty(), "nothing is half-made")

		By("the name corrected")
		office := tenant.Spec.Catalogue.Offices[0].Name
		update(ctx, tenant, func(t *v1alpha1.BookingTenant) { t.Spec.Staff.Grants[0].Offices[0] = office })
		eventually(ctx, tenant, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
		instance := client.ObjectKey{Namespace: w.namespace, Name: "site-booking"}
		mounted := HaveField("VolumeSource.Secret", And(Not(BeNil()), HaveField("SecretName", "site-oidc"), HaveField("Optional", HaveValue(BeTrue()))))
		deployment, policy, document := &appsv1.Deployment{}, &networkingv1.NetworkPolicy{}, &corev1.ConfigMap{}
		for _, object := range []client.Object{deployment, policy, document} {
			Eventually(func() error { return admin.Get(ctx, instance, object) }).Should(Succeed())
		}
		Expect(deployment.Spec.Template.Spec.Volumes).To(ContainElement(mounted), "citizens book whether the staff can sign in or not")
		Expect(deployment.Spec.Template.Spec.Containers[0].VolumeMounts).To(ContainElement(And(HaveField("MountPath", settings.StaffDir), HaveField("ReadOnly", BeTrue()))))
		Expect(policy.Spec.Egress).To(ContainElement(And(
			HaveField("To", ConsistOf(HaveField("IPBlock.CIDR", "192.0.2.17/32"))),
			HaveField("Ports", ConsistOf(HaveField("Port", HaveValue(Equal(intstr.FromInt32(8443)))))))))
		told := settings.Instance{}
		Expect(json.Unmarshal([]byte(document.Data[settings.FileKey]), &told)).To(Succeed())
		Expect(told.Staff.Grants).To(ConsistOf(settings.StaffGrant{Role: v1alpha1.StaffClerk, Values: []string{"termine-clerk"}, Offices: []v1alpha1.CatalogueName{office}}))
		written, err := json.Marshal([]any{deployment, policy, document, get(ctx, tenant)})
		Expect(err).NotTo(HaveOccurred())
		Expect(string(written)).NotTo(ContainSubstring(clientSecret))

		By("the provider taken away")
		before := w.region.DeepCopy()
		w.region.Spec.StaffIdentity = nil
		Expect(admin.Patch(ctx, w.region, mergeFrom(before))).To(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying("ask the platform for spec.staffIdentity, or remove spec.staff"))
		update(ctx, tenant, func(t *v1alpha1.BookingTenant) { t.Spec.Staff = nil })
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, instance, deployment)).To(Succeed())
			g.Expect(deployment.Spec.Template.Spec.Volumes).NotTo(ContainElement(mounted))
		}).Should(Succeed())
	})
})
