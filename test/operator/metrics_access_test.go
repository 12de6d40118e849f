// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/termintreu/termintreu/controllers"
	"github.com/termintreu/termintreu/internal/operator"
)

// counting counts what is asked of the API server.
type counting struct {
	next  http.RoundTripper
	asked *atomic.Int32
}

func (c counting) RoundTrip(q *http.Request) (*http.Response, error) {
	c.asked.Add(1)
	return c.next.RoundTrip(q)
}

// metricsOf is the operator's metrics behind their filter, asked with the operator's rights.
func metricsOf(config *rest.Config) http.Handler {
	GinkgoHelper()
	connection, err := rest.HTTPClientFor(config)
	Expect(err).NotTo(HaveOccurred())
	filter, err := operator.Reviewed(config, connection)
	Expect(err).NotTo(HaveOccurred())
	handler, err := filter(logr.Discard(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("figures")) }))
	Expect(err).NotTo(HaveOccurred())
	return handler
}

func asked(metrics http.Handler, method, authorization string) *httptest.ResponseRecorder {
	answer, request := httptest.NewRecorder(), httptest.NewRequest(method, "/metrics", http.NoBody)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	metrics.ServeHTTP(answer, request)
	return answer
}

// scrape as Prometheus does, which asks for a compressed answer.
func scrape(ctx context.Context, address, token string) (status int, text string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	// The certificate is the process's own; this is loopback.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

var _ = Describe("Metrics", func() {
	token := func(ctx SpecContext, name string) string {
		GinkgoHelper()
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: name}}
		Expect(admin.Create(ctx, account)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, account)).To(Succeed()) })
		request := &authenticationv1.TokenRequest{}
		Expect(admin.SubResource("token").Create(ctx, account, request)).To(Succeed())
		return request.Status.Token
	}

	// readerToken is that of one who is bound to the role that may read metrics.
	readerToken := func(ctx SpecContext, name string) string {
		GinkgoHelper()
		binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "termintreu-metrics-reader"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: system, Name: name}}}
		Expect(admin.Create(ctx, binding)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, binding)).To(Succeed()) })
		return token(ctx, name)
	}

	It("are shown to whom the API server knows and lets read them, and to nobody else", func(ctx SpecContext) {
		reader, stranger := readerToken(ctx, "metrics-reader"), token(ctx, "metrics-stranger")

		var requests atomic.Int32
		config := as("termintreu-operator")
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counting{next, &requests} })
		metrics := metricsOf(config)
		// The API server's own view of a new binding takes a moment, and a refusal is remembered: ask anew each time.
		Eventually(func() int { return asked(metricsOf(config), http.MethodGet, "Bearer "+reader).Code }).Should(Equal(http.StatusOK))

		Expect(asked(metrics, http.MethodGet, "Bearer "+reader).Body.String()).To(Equal("figures"))
		before := requests.Load()
		Expect(asked(metrics, http.MethodGet, "bearer "+reader).Code).To(Equal(http.StatusOK))
		Expect(requests.Load()).To(Equal(before), "an answer counts for a while")

		for what, refused := range map[string]struct {
			method, authorization string
			status                int
		}{
			"nobody":            {http.MethodGet, "", http.StatusUnauthorized},
			"another scheme":    {http.MethodGet, "Basic " + reader, http.StatusUnauthorized},
			"no token":          {http.MethodGet, "Bearer ", http.StatusUnauthorized},
			"an invented token": {http.MethodGet, "Bearer invented", http.StatusUnauthorized},
			"a changed token":   {http.MethodGet, "Bearer " + strings.ToUpper(reader), http.StatusUnauthorized},
			"no right":          {http.MethodGet, "Bearer " + stranger, http.StatusForbidden},
			"another verb":      {http.MethodPost, "Bearer " + reader, http.StatusForbidden},
		} {
			for range 2 {
				answer := asked(metrics, refused.method, refused.authorization)
				Expect(answer.Code).To(Equal(refused.status), what)
				Expect(answer.Body.String()).NotTo(ContainSubstring("figures"), what)
			}
		}
	})

	It("tell how every tenant stands, by the operator's own rights", func(ctx SpecContext) {
		w := newWorld(ctx)
		reader := readerToken(ctx, "metrics-tenants")
		host, err := freeAddress()
		Expect(err).NotTo(HaveOccurred())
		address := net.JoinHostPort(host, "8443")
		startOperator(func(o *operator.Options) { o.MetricsAddress = address })
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		Eventually(func(g Gomega) {
			status, text, err := scrape(ctx, "https://"+address+controllers.TenantMetricsPath, reader)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(status).To(Equal(http.StatusOK))
			of := fmt.Sprintf(`{namespace=%q,name="site",`, tenant.Namespace)
			g.Expect(text).To(ContainSubstring("\ntermintreu_tenant_verdict" + of + `type="Compliant",status="True"} 1` + "\n"))
			g.Expect(text).To(MatchRegexp(`(?m)^termintreu_retention_overdue` + of + `data_id="[^"]+",category="Contact"} 0$`))
		}).Should(Succeed())
		status, text, err := scrape(ctx, "https://"+address+"/metrics", reader)
		Expect(err).NotTo(HaveOccurred())
		Expect(status).To(Equal(http.StatusOK))
		Expect(text).To(And(ContainSubstring("termintreu_tenant_status_writes_total"), Not(ContainSubstring("termintreu_tenant_verdict"))))
		status, text, err = scrape(ctx, "https://"+address+controllers.TenantMetricsPath, "invented")
		Expect(err).NotTo(HaveOccurred())
		Expect(status).To(Equal(http.StatusUnauthorized))
		Expect(text).NotTo(ContainSubstring("site"))
	})

	It("are shown to nobody while the API server does not answer", func(ctx SpecContext) {
		config := rest.CopyConfig(cluster)
		config.Host = "https://127.0.0.1:1"
		Expect(asked(metricsOf(config), http.MethodGet, "Bearer "+token(ctx, "metrics-alone")).Code).To(Equal(http.StatusInternalServerError))
	})
})
