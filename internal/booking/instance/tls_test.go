// SPDX-License-Identifier: Apache-2.0

package instance_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/termintreu/termintreu/internal/booking/instance"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/serving"
	"github.com/termintreu/termintreu/internal/settings"
)

const serviceName = "site-booking.basel.svc"

// B4: the hop behind the ingress is encrypted, and a renewed certificate needs no restart.
func TestAnInstanceServesTLSAndTakesARenewedCertificateUp(t *testing.T) {
	g := NewWithT(t)
	made, err := serving.New(time.Now(), nil)
	g.Expect(err).NotTo(HaveOccurred())
	authority, err := serving.Open(made)
	g.Expect(err).NotTo(HaveOccurred())
	tenant, dir := fixture.New(t), t.TempDir()
	path := filepath.Join(t.TempDir(), settings.FileKey)
	write(t, path, tenant.Document)
	first := present(t, authority, dir)

	ctx, stop := context.WithCancel(t.Context())
	address, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- instance.Run(ctx, instance.Options{SettingsFile: path, DatabaseDir: tenant.DatabaseDir, TLSDir: dir, Listen: "127.0.0.1:0",
			InternalListen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Listening: func(site, _ net.Addr) { address <- site.String() }})
	}()
	site := <-address
	presented := func() []byte {
		conn, err := tls.Dial("tcp", site, &tls.Config{RootCAs: authority.Pool(), ServerName: serviceName, MinVersion: tls.VersionTLS12})
		if err != nil {
			return nil
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Raw
	}
	g.Expect(presented()).To(Equal(first))
	_, err = tls.Dial("tcp", site, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: serviceName, MinVersion: tls.VersionTLS12})
	g.Expect(err).To(HaveOccurred(), "another authority is believed")
	response, err := http.Get("http://" + site + "/")
	if err == nil {
		_ = response.Body.Close()
		g.Expect(response.StatusCode).To(Equal(http.StatusBadRequest), "the site answers in the clear")
	}

	second := present(t, authority, dir)
	g.Eventually(presented, 30*time.Second, 100*time.Millisecond).Should(Equal(second))

	stop()
	g.Expect(<-ended).NotTo(HaveOccurred())
}

// present puts a certificate where the instance looks for it, and gives it.
func present(t *testing.T, authority *serving.Authority, dir string) []byte {
	t.Helper()
	pair, err := authority.Issue([]string{serviceName}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{serving.CertificateKey: pair.Certificate, serving.PrivateKeyKey: pair.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(parsed.Certificate[0])
}
