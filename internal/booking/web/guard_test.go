// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/settings"
)

func TestWrongExpiredAndMalformedLinksLookTheSame(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	expired := site.hold(t, "de")
	if _, err := site.Superuser(t).Exec(t.Context(), "UPDATE appointment SET created_at = now() - interval '2 hours'"); err != nil {
		t.Fatal(err)
	}
	want := site.get(t, expired)
	if want.status != http.StatusNotFound {
		t.Fatalf("status %d", want.status)
	}
	for _, path := range []string{"/de/appointments/" + booking.NewNonce(), "/de/appointments/x", "/de/appointments/%00%ff", expired + "/cancel", expired + "/calendar.ics",
		expired + "/data", expired + "/data.json", expired + "/correct", expired + "/erase", expired + "/move"} {
		got := site.get(t, path)
		got.header.Del("Date")
		want.header.Del("Date")
		if got.status != want.status || got.body != want.body || len(got.header) != len(want.header) {
			t.Errorf("%s differs from an expired link", path)
		}
	}
	for _, step := range []string{"/contact", "/confirm", "/cancel", "/correct", "/erase", "/move"} {
		if got := site.do(t, http.MethodPost, expired+step, contactForm()); got.status != want.status || got.body != want.body {
			t.Errorf("posting %s to an expired link differs: %d", step, got.status)
		}
	}
}

// rows is the whole content of the schema.
func (s *site) rows(t *testing.T) string {
	t.Helper()
	var all string
	err := s.Superuser(t).QueryRow(t.Context(), `SELECT coalesce((SELECT string_agg(a::text, '' ORDER BY id) FROM appointment a), '')
		|| coalesce((SELECT string_agg(c::text, '' ORDER BY appointment_id) FROM contact c), '')
		|| coalesce((SELECT string_agg(m::text, '' ORDER BY id) FROM mail_outbox m), '')`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReadingChangesNothing(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	booked, held := site.book(t, "de"), site.hold(t, "de")
	before := site.rows(t)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		for _, path := range []string{"/", "/de/", "/de" + slots, "/de" + slots + "/hold", "/de/privacy", booked, booked + "/cancel", booked + "/confirm",
			booked + "/calendar.ics", booked + "/data", booked + "/data.json", booked + "/correct", booked + "/erase", booked + "/move", "/de/erased", held, held + "/contact", held + "/cancel", held + "?edit=1"} {
			if got := site.do(t, method, path, nil); got.status >= 500 {
				t.Errorf("%s %s: status %d", method, path, got.status)
			}
		}
	}
	if site.rows(t) != before {
		t.Error("a GET or HEAD changed the database")
	}
}

func TestEveryAnswerCarriesTheGuards(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	booked := site.book(t, "de")
	for _, path := range []string{"/", "/de/", "/de/privacy", booked, "/de/appointments/x", "/assets/style.css", "/.well-known/termintreu/notice.json", "/nothing"} {
		got := site.get(t, path)
		for header, want := range map[string]string{"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
			"Strict-Transport-Security": "max-age=31536000",
			"Content-Security-Policy":   "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"} {
			if got.header.Get(header) != want {
				t.Errorf("%s: %s is %q", path, header, got.header.Get(header))
			}
		}
		for _, forbidden := range []string{"<script", "style=", "onclick", "src=\"http"} {
			if strings.Contains(got.body, forbidden) {
				t.Errorf("%s contains %s", path, forbidden)
			}
		}
	}
	if got := site.get(t, booked).header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("a personal page has Cache-Control %q", got)
	}
}

func TestLogsHoldPatternsAndNothingOfTheCitizen(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	booked := site.book(t, "de")
	site.do(t, http.MethodGet, booked+"?from=Quittenbaum", nil, "Referer", "https://elsewhere.example/", "X-Forwarded-For", "203.0.113.9, 198.51.100.7", "User-Agent", "Browser/1")
	site.mutex.Lock()
	defer site.mutex.Unlock()
	if !strings.Contains(site.log.String(), `"route":"/{lang}/appointments/{token}"`) {
		t.Errorf("the route is not logged: %s", site.log.String())
	}
	token := strings.TrimPrefix(booked, "/de/appointments/")
	for _, secret := range []string{token, "Quittenbaum", "zoe.q", "elsewhere", "198.51.100.7", "127.0.0.1", "Browser"} {
		if strings.Contains(site.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
	last := site.access[len(site.access)-1]
	if *last.Address != "198.51.100.7" || last.Route != "/{lang}/appointments/{token}" || last.UserAgent != "Browser/1" {
		t.Errorf("the access log has %+v (A3)", last)
	}
	if err := site.Store.WriteAccess(t.Context(), site.access); err != nil {
		t.Error(err)
	}
}

func TestFormsFromOtherSitesAreRefused(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	form := slotForm(t, site.get(t, "/de"+slots))
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		if got := site.do(t, http.MethodPost, "/de"+slots+"/hold", form, headers...); got.status != http.StatusForbidden {
			t.Errorf("%v: status %d", headers, got.status)
		}
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "same-origin", "Origin", "null"}, {"Origin", site.address}, {"Origin", "null"}} {
		if got := site.do(t, http.MethodPost, "/de"+slots+"/hold", form, headers...); got.status != http.StatusSeeOther {
			t.Errorf("%v: status %d", headers, got.status)
		}
	}
}

func TestHoldsAreLimitedPerAddress(t *testing.T) {
	site := start(t, fixture.New(t), 2)
	form := slotForm(t, site.get(t, "/de"+slots))
	post := func(from string) int {
		return site.do(t, http.MethodPost, "/de"+slots+"/hold", form, "X-Forwarded-For", from).status
	}
	for n, want := range []int{http.StatusSeeOther, http.StatusSeeOther, http.StatusTooManyRequests} {
		if got := post("1.2.3.4, 203.0.113.1"); got != want {
			t.Errorf("hold %d: status %d (B11)", n+1, got)
		}
	}
	if got := post("203.0.113.1, 203.0.113.2"); got != http.StatusSeeOther {
		t.Errorf("another address: status %d", got)
	}
}

func TestAMailboxIsNotFloodedThroughTheSite(t *testing.T) { // B11
	site := start(t, fixture.New(t), 3)
	form := contactForm()
	give := func(appointment, step string) int {
		return site.do(t, http.MethodPost, appointment+step, form).status
	}
	first, second, third := site.hold(t, "de"), site.hold(t, "de"), site.hold(t, "en")
	for range 3 { // the same once more asks for nothing new
		if got := give(first, "/contact"); got != http.StatusSeeOther {
			t.Errorf("the first: status %d", got)
		}
	}
	form.Set("email", "ZOE.Q@Example.org")
	if got := give(second, "/contact"); got != http.StatusSeeOther {
		t.Errorf("the second: status %d", got)
	}
	form.Set("email", "zoe.q@example.org")
	give(third, "/contact")
	form.Set("email", "other@example.org")
	give(third, "/contact")
	form.Set("email", "Zoe.Q@example.org")
	refused := site.do(t, http.MethodPost, third+"/contact", form, "X-Forwarded-For", "203.0.113.77")
	if refused.status != http.StatusTooManyRequests || refused.header.Get("Retry-After") == "" {
		t.Errorf("the third, from another network: status %d", refused.status)
	}
	refused.contains(t, "call the office")
	if got := site.call(t, http.MethodPut, "/api/v1/appointment/contact", strings.TrimPrefix(third, "/en/appointments/"),
		`{"givenName": "Z", "familyName": "Q", "email": "zoe.q@example.org", "noticeDate": "2026-05-31"}`); got.status != http.StatusTooManyRequests {
		t.Errorf("through the API: status %d", got.status)
	}
	form.Set("email", "another@example.org")
	if got := give(third, "/contact"); got != http.StatusSeeOther {
		t.Errorf("another address: status %d", got)
	}
	site.do(t, http.MethodPost, third+"/confirm", nil)
	form.Set("email", "zoe.q@example.org")
	if got := give(third, "/correct"); got != http.StatusTooManyRequests {
		t.Errorf("by correction: status %d", got)
	}
	site.mutex.Lock()
	defer site.mutex.Unlock()
	if strings.Contains(strings.ToLower(site.log.String()), "zoe.q") {
		t.Error("the log holds the address")
	}
}

func TestRequestsNoPageOfOursMakesAreRefusedWithoutFault(t *testing.T) {
	site := start(t, fixture.New(t), 100)
	good := slotForm(t, site.get(t, "/de"+slots))
	for _, change := range [][2]string{{"nonce", ""}, {"nonce", "short"}, {"start", "now"}, {"start", "2001-01-01T00:00:00Z"}, {"start", "9998-01-01T00:00:00Z"},
		{"start", good.Get("start")[:14] + "07:00Z"}, {"channel", "Video"}, {"given_name", strings.Repeat("x", 40_000)}} {
		form := url.Values{}
		for key := range good {
			form.Set(key, good.Get(key))
		}
		form.Set(change[0], change[1])
		if got := site.do(t, http.MethodPost, "/de"+slots+"/hold", form); got.status < 400 || got.status >= 500 {
			t.Errorf("%s=%.20s: status %d", change[0], change[1], got.status)
		}
	}
}

func TestTheBareAddressLeadsToTheCitizensLanguage(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	for _, test := range []struct{ path, header, want string }{
		{"/", "en-GB,en;q=0.9,de;q=0.5", "/en/"}, {"/", "fr-CH, de;q=0.7", "/de/"}, {"/", "uk", "/de/"}, {"/", "", "/de/"}, {"/", "%%%", "/de/"},
		{"/?lang=en", "de", "/en/"}, {"/?lang=//evil.example", "de", "/de/"},
	} {
		if got := site.do(t, http.MethodGet, test.path, nil, "Accept-Language", test.header).header.Get("Location"); got != test.want {
			t.Errorf("%s with %q leads to %s, want %s", test.path, test.header, got, test.want)
		}
	}
}

func TestTheNoticeSaysWhatThePlanSays(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	german := site.get(t, "/de/privacy")
	german.contains(t, "31. Mai 2026", "Kanton Basel-Stadt", "datenschutz@example.org", "Rheinhost AG", "Birs Data AG", "Schweiz", "30 Tage nach dem Termin oder der Absage",
		"15 Minuten nach der Erfassung", "90 Tage nach ihrer Erstellung", "120 Tage", "IDG BS", "§ 9 IDG BS", "Henric Petri-Strasse 15", "+41 61 555 01 40", "keine Cookies")
	if strings.Contains(german.body, "DSGVO") {
		t.Error("cantonal law is taken for the GDPR (B8)")
	}
	site.get(t, "/en/privacy").contains(t, "31 May 2026", "Switzerland", "30 days after the appointment or its cancellation", "120 days", "no cookies")
	site.Document.Notice.Regime = "GDPR"
	site.get(t, "/de/privacy").contains(t, "DSGVO", "Art. 15 DSGVO", "Art. 21 DSGVO")
	site.get(t, "/en/privacy").contains(t, "Art. 17 GDPR")
}

// T8, invariant 8: who is asked for a document reads how long the archive keeps it, and why.
func TestTheNoticeSaysUntilWhenTheArchiveKeepsDocuments(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	notice := &site.Document.Notice
	notice.Rules = append(notice.Rules, settings.Rule{Category: v1alpha1.CategoryAttachment, StartEvent: v1alpha1.StartAppointmentEnd, Period: "30d",
		Action: v1alpha1.ActionArchive, ArchivePeriod: "3650d", ArchiveBasis: "§ 5 ArchG BS"})
	notice.Processors = append(notice.Processors, settings.Processor{Function: settings.FunctionArchive, Processor: notice.Processors[0].Processor})
	site.get(t, "/en/privacy").contains(t, "the archive deletes it: 3650 days after the appointment or its cancellation (§ 5 ArchG BS)", ">Archive<")
	site.get(t, "/de/privacy").contains(t, "an das Archiv übergeben und hier gelöscht", "(§ 5 ArchG BS)")
}

func TestTheNoticeForMachinesIsThePlans(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	var document settings.NoticeDocument
	if err := json.Unmarshal([]byte(site.get(t, "/.well-known/termintreu/notice.json").body), &document); err != nil {
		t.Fatal(err)
	}
	if document.PlanHash != "plan-1" || document.Notice.Date != "2026-05-31" || len(document.Notice.Rules) != 7 {
		t.Errorf("the document is %+v", document)
	}
}
