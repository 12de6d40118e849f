// SPDX-License-Identifier: Apache-2.0

// Package browser_test drives a real browser through every flow of a running instance: real PostgreSQL, a real mail
// relay, Chromium. The flows themselves are in test/browser.
package browser_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking/instance"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	root     = "../../.."
	chromium = "/usr/bin/chromium"
	// longest a run may take on a machine that is busy with other things.
	longest = 25 * time.Minute
)

var languages = []v1alpha1.Locale{"de", "en", "fr", "it", "uk"}

// titles of the fixture's services in every language.
var titles = []v1alpha1.LocalizedText{
	{"de": "Identitätskarte beantragen", "en": "Apply for an identity card", "fr": "Demander une carte d’identité",
		"it": "Richiedere una carta d’identità", "uk": "Оформити посвідчення особи"},
	{"de": "Beratung", "en": "Counselling", "fr": "Conseil", "it": "Consulenza", "uk": "Консультація"},
}

// withConsents has counselling rest on consent, and an identity card offer one to a postal address.
func withConsents(document *settings.Instance) {
	document.Notice.Rules = append(document.Notice.Rules,
		settings.Rule{Category: v1alpha1.CategoryConsent, StartEvent: v1alpha1.StartWithdrawal, Period: "365d", Action: v1alpha1.ActionDelete})
	document.Catalogue.Services[0].Consents = []v1alpha1.Consent{{Scope: v1alpha1.ConsentPostalAddress, Text: v1alpha1.LocalizedText{
		"de": "Meine Postadresse darf für Rückfragen zu diesem Termin gespeichert werden.", "en": "My postal address may be stored for questions about this appointment.",
		"fr": "Mon adresse postale peut être enregistrée pour des questions sur ce rendez-vous.", "it": "Il mio indirizzo postale può essere salvato per domande su questo appuntamento.",
		"uk": "Мою поштову адресу можна зберігати для запитань щодо цього запису."}}}
	document.Catalogue.Services[0].ReminderBefore = "24h"
	document.Catalogue.Services[1].LegalBasis = "Art. 9(2)(a) GDPR"
	document.Catalogue.Services[1].Consents = []v1alpha1.Consent{{Scope: v1alpha1.ConsentService, Text: v1alpha1.LocalizedText{
		"de": "Ich willige ein, dass die Beratungsstelle auch Angaben zu meiner Gesundheit verarbeitet.", "en": "I consent to the counselling centre processing information about my health as well.",
		"fr": "Je consens à ce que le service de conseil traite aussi des données sur ma santé.", "it": "Acconsento che il consultorio tratti anche dati sulla mia salute.",
		"uk": "Я даю згоду на те, щоб консультаційний центр обробляв також відомості про моє здоров’я."}}}
}

// crest of nobody in particular.
const crest = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 48"><path fill="#8a1538" d="M2 2h36v22c0 12-9 19-18 22C11 43 2 36 2 24z"/>
<path fill="none" stroke="#ffffff" stroke-width="3.5" d="M11 24l6 7 12-14"/></svg>`

// EN 301 549, WCAG 2.1 AA.
func TestEveryFlowInEveryLanguageWithAndWithoutJavaScript(t *testing.T) {
	g := NewWithT(t)
	tools(t)
	tenant, inbox := fixture.New(t, withConsents), &fixture.Relay{}
	tenant.Document.Locales, tenant.Document.Mail = languages, inbox.Serve(t, true)
	for n, title := range titles {
		tenant.Document.Catalogue.Services[n].DisplayName = title
	}
	tenant.Document.Appearance = &v1alpha1.Appearance{
		Accent: "#8a1538", Logo: &v1alpha1.Logo{MediaType: v1alpha1.LogoSVG, Data: []byte(crest)},
		Name: v1alpha1.LocalizedText{"de": "Kanton Basel-Stadt", "en": "Canton of Basel-Stadt", "fr": "Canton de Bâle-Ville",
			"it": "Cantone di Basilea Città", "uk": "Кантон Базель-Штадт"}}
	drive(t, serve(t, tenant))
	for _, language := range languages {
		g.Eventually(func() int {
			return len(slices.DeleteFunc(inbox.Mails(), func(mail string) bool { return !strings.Contains(mail, "Content-Language: "+string(language)+"\r\n") }))
		}, "30s").Should(BeNumerically(">=", 3), "mails in %s", language)
	}
}

// B11, and nobody is shut out by it.
func TestAHoldThatCostsWorkIsHadWithAndWithoutJavaScriptInEveryLanguage(t *testing.T) {
	tools(t)
	tenant := fixture.New(t, func(document *settings.Instance) {
		document.Challenge, document.Locales = v1alpha1.ChallengeProofOfWork, languages
	})
	drive(t, serve(t, tenant), "work")
}

// drive runs the flows against a site, in every language, and keeps pictures of every page.
func drive(t *testing.T, site string, what ...string) {
	t.Helper()
	pictures, err := filepath.Abs(filepath.Join(root, "artefacts", "browser"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var tags []string
	for _, language := range languages {
		tags = append(tags, string(language))
	}
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	run := exec.CommandContext(ctx, "node", append([]string{"run.mjs", site, strings.Join(tags, ","), chromium, pictures}, what...)...)
	run.Dir = filepath.Join(root, "test", "browser")
	report, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; the pictures are in artefacts/browser\n%s", err, report)
	}
	t.Logf("%s", report)
}

// tools installs what the lockfile names, once, and checks its integrity.
func tools(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(chromium); err != nil {
		t.Fatal("there is no browser: make packages installs it")
	}
	dir := filepath.Join(root, "test", "browser")
	lock, err := os.OpenFile(filepath.Join(dir, "package-lock.json"), os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	installed, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	wanted, _ := lock.Stat()
	if err == nil && !installed.ModTime().Before(wanted.ModTime()) {
		return
	}
	install := exec.CommandContext(t.Context(), "npm", "ci")
	install.Dir = dir
	if said, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, said)
	}
}

// serve runs an instance on a free port and gives its address.
func serve(t *testing.T, tenant *fixture.Tenant) string {
	t.Helper()
	g := NewWithT(t)
	document, err := json.Marshal(tenant.Document)
	g.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(t.TempDir(), settings.FileKey)
	g.Expect(os.WriteFile(path, document, 0o600)).To(Succeed())
	ctx, stop := context.WithCancel(context.Background())
	addresses, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- instance.Run(ctx, instance.Options{SettingsFile: path, DatabaseDir: tenant.DatabaseDir, Listen: "127.0.0.1:0",
			InternalListen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
			Listening: func(site, _ net.Addr) { addresses <- site.String() }})
	}()
	t.Cleanup(func() {
		stop()
		g.Eventually(ended, "30s").Should(Receive(BeNil()))
	})
	var address string
	g.Eventually(addresses, "30s").Should(Receive(&address))
	return "http://" + address
}
