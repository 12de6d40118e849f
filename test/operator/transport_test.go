// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/testing/certtest"
)

// siteSecret holds the certificate of every site of a world.
const siteSecret = "site-tls"

// B4: the certificate citizens meet.
var _ = Describe("The certificate of a booking site", func() {
	It("is looked at: one for another host, an ended one and none at all are said, and a new one mends it without a restart", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.serve(ctx, tenant, w.name+"-trusted")
		eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionTrue, saying("names its hosts"))
		where := "Secret " + w.namespace + "/" + siteSecret
		Expect(get(ctx, tenant).Status.Evidence).To(ContainElement(And(
			HaveField("Where", where), HaveField("Value", ContainSubstring("TLS until")), HaveField("Source", v1alpha1.EvidenceObserved))))

		By("naming another host")
		w.certify(ctx, time.Now(), "elsewhere.example.org")
		claim := eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionFalse, saying(where, "does not name host site."+w.name))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonCertificateInvalid))

		By("having ended")
		w.certify(ctx, time.Now().AddDate(-1, 0, 0), "*."+w.name+".example.org")
		claim = eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionFalse, saying(where, "ended at"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonCertificateExpired))
		expectIncident(ctx, tenant, compliance.UseSite, v1alpha1.IncidentReported, false)

		By("being gone")
		Expect(admin.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: siteSecret}})).To(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionUnknown, saying(w.namespace+"/"+siteSecret))

		By("being renewed")
		w.certify(ctx, time.Now(), "*."+w.name+".example.org")
		eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionTrue)
		expectIncident(ctx, tenant, compliance.UseSite, v1alpha1.IncidentReported, true)

		By("being declared no longer")
		update(ctx, tenant, func(t *v1alpha1.BookingTenant) { t.Spec.Instance.TLSSecretName = "" })
		claim = eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionFalse, saying("spec.instance.tlsSecretName"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonNotEncrypted))
	})
})

// certify puts a certificate for names into the world's Secret, issued at some time.
func (w *world) certify(ctx context.Context, at time.Time, names ...string) {
	GinkgoHelper()
	pair := certtest.IssueAt(GinkgoTB(), certtest.AuthorityAt(GinkgoTB(), at, nil), at, names...)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: siteSecret}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.Key},
	}
	Expect(client.IgnoreNotFound(admin.Delete(ctx, secret.DeepCopy()))).To(Succeed())
	Expect(admin.Create(ctx, secret)).To(Succeed())
}
