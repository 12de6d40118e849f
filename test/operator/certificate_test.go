// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"crypto/ed25519"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/controllers"
	"github.com/termintreu/termintreu/internal/certificate"
)

// D4: an authority that leaves is given a proof of what is gone.
var _ = Describe("A deletion certificate", func() {
	It("says what was deleted at once, is signed, and is complete when no store holds anything", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site", func(t *v1alpha1.BookingTenant) { t.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
		w.settle(ctx, tenant)
		w.book(ctx, tenant, 3)

		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		w.expectGone(ctx, tenant)
		cert := certificateOf(ctx, tenant)
		Expect(cert.Spec.Records).To(ContainElement(v1alpha1.RecordCount{Category: v1alpha1.CategoryContact, Count: 3}))
		expectSigned(ctx, cert, cert.Status.Deletion)
		for _, word := range []string{"tenant: " + w.namespace + "/site\n", "deleted: 3 records of Contact\n", "region: " + w.name + "\n", "store " + stores[0].Name + " holds none"} {
			Expect(cert.Status.Deletion.Text).To(ContainSubstring(word))
		}
		Expect(meta.IsStatusConditionTrue(cert.Status.Conditions, v1alpha1.ConditionComplete)).To(BeTrue())
		expectSigned(ctx, cert, cert.Status.Completion)

		before := cert.DeepCopy()
		cert.Spec.Records[0].Count++
		Expect(admin.Patch(ctx, cert, client.MergeFrom(before))).To(MatchError(ContainSubstring("cannot be changed")))
	})

	It("follows the backups that outlive a retained tenant until the last is gone, and the one before it in the chain", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		expectReleased(ctx, tenant)
		execute(ctx, w, "UPDATE termintreu.tenant SET retained_until = now() - interval '1 second' WHERE data_id = $1", dataIDOf(tenant))
		Eventually(func() int64 { return schemasOf(ctx, w, tenant) }).Should(BeZero())

		cert := certificateOf(ctx, tenant)
		complete := meta.FindStatusCondition(cert.Status.Conditions, v1alpha1.ConditionComplete)
		Expect(complete.Reason).To(Equal(v1alpha1.ReasonBackupsRemain))
		Expect(cert.Status.Deletion.Text).To(MatchRegexp(`store ` + stores[0].Name + ` holds \d+ versions, the last gone by 2`))
		if *cert.Status.Sequence > 1 {
			Expect(cert.Status.Deletion.Text).NotTo(ContainSubstring("previous: none"))
		}
		for _, store := range stores {
			Expect(w.storeAdmin(store.Name).DeleteAll(ctx, dataIDOf(tenant)+"/")).To(Succeed())
		}
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(cert), cert)).To(Succeed())
			g.Expect(meta.IsStatusConditionTrue(cert.Status.Conditions, v1alpha1.ConditionComplete)).To(BeTrue())
		}).Should(Succeed())
		expectSigned(ctx, cert, cert.Status.Completion)
		Expect(cert.Status.Completion.Text).To(ContainSubstring("deletion: " + certificate.Digest(cert.Status.Deletion.Text)))
	})
})

// certificateOf waits until the certificate of a tenant's data is issued.
func certificateOf(ctx context.Context, tenant *v1alpha1.BookingTenant) *v1alpha1.DeletionCertificate {
	GinkgoHelper()
	cert := &v1alpha1.DeletionCertificate{}
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKey{Name: dataIDOf(tenant)}, cert)).To(Succeed())
		g.Expect(meta.FindStatusCondition(cert.Status.Conditions, v1alpha1.ConditionIssued)).To(HaveField("Status", metav1.ConditionTrue))
	}).Should(Succeed())
	return cert
}

// expectSigned verifies a statement with the key the platform publishes.
func expectSigned(ctx context.Context, cert *v1alpha1.DeletionCertificate, s *v1alpha1.SignedStatement) {
	GinkgoHelper()
	Expect(s).NotTo(BeNil())
	secret, published := &corev1.Secret{}, &corev1.ConfigMap{}
	name := client.ObjectKey{Namespace: system, Name: controllers.SigningKeyName}
	Expect(admin.Get(ctx, name, secret)).To(Succeed())
	Expect(admin.Get(ctx, name, published)).To(Succeed())
	key, err := certificate.ParsePrivate(secret.Data["private.pem"])
	Expect(err).NotTo(HaveOccurred())
	public, ok := key.Public().(ed25519.PublicKey)
	Expect(ok).To(BeTrue())
	Expect(published.Data[cert.Status.KeyID+".pem"]).To(HavePrefix("-----BEGIN PUBLIC KEY-----"))
	Expect(s.Text).To(ContainSubstring("key: " + cert.Status.KeyID + "\n"))
	Expect(certificate.Verify(public, s)).To(Succeed())
}

// book stores confirmed appointments of the future with their contacts, as the site would.
func (w *world) book(ctx context.Context, tenant *v1alpha1.BookingTenant, n int) {
	GinkgoHelper()
	schema := dataIDOf(tenant)
	execute(ctx, w, `WITH a AS (INSERT INTO `+schema+`.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		SELECT $1, 1, $2, 'OnSite', now() + n * interval '1 h', now() + n * interval '1 h' + interval '15 min', 'confirmed', 'de', decode(md5(n::text), 'hex')
		FROM generate_series(1, $3::int) AS n RETURNING id)
		INSERT INTO `+schema+`.contact (appointment_id, given_name, family_name, email, notice_date) SELECT id, 'Vreni', 'Geheimnis', 'v@example.org', current_date FROM a`,
		string(tenant.Spec.Catalogue.Offices[0].Name), string(tenant.Spec.Catalogue.Services[0].Name), n)
}
