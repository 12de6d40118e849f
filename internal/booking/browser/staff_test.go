// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/staff"
	"github.com/termintreu/termintreu/internal/booking/web"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/oidctest"
)

// T5, EN 301 549: every page of the staff side, from the identity provider on. Site and provider are two sites to the
// browser, so that a strict cookie is put to the test.
func TestEveryStaffPageInEveryLanguageWithAndWithoutJavaScript(t *testing.T) {
	g := NewWithT(t)
	tools(t)
	tenant := fixture.New(t, staffRules)
	tenant.Document.Locales = languages
	// All take the last time of the week: nobody is to be turned away from it.
	tenant.Document.Catalogue.Offices[0].Counters = int32(2 * len(languages))
	for n, title := range titles {
		tenant.Document.Catalogue.Services[n].DisplayName = title
	}
	site, provider, pins := serveStaff(t, tenant)
	zone, err := time.LoadLocation("Europe/Zurich")
	g.Expect(err).NotTo(HaveOccurred())
	start, codes := time.Now().Add(-5*time.Minute).Truncate(time.Minute), map[string]string{}
	for _, language := range languages {
		for _, script := range []string{"with", "without"} {
			codes[fmt.Sprintf("%s staff %s JavaScript", language, script)] = appointment(t, tenant, len(codes)+1, start)
		}
	}
	pictures, err := filepath.Abs(filepath.Join(root, "artefacts", "browser"))
	g.Expect(err).NotTo(HaveOccurred())
	told, err := json.Marshal(map[string]any{"site": site, "provider": provider, "pins": pins, "executablePath": chromium, "pictures": pictures,
		"office": "einwohneramt", "day": start.In(zone).Format(time.DateOnly), "languages": languages, "codes": codes})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	run := exec.CommandContext(ctx, "node", "staff.mjs")
	run.Dir, run.Stdin = filepath.Join(root, "test", "browser"), bytes.NewReader(told)
	report, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; the pictures are in artefacts/browser\n%s", err, report)
	}
	t.Logf("%s", report)
}

// staffRules are those without which there is no staff side, and no case.
func staffRules(document *settings.Instance) {
	document.Notice.Rules = append(document.Notice.Rules,
		settings.Rule{Category: v1alpha1.CategoryAuditLog, StartEvent: v1alpha1.StartCreation, Period: "365d", Action: v1alpha1.ActionDelete},
		settings.Rule{Category: v1alpha1.CategoryAbuseCase, StartEvent: v1alpha1.StartCaseOpened, Period: "60d", Action: v1alpha1.ActionDelete})
}

// serveStaff runs a site with a staff side over TLS, and gives its address, the provider's and what a browser knows
// their certificates by.
func serveStaff(t *testing.T, tenant *fixture.Tenant) (site, issuer string, pins []string) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	provider := oidctest.Start(t, server.URL+"/staff/callback")
	secrets := t.TempDir()
	if err := os.WriteFile(filepath.Join(secrets, settings.ClientSecretKey), []byte(provider.Secret), 0o600); err != nil {
		t.Fatal(err)
	}
	document := tenant.Document
	document.URL = server.URL
	document.Staff = &settings.Staff{Issuer: provider.Issuer, CABundle: provider.CABundle, ClientID: oidctest.ClientID, Claim: "groups",
		Grants: []settings.StaffGrant{{Role: v1alpha1.StaffCounterLead, Values: []string{"lead"}}, {Role: v1alpha1.StaffOfficer, Values: []string{"officer"}},
			{Role: v1alpha1.StaffAuditor, Values: []string{"auditor"}}, {Role: v1alpha1.StaffAdministrator, Values: []string{"admin"}}}}
	tenant.Store.Keeps = func(category v1alpha1.Category) bool { return document.Rule(category) != nil }
	snapshot := func() *booking.Snapshot { return tenant.Snapshot(t) }
	limit, log := web.NewLimiter(1000, time.Millisecond, time.Now), slog.New(slog.DiscardHandler)
	handler = web.New(web.Options{Snapshot: snapshot, Store: tenant.Store, Clock: time.Now, Log: log, Limit: limit, HasStaff: staff.Open,
		Staff: staff.New(staff.Options{Snapshot: snapshot, Store: tenant.Store, Clock: time.Now, Log: log, SecretDir: secrets,
			Style: web.StyleAddress, Limit: limit, Address: web.ClientAddress})}).Handler()
	block, _ := pem.Decode([]byte(provider.CABundle))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, provider.Issuer, []string{pin(server.Certificate()), pin(certificate)}
}

// pin is the hash of a certificate's key, as browsers write it.
func pin(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// appointment puts a confirmed appointment into the database and gives the code its citizen shows.
func appointment(t *testing.T, tenant *fixture.Tenant, counter int, start time.Time) string {
	t.Helper()
	token := booking.Token(booking.NewNonce(), "einwohneramt", "ausweis", start)
	_, err := tenant.Superuser(t).Exec(t.Context(), `WITH a AS (INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, confirmed_at)
		VALUES ('einwohneramt', $1, 'ausweis', 'OnSite', $2::timestamptz, $2::timestamptz + interval '30 minutes', 'confirmed', 'de', $3, now()) RETURNING id)
		INSERT INTO contact (appointment_id, given_name, family_name, email, notice_date) SELECT id, 'Zoë', 'Quittenbaum', 'zoe@example.org', '2026-05-31' FROM a`,
		counter, start, booking.TokenHash(token))
	if err != nil {
		t.Fatal(err)
	}
	return booking.Code(booking.TokenHash(token))
}
