// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/termintreu/termintreu/internal/serving"
	"github.com/termintreu/termintreu/internal/testing/certtest"
)

func TestABackendThatSpeaksTLSIsVerifiedWithTheAuthorityInItsSecret(t *testing.T) {
	ours, theirs := certtest.Authority(t), certtest.Authority(t)
	for name, test := range map[string]struct {
		believed *serving.Authority
		want     int
	}{"its own": {ours, http.StatusOK}, "another": {theirs, http.StatusBadGateway}} {
		t.Run(name, func(t *testing.T) {
			site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Host != "termine.localhost" {
					w.WriteHeader(http.StatusNotFound)
				}
			}))
			site.TLS = &tls.Config{Certificates: []tls.Certificate{*certtest.Certificate(t, ours, "site-booking.basel.svc")}, MinVersion: tls.VersionTLS12}
			site.StartTLS()
			defer site.Close()

			routes := newTable("public", fake.NewClientset(objects(t, site.Listener.Addr(), test.believed)...))
			if err := routes.start(t.Context()); err != nil {
				t.Fatal(err)
			}
			answer := httptest.NewRecorder()
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://termine.localhost/", http.NoBody)
			routes.ServeHTTP(answer, request)
			if answer.Code != test.want {
				t.Errorf("the ingress answers %d, want %d: %s", answer.Code, test.want, answer.Body)
			}
		})
	}
}

// objects are Ingress, Service and Secret of a site that listens at an address.
func objects(t *testing.T, at net.Addr, believed *serving.Authority) []runtime.Object {
	t.Helper()
	ip, port, err := net.SplitHostPort(at.String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Namespace: "basel", Name: "site-booking"}
	return []runtime.Object{
		&core.Service{ObjectMeta: meta, Spec: core.ServiceSpec{ClusterIP: ip, Ports: []core.ServicePort{{Name: "https", Port: int32(number), AppProtocol: new("https")}}}},
		&core.Secret{ObjectMeta: meta, Data: map[string][]byte{serving.AuthorityKey: believed.Authorities()}},
		&networking.Ingress{ObjectMeta: meta, Spec: networking.IngressSpec{IngressClassName: new("public"), Rules: []networking.IngressRule{{
			Host: "termine.localhost", IngressRuleValue: networking.IngressRuleValue{HTTP: &networking.HTTPIngressRuleValue{Paths: []networking.HTTPIngressPath{{
				Path: "/", Backend: networking.IngressBackend{Service: &networking.IngressServiceBackend{Name: meta.Name, Port: networking.ServiceBackendPort{Name: "https"}}},
			}}}},
		}}}},
	}
}
