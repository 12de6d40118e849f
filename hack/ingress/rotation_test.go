// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/termintreu/termintreu/internal/serving"
	"github.com/termintreu/termintreu/internal/testing/certtest"
)

// visitors ask an address over TLS until done, half of them over a new connection each time, and note with which
// certificate they were answered.
type visitors struct {
	answered atomic.Int64
	faults   atomic.Int64
	met      sync.Map // serial number of the certificate → true
}

func (v *visitors) visit(ctx context.Context, t *testing.T, at string, roots *x509.CertPool, anew bool) {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, at)
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: anew, DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, "https://termine.localhost/", http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		response, err := client.Do(request)
		switch {
		case err != nil:
			v.faults.Add(1)
			t.Log(err)
			continue
		case response.StatusCode != http.StatusOK:
			v.faults.Add(1)
			t.Log(response.Status)
		}
		v.met.Store(response.TLS.PeerCertificates[0].SerialNumber.String(), true)
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
		v.answered.Add(1)
	}
}

// B4, and acceptance 8 of the booking instance: both certificates on the way of a citizen's request.
func TestRotatingBothCertificatesUnderLoadFailsNoRequest(t *testing.T) {
	front, hop := [2]*serving.Authority{certtest.Authority(t), certtest.Authority(t)}, [2]*serving.Authority{certtest.Authority(t), certtest.Authority(t)}
	var presented atomic.Pointer[tls.Certificate]
	presented.Store(certtest.Certificate(t, hop[0], "site-booking.basel.svc"))
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	site.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return presented.Load(), nil }, MinVersion: tls.VersionTLS12}
	site.StartTLS()
	defer site.Close()
	client := fake.NewClientset(objects(t, site.Listener.Addr(), hop[0])...)
	siteTLS := func(by *serving.Authority) *core.Secret {
		pair := certtest.Issue(t, by, "termine.localhost")
		return &core.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "basel", Name: "site-tls"}, Data: map[string][]byte{"tls.crt": pair.Certificate, "tls.key": pair.Key}}
	}
	secrets, ingresses := client.CoreV1().Secrets("basel"), client.NetworkingV1().Ingresses("basel")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := secrets.Create(t.Context(), siteTLS(front[0]), metav1.CreateOptions{})
	must(err)
	ingress, err := ingresses.Get(t.Context(), "site-booking", metav1.GetOptions{})
	must(err)
	ingress.Spec.TLS = []networking.IngressTLS{{Hosts: []string{"termine.localhost"}, SecretName: "site-tls"}}
	_, err = ingresses.Update(t.Context(), ingress, metav1.UpdateOptions{})
	must(err)
	at, certs := serveIngress(t, client)

	roots := x509.NewCertPool()
	for _, authority := range front {
		roots.AppendCertsFromPEM(authority.Authorities())
	}
	load, waiting := visitors{}, sync.WaitGroup{}
	seen := func() (n int) { load.met.Range(func(any, any) bool { n++; return true }); return n }
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for n := range 4 {
		waiting.Go(func() { load.visit(ctx, t, at, roots, n%2 == 0) })
	}
	more := func() {
		from := load.answered.Load()
		await(t, "twenty more answers", func() bool { return load.answered.Load() >= from+20 })
	}
	more()
	if seen() != 1 {
		t.Fatalf("%d certificates were met before the rotation", seen())
	}
	_, err = secrets.Update(t.Context(), siteTLS(front[1]), metav1.UpdateOptions{})
	must(err)
	await(t, "the new certificate", func() bool { return seen() == 2 })
	more()

	// As the operator does: the bundle believes both authorities before the site presents what the new one signed.
	secret, err := secrets.Get(t.Context(), "site-booking", metav1.GetOptions{})
	must(err)
	secret.Data[serving.AuthorityKey] = append(append([]byte{}, hop[1].Authorities()...), hop[0].Authorities()...)
	_, err = secrets.Update(t.Context(), secret, metav1.UpdateOptions{})
	must(err)
	presented.Store(certtest.Certificate(t, hop[1], "site-booking.basel.svc"))
	certs.table.proxy.Transport.(*http.Transport).CloseIdleConnections()
	more()
	stop()
	waiting.Wait()
	if load.faults.Load() > 0 {
		t.Errorf("%d of %d requests failed", load.faults.Load(), load.answered.Load())
	}
}

// serveIngress opens the ingress's secure port.
func serveIngress(t *testing.T, client *fake.Clientset) (address string, certs *certificates) {
	t.Helper()
	routes := newTable("public", client)
	if err := routes.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	own := certtest.Certificate(t, certtest.Authority(t), "localhost")
	certs = &certificates{client: client, table: routes, authority: *own, keep: 100 * time.Millisecond}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer("", routes)
	server.TLSConfig = &tls.Config{GetCertificate: certs.get, MinVersion: tls.VersionTLS12}
	server.ErrorLog = log.New(io.Discard, "", 0)
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	return listener.Addr().String(), certs
}

// await polls until it holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker, deadline := time.NewTicker(10*time.Millisecond), time.After(2*time.Minute)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("%s did not come", what)
		case <-ticker.C:
		}
	}
}
