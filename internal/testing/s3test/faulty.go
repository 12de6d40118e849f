// SPDX-License-Identifier: Apache-2.0

package s3test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// Fault is how a store lies. Answer, if not nil, may answer a request in the store's place, and says whether it did;
// Change, if not nil, alters what the store answers.
type Fault struct {
	Answer func(w http.ResponseWriter, r *http.Request) (answered bool)
	Change func(*http.Response) error
}

// Behind gives the store as it is seen through a proxy that lies: the same bucket, another endpoint and certificate.
// Signatures hold, since the proxy passes on what was signed.
func (s *Store) Behind(tb testing.TB, fault Fault) *Store {
	tb.Helper()
	target, err := url.Parse(s.Endpoint)
	check(tb, err)
	proxy := &httputil.ReverseProxy{
		// The host stays that of the proxy: it is signed.
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		Transport:      s.client.Transport,
		ModifyResponse: fault.Change,
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	dir := tb.TempDir()
	bundle := authority(tb, dir+"/tls.crt", dir+"/tls.key")
	certificate, err := tls.LoadX509KeyPair(dir+"/tls.crt", dir+"/tls.key")
	check(tb, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault.Answer == nil || !fault.Answer(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	tb.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	check(tb, err)
	return &Store{
		Name: s.Name, Bucket: s.Bucket, Endpoint: "https://localhost:" + port, CABundle: bundle,
		AdminKeyID: s.AdminKeyID, AdminSecret: s.AdminSecret, client: s.client,
	}
}
