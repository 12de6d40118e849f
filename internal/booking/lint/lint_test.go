// SPDX-License-Identifier: Apache-2.0

package lint_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/lint"
	"github.com/termintreu/termintreu/internal/booking/web"
	"github.com/termintreu/termintreu/internal/settings"
)

func TestNothingIsFoundOnASiteOfOurs(t *testing.T) { // A17
	for _, regime := range []string{"IDG BS", "GDPR"} {
		document := fixture.Document()
		document.Database = settings.Database{Host: "localhost", Schema: "t1"}
		document.Locales = []v1alpha1.Locale{"de", "en", "fr", "it", "uk"}
		document.Notice.Regime = regime
		if regime == "GDPR" {
			document.Notice.LegalBasis = "Art. 6 Abs. 1 lit. e DSGVO"
		}
		snapshot, err := booking.NewSnapshot(document)
		if err != nil {
			t.Fatal(err)
		}
		site := httptest.NewServer(web.New(web.Options{Snapshot: func() *booking.Snapshot { return snapshot }, Clock: time.Now,
			Log: slog.New(slog.DiscardHandler), Limit: web.NewLimiter(1, time.Hour, time.Now)}).Handler())
		defer site.Close()
		findings, err := lint.Linter{SameSiteOnly: true}.Site(t.Context(), site.URL)
		if err != nil || len(findings) > 0 {
			t.Errorf("%s: %v, error %v", regime, findings, err)
		}
	}
}

// spoiled serves a minimal site whose notice has a fault in it.
func spoiled(t *testing.T, body, head string, change func(*settings.Notice)) *httptest.Server {
	t.Helper()
	document := settings.NoticeDocument{PlanHash: "plan-1", Notice: fixture.Document().Notice}
	change(&document.Notice)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/termintreu/notice.json", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(document) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/de/", http.StatusSeeOther) })
	mux.HandleFunc("GET /de/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `<a href="/de/privacy">Datenschutz</a>`) })
	mux.HandleFunc("GET /de/privacy", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<head>%s</head><body>%s</body>`, head, body)
	})
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site
}

func TestEachFaultOfANoticeIsFound(t *testing.T) { // A17
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	unchanged := func(*settings.Notice) {}
	for name, test := range map[string]struct {
		body, head string
		change     func(*settings.Notice)
		want       string
	}{
		"a dead reference of its own":       {`<a href="/gone">x</a>`, "", unchanged, "/gone answers 404"},
		"a dead reference elsewhere":        {`<a href="` + elsewhere.URL + `/gone">x</a>`, "", unchanged, "dead reference " + elsewhere.URL},
		"a place that is not on the page":   {`<a href="#rights">x</a>`, "", unchanged, "#rights"},
		"a mail link without an address":    {`<a href="mailto:">x</a>`, "", unchanged, "no mail address"},
		"a picture from a third party":      {`<img src="https://counter.example/p.gif">`, "", unchanged, "third party counter.example"},
		"a picture set from a third party":  {`<img srcset="//cdn.example/a.png 1x, /de/ 2x">`, "", unchanged, "third party cdn.example"},
		"a font from a third party":         {"", `<style>@import "https://fonts.example/css";</style>`, unchanged, "third party fonts.example"},
		"a script from a third party":       {"", `<script src="https://t.example/t.js"></script>`, unchanged, "third party t.example"},
		"a form that leads elsewhere":       {`<form action="https://forms.example/"></form>`, "", unchanged, "third party forms.example"},
		"a frame of a third party":          {`<iframe src="https://map.example/"></iframe>`, "", unchanged, "third party map.example"},
		"a background from a third party":   {`<p style="background:url(https://bg.example/x)">x</p>`, "", unchanged, "third party bg.example"},
		"a legal basis that does not exist": {"Art. 6 Abs. 1 lit. h DSGVO", "", unchanged, `"Art. 6 Abs. 1 lit. h"`},
		"an article that does not exist":    {"Article 117 GDPR", "", unchanged, `"Article 117"`},
		"no officer to write to":            {"", "", func(n *settings.Notice) { n.Controllers[0].DataProtectionOfficer.Email = "" }, "data protection officer is missing"},
		"an authority without phone":        {"", "", func(n *settings.Notice) { n.Controllers[0].SupervisoryAuthority.Phone = " " }, "phone of the supervisory authority"},
		"an unnamed processor":              {"", "", func(n *settings.Notice) { n.Processors[1].Name = "" }, "Backup: the name of the processor"},
		"no date":                           {"", "", func(n *settings.Notice) { n.Date = "" }, "date of this version"},
		"a law that does not apply":         {"", "", func(n *settings.Notice) { n.LegalBasis = "Art. 6(1)(e) GDPR" }, "said to be IDG BS"},
	} {
		t.Run(name, func(t *testing.T) {
			site := spoiled(t, test.body, test.head, test.change)
			findings, err := lint.Linter{}.Site(t.Context(), site.URL)
			if err != nil || len(findings) != 1 || !strings.Contains(findings[0].String(), test.want) {
				t.Errorf("found %v, error %v; want one finding with %q", findings, err, test.want)
			}
		})
	}
}

func TestWhatIsNoSiteOfOursIsAnError(t *testing.T) {
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for _, address := range []string{other.URL, "termine.example.org", "ftp://x.example", ""} {
		if _, err := (lint.Linter{}).Site(t.Context(), address); err == nil {
			t.Errorf("%q is read", address)
		}
	}
}

func TestOnlyCitationsOfTheGDPRThatLeadNowhereAreFound(t *testing.T) {
	for text, faults := range map[string]int{
		"Art. 6 Abs. 1 lit. e DSGVO i. V. m. § 3 BDSG": 0, "Art. 6(1)(a) and Art. 9(2)(a) GDPR": 0, "art. 6 par. 1 let. f RGPD": 0,
		"Art. 6 Abs. 1 UAbs. 1 lit. c DSGVO": 0, "§ 9 IDG": 0, "Art. 18 and 19 GDPR": 0, "Art. 6 Abs. 1 Satz 1 lit. b DSGVO": 0, "Art. 120 BV": 0,
		"Art. 6 Abs. 1 lit. g DSGVO": 1, "Art. 6(5) GDPR": 1, "Art. 9(2)(k) and Art. 0 GDPR": 2, "ст. 115 GDPR": 1,
	} {
		if found := lint.LegalBases(text); len(found) != faults {
			t.Errorf("%q: found %q, want %d", text, found, faults)
		}
	}
}

func FuzzLegalBases(f *testing.F) {
	f.Add("Art. 6 Abs. 1 lit. e DSGVO")
	f.Add("ст. 99999999999999999999 GDPR")
	f.Fuzz(func(_ *testing.T, text string) { lint.LegalBases(text) })
}
