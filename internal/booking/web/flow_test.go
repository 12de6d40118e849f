// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"bytes"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/store"
	"github.com/termintreu/termintreu/internal/booking/web"
)

// site is a running site and a browser without cookies, script and patience for redirects.
type site struct {
	*fixture.Tenant
	address string
	mutex   sync.Mutex
	log     bytes.Buffer
	access  []store.Access
	events  []string
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (s *site) Write(line []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.log.Write(line)
}

func start(t *testing.T, tenant *fixture.Tenant, burst int) *site {
	t.Helper()
	running := &site{Tenant: tenant}
	handler := web.New(web.Options{
		Snapshot: func() *booking.Snapshot { return tenant.Snapshot(t) }, Store: tenant.Store, Clock: time.Now,
		Log: slog.New(slog.NewJSONHandler(running, nil)), Limit: web.NewLimiter(burst, time.Hour, time.Now), MailLimit: web.NewLimiter(burst, time.Hour, time.Now),
		Access: func(line store.Access) {
			running.mutex.Lock()
			defer running.mutex.Unlock()
			running.access = append(running.access, line)
		},
		Event: func(name string) {
			running.mutex.Lock()
			defer running.mutex.Unlock()
			running.events = append(running.events, name)
		},
	}).Handler()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	running.address = server.URL
	return running
}

func (s *site) do(t *testing.T, method, path string, form url.Values, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.address+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for n := 0; n < len(headers); n += 2 {
		request.Header.Set(headers[n], headers[n+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if cookies := response.Header.Values("Set-Cookie"); len(cookies) > 0 {
		t.Errorf("%s %s sets a cookie (B5)", method, response.Request.Pattern)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

func (s *site) get(t *testing.T, path string) answer {
	t.Helper()
	return s.do(t, http.MethodGet, path, nil)
}

// follow posts a form and gives where it leads.
func (s *site) follow(t *testing.T, path string, form url.Values) string {
	t.Helper()
	got := s.do(t, http.MethodPost, path, form)
	if got.status != http.StatusSeeOther {
		t.Fatalf("status %d after posting:\n%s", got.status, got.body)
	}
	return got.header.Get("Location")
}

func (a answer) contains(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(html.UnescapeString(a.body), text) {
			t.Errorf("the page does not say %q:\n%s", text, a.body)
		}
	}
}

func find(t *testing.T, body, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(html.UnescapeString(body))
	if match == nil {
		t.Fatalf("the page has no %s:\n%s", pattern, body)
	}
	return match[1]
}

const slots = "/services/ausweis/offices/einwohneramt"

// slotForm is what the browser sends for the first slot of a page.
func slotForm(t *testing.T, page answer) url.Values {
	t.Helper()
	return url.Values{"nonce": {find(t, page.body, `name="nonce" value="([^"]+)"`)}, "channel": {find(t, page.body, `name="channel" value="([^"]+)"`)},
		"start": {find(t, page.body, `name="start" value="([^"]+)"`)}}
}

func contactForm() url.Values {
	return url.Values{"given_name": {"Zoë"}, "family_name": {"Quittenbaum"}, "email": {"zoe.q@example.org"}, "notice": {"yes"}, "notice_date": {"2026-05-31"}}
}

func (s *site) hold(t *testing.T, language string) string {
	t.Helper()
	return s.follow(t, "/"+language+slots+"/hold", slotForm(t, s.get(t, "/"+language+slots)))
}

func (s *site) book(t *testing.T, language string) string {
	t.Helper()
	appointment := s.hold(t, language)
	s.follow(t, appointment+"/contact", contactForm())
	s.follow(t, appointment+"/confirm", url.Values{})
	return appointment
}

func TestACitizenBooksSeesAndCancelsInThreeSteps(t *testing.T) {
	for _, test := range []struct {
		language                                                     string
		home, offices, free, details, review, booked, ask, cancelled []string
	}{
		{"de", []string{"Identitätskarte beantragen", "Dauer: 30 Minuten"}, []string{"Aussenstelle Gundeldingen"}, []string{"Freie Termine", "Uhr"},
			[]string{"Ihre Angaben", "Vorname", "30 Tage nach dem Termin"}, []string{"noch nicht gebucht"}, []string{"Ihr Termin ist gebucht", "Spiegelgasse 6"},
			[]string{"Termin absagen?"}, []string{"Ihr Termin ist abgesagt"}},
		{"en", []string{"Apply for an identity card", "Takes 30 minutes"}, []string{"Choose an office"}, []string{"Available times"},
			[]string{"Your details", "First name", "30 days after the appointment"}, []string{"not booked yet"}, []string{"Your appointment is booked", "Spiegelgasse 6"},
			[]string{"Cancel this appointment?"}, []string{"Your appointment is cancelled"}},
	} {
		t.Run(test.language, func(t *testing.T) {
			site := start(t, fixture.New(t), 20)
			prefix := "/" + test.language
			home := site.get(t, prefix+"/")
			home.contains(t, append(test.home, `lang="`+test.language+`"`, "Kanton Basel-Stadt", prefix+"/privacy")...)
			site.get(t, prefix+"/services/ausweis").contains(t, test.offices...)
			site.get(t, prefix+slots).contains(t, test.free...)
			appointment := site.hold(t, test.language)
			site.get(t, appointment).contains(t, test.details...)
			if got := site.follow(t, appointment+"/contact", contactForm()); got != appointment {
				t.Errorf("the contact form leads to another page")
			}
			site.get(t, appointment).contains(t, append(test.review, "Zoë Quittenbaum")...)
			site.follow(t, appointment+"/confirm", url.Values{})
			site.get(t, appointment).contains(t, append(test.booked, "https://termine.example.org"+appointment)...)
			calendar := site.get(t, appointment+"/calendar.ics")
			calendar.contains(t, "BEGIN:VEVENT", "METHOD:PUBLISH", "SEQUENCE:0")
			for _, secret := range []string{"Quittenbaum", "zoe.q", strings.TrimPrefix(appointment, prefix+"/appointments/")} {
				if strings.Contains(calendar.body, secret) {
					t.Errorf("the calendar file carries %q (A18)", secret)
				}
			}
			site.get(t, appointment+"/cancel").contains(t, test.ask...)
			site.follow(t, appointment+"/cancel", url.Values{})
			site.get(t, appointment).contains(t, test.cancelled...)
		})
	}
}

func TestPressingTwiceIsHarmless(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	form := slotForm(t, site.get(t, "/de"+slots))
	first, second := site.follow(t, "/de"+slots+"/hold", form), site.follow(t, "/de"+slots+"/hold", form)
	if first != second {
		t.Error("two presses of one button make two holds")
	}
	for _, step := range []struct {
		path string
		form url.Values
	}{{"/contact", contactForm()}, {"/contact", contactForm()}, {"/confirm", url.Values{}}, {"/confirm", url.Values{}}, {"/contact", contactForm()},
		{"/cancel", url.Values{}}, {"/cancel", url.Values{}}, {"/confirm", url.Values{}}} {
		if got := site.follow(t, first+step.path, step.form); got != first {
			t.Errorf("%s leads elsewhere", step.path)
		}
	}
}

func TestASlotSomebodyElseTookIsRefusedPolitely(t *testing.T) {
	tenant := fixture.New(t)
	tenant.Document.Catalogue.Offices[0].Counters = 1
	site := start(t, tenant, 20)
	mine, theirs := slotForm(t, site.get(t, "/de"+slots)), slotForm(t, site.get(t, "/de"+slots))
	site.follow(t, "/de"+slots+"/hold", theirs)
	got := site.do(t, http.MethodPost, "/de"+slots+"/hold", mine)
	if got.status != http.StatusConflict {
		t.Errorf("status %d", got.status)
	}
	got.contains(t, "Dieser Termin wurde gerade vergeben")
	other := slotForm(t, got)
	if other.Get("start") == mine.Get("start") {
		t.Error("the slot is offered again")
	}
	site.follow(t, "/de"+slots+"/hold", other)
}

func TestEverySlotShownCanBeHeld(t *testing.T) {
	site := start(t, fixture.New(t), 2000)
	path := "/en" + slots
	for pages := 0; path != "" && pages < 10; pages++ {
		page := site.get(t, path)
		form := slotForm(t, page)
		for _, match := range regexp.MustCompile(`name="start" value="([^"]+)"`).FindAllStringSubmatch(page.body, -1) {
			form.Set("start", html.UnescapeString(match[1]))
			site.follow(t, "/en"+slots+"/hold", form)
		}
		path = ""
		if next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page.body); next != nil {
			path = html.UnescapeString(next[1])
		}
	}
}

func TestAWrongFormIsShownAgainWithWhatIsWrong(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	appointment := site.hold(t, "de")
	form := contactForm()
	form.Set("email", "zoe")
	form.Del("notice")
	got := site.do(t, http.MethodPost, appointment+"/contact", form)
	if got.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", got.status)
	}
	got.contains(t, "Bitte prüfen Sie Ihre Angaben", `href="#email"`, `aria-describedby="email-hint email-fault"`, `aria-invalid="true"`, `value="Zoë"`,
		"Datenschutzhinweise zur Kenntnis genommen")
}

func TestAPhoneAppointmentAsksForANumberAndNeedsNoEmail(t *testing.T) {
	site := start(t, fixture.New(t), 20)
	page := site.get(t, "/de/services/beratung/offices/gundeli")
	page.contains(t, "channel=Video")
	appointment := site.follow(t, "/de/services/beratung/offices/gundeli/hold", slotForm(t, page))
	form := contactForm()
	form.Del("email")
	if got := site.do(t, http.MethodPost, appointment+"/contact", form); got.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d without a number to call (A6)", got.status)
	}
	form.Set("phone", "+41 61 555 01 23")
	site.follow(t, appointment+"/contact", form)
	site.follow(t, appointment+"/confirm", url.Values{})
	site.get(t, appointment).contains(t, "Ihr Termin ist gebucht", "+41 61 555 01 23")
}
