// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// B4: whoever renews the certificate of a booking site disturbs nobody.
var _ = Describe("Renewing the certificate of the Basel site", func() {
	It("fails no request, is what citizens meet next, and is seen in the status", func(ctx SpecContext) {
		tenant := tenantOf(ctx, basel)
		load := citizens(ctx, tenant)
		Eventually(load.answered.Load).WithContext(ctx).Should(BeNumerically(">", 20))
		before := load.last.Load()
		for _, end := range []string{".crt", ".key"} {
			Expect(os.Remove(filepath.Join(*dir, "hosts", tenant.Name+end))).To(Succeed())
		}
		renewed, err := installation.Certificate(tenant)
		Expect(err).NotTo(HaveOccurred())
		live := &corev1.Secret{}
		Expect(kube.Get(ctx, client.ObjectKeyFromObject(renewed), live)).To(Succeed())
		old := live.DeepCopy()
		live.Data = renewed.Data
		Expect(kube.Patch(ctx, live, client.MergeFrom(old))).To(Succeed())
		start := time.Now()
		Eventually(load.last.Load).WithContext(ctx).ShouldNot(Equal(before))
		noticed("from a new Secret to the new certificate at the ingress", start)
		from := load.answered.Load()
		Eventually(load.answered.Load).WithContext(ctx).Should(BeNumerically(">", from+20))
		load.end()
		Expect(load.faults.Load()).To(BeZero(), "of %d requests", load.answered.Load())
		AddReportEntry("requests while the certificate was exchanged, none lost", load.answered.Load())

		pair, err := tls.X509KeyPair(renewed.Data[corev1.TLSCertKey], renewed.Data[corev1.TLSPrivateKeyKey])
		Expect(err).NotTo(HaveOccurred())
		Expect(pair.Leaf.SerialNumber.String()).To(Equal(*load.last.Load()))
		until := pair.Leaf.NotAfter.UTC().Format(time.RFC3339)
		Eventually(func() []v1alpha1.EvidenceItem { return tenantOf(ctx, basel).Status.Evidence }).WithContext(ctx).Should(ContainElement(And(
			HaveField("Where", "Secret "+renewed.Namespace+"/"+renewed.Name), HaveField("Value", ContainSubstring("TLS until "+until)))))
		settled(ctx, basel)
	})
})

// visits are requests over new connections, one after the other, to a site over TLS.
type visits struct {
	answered, faults atomic.Int64
	// last certificate that was met, by its serial number.
	last atomic.Pointer[string]
	stop context.CancelFunc
	all  sync.WaitGroup
}

func (v *visits) end() {
	v.stop()
	v.all.Wait()
}

func citizens(ctx context.Context, tenant *v1alpha1.BookingTenant) *visits {
	GinkgoHelper()
	ingress, found := ends.Ingress(tenant.Spec.RegionRef.Name)
	Expect(found).To(BeTrue())
	authority, err := os.ReadFile(ends.CAFile)
	Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	Expect(roots.AppendCertsFromPEM(authority)).To(BeTrue())
	address, err := url.Parse(ingress.HTTPS)
	Expect(err).NotTo(HaveOccurred())
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address.Host)
	}
	citizen := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	lives, stop := context.WithCancel(context.WithoutCancel(ctx))
	load := &visits{stop: stop}
	DeferCleanup(load.end)
	for range 3 {
		load.all.Go(func() {
			for lives.Err() == nil {
				load.once(citizen, "https://"+string(tenant.Spec.Instance.Hosts[0])+registration.path())
			}
		})
	}
	return load
}

func (v *visits) once(citizen *http.Client, address string) {
	response, err := citizen.Get(address)
	if err != nil || response.StatusCode != http.StatusOK {
		v.faults.Add(1)
		GinkgoWriter.Println("a request failed:", err)
	}
	if err != nil {
		return
	}
	serial := response.TLS.PeerCertificates[0].SerialNumber.String()
	if known := v.last.Load(); known == nil || *known != serial {
		v.last.Store(&serial)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	v.answered.Add(1)
}
