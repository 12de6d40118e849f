// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/serving"
)

// B4: the hop behind the ingress.
var _ = Describe("What an instance presents", func() {
	It("is signed by the operator's authority for its own Service, and made anew without touching the pods", func(ctx SpecContext) {
		w := newWorld(ctx)
		first := startOperator()
		tenant := w.create(ctx, "site")
		generation := deployment(ctx, tenant).Generation
		leaf := presented(ctx, tenant)
		Expect(leaf.DNSNames).To(ConsistOf("site-booking." + w.namespace + ".svc"))

		By("somebody putting another certificate into the Secret")
		foreign, err := serving.New(time.Now(), nil)
		Expect(err).NotTo(HaveOccurred())
		secret := instanceSecret(ctx, tenant)
		before := secret.DeepCopy()
		secret.Data[serving.CertificateKey], secret.Data[serving.PrivateKeyKey] = foreign.Certificate, foreign.Key
		Expect(admin.Patch(ctx, secret, client.MergeFrom(before))).To(Succeed())
		var renewed *x509.Certificate
		Eventually(func() []string {
			renewed = presented(ctx, tenant)
			return renewed.DNSNames
		}).Should(Equal(leaf.DNSNames))
		Expect(renewed.SerialNumber).NotTo(Equal(leaf.SerialNumber))

		By("the operator starting again, which changes nothing")
		first.kill()
		startOperator()
		update(ctx, tenant, func(t *v1alpha1.BookingTenant) { t.Spec.Instance.Replicas++ })
		Eventually(func() int64 { return deployment(ctx, tenant).Generation }).Should(BeNumerically(">", generation))
		Expect(presented(ctx, tenant).Raw).To(Equal(renewed.Raw))
		Expect(deployment(ctx, tenant).Spec.Template.Annotations).To(BeEmpty())
	})
})

func instanceSecret(ctx context.Context, tenant *v1alpha1.BookingTenant) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: tenant.Namespace, Name: tenant.Name + "-booking"}, secret)).To(Succeed())
	return secret
}

// presented is the certificate in the tenant's Secret; what verifies it lies beside it.
func presented(ctx context.Context, tenant *v1alpha1.BookingTenant) *x509.Certificate {
	GinkgoHelper()
	secret := instanceSecret(ctx, tenant)
	pair, err := tls.X509KeyPair(secret.Data[serving.CertificateKey], secret.Data[serving.PrivateKeyKey])
	Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	Expect(roots.AppendCertsFromPEM(secret.Data[serving.AuthorityKey])).To(BeTrue())
	if len(pair.Leaf.DNSNames) > 0 {
		_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: pair.Leaf.DNSNames[0]})
		Expect(err).NotTo(HaveOccurred())
	}
	return pair.Leaf
}
