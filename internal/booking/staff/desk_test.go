// SPDX-License-Identifier: Apache-2.0

package staff_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/staff"
	"github.com/termintreu/termintreu/internal/booking/web"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/oidctest"
)

// desk is a running site with a staff side and a real identity provider behind it.
type desk struct {
	*fixture.Tenant
	provider *oidctest.Provider
	address  string
	bundle   string
	secrets  string
	mutex    sync.Mutex
	log      bytes.Buffer
}

func (d *desk) Write(line []byte) (int, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.log.Write(line)
}

func (d *desk) logged() string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.log.String()
}

// withStaffRules adds the rules without which there is no staff side, and no case.
func withStaffRules(document *settings.Instance) {
	document.Notice.Rules = append(document.Notice.Rules,
		settings.Rule{Category: v1alpha1.CategoryAuditLog, StartEvent: v1alpha1.StartCreation, Period: "365d", Action: v1alpha1.ActionDelete},
		settings.Rule{Category: v1alpha1.CategoryAbuseCase, StartEvent: v1alpha1.StartCaseOpened, Period: "60d", Action: v1alpha1.ActionDelete})
}

func open(t testing.TB) *desk {
	t.Helper()
	running := &desk{Tenant: fixture.New(t, withStaffRules), secrets: t.TempDir()}
	running.Store.Keeps = func(category v1alpha1.Category) bool { return running.Document.Rule(category) != nil }
	var handler http.Handler
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	running.address = server.URL
	running.bundle = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	running.provider = oidctest.Start(t, server.URL+"/staff/callback")
	running.writeSecrets(t, map[string]string{settings.ClientSecretKey: running.provider.Secret})
	running.Document.URL = server.URL
	running.Document.Staff = &settings.Staff{Issuer: running.provider.Issuer, CABundle: running.provider.CABundle, ClientID: oidctest.ClientID, Claim: "groups",
		Grants: []settings.StaffGrant{
			{Role: v1alpha1.StaffClerk, Values: []string{"clerk"}},
			{Role: v1alpha1.StaffClerk, Values: []string{"gundeli"}, Offices: []v1alpha1.CatalogueName{"gundeli"}},
			{Role: v1alpha1.StaffCounterLead, Values: []string{"lead"}},
			{Role: v1alpha1.StaffOfficer, Values: []string{"officer"}},
			{Role: v1alpha1.StaffAuditor, Values: []string{"auditor"}},
			{Role: v1alpha1.StaffAdministrator, Values: []string{"admin"}},
		}}
	limit := web.NewLimiter(1000, time.Millisecond, time.Now)
	log := slog.New(slog.NewJSONHandler(running, nil))
	snapshot := func() *booking.Snapshot {
		snapshot, err := booking.NewSnapshot(running.Document)
		if err != nil {
			panic(err)
		}
		return snapshot
	}
	handler = web.New(web.Options{Snapshot: snapshot, Store: running.Store, Clock: time.Now, Log: log, Limit: limit, HasStaff: staff.Open,
		Staff: staff.New(staff.Options{Snapshot: snapshot, Store: running.Store, Clock: time.Now, Log: log, SecretDir: running.secrets,
			Style: web.StyleAddress, Limit: limit, Address: web.ClientAddress})}).Handler()
	return running
}

func (d *desk) writeSecrets(t testing.TB, secrets map[string]string) {
	t.Helper()
	for _, key := range []string{settings.ClientSecretKey, settings.NextClientSecretKey} {
		path := filepath.Join(d.secrets, key)
		if secrets[key] == "" {
			_ = os.Remove(path)
			continue
		}
		// A rename, as the kubelet does, so that nobody reads half a secret.
		if err := os.WriteFile(path+".new", []byte(secrets[key]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
}

// person is somebody with a browser.
type person struct {
	t       testing.TB
	desk    *desk
	browser *http.Client
}

// signIn signs somebody in; the groups are the name's parts before the last dot.
func (d *desk) signIn(t *testing.T, name string) *person {
	t.Helper()
	who := &person{t, d, oidctest.Browser(t, d.bundle, d.provider.CABundle)}
	status, page, err := oidctest.SignIn(who.browser, d.address+"/staff/login", name)
	if err != nil || status != http.StatusOK {
		t.Fatalf("signing in as %s: status %d, error %v: %s\n%s", name, status, err, page, d.logged())
	}
	return who
}

func (p *person) get(path string) (int, string) {
	p.t.Helper()
	response, err := p.browser.Get(p.desk.address + path)
	return p.read(response, err)
}

func (p *person) read(response *http.Response, err error) (int, string) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

// callForm goes to the form for a caller who wants the first time that is free, and gives it with what it holds hidden.
func (p *person) callForm(t *testing.T, says ...string) (page string, hidden []string) {
	t.Helper()
	status, page := p.get("/staff/offices/einwohneramt/book?service=beratung&channel=Phone&origin=phone")
	expect(t, "free times", status, http.StatusOK, page)
	link := regexp.MustCompile(`href="(/staff/offices/einwohneramt/book\?[^"]*start=[^"]+)"`).FindStringSubmatch(page)
	if link == nil {
		t.Fatalf("no free time is offered: %s", page)
	}
	status, page = p.get(html.UnescapeString(link[1]))
	expect(t, "the form", status, http.StatusOK, page, says...)
	for _, field := range regexp.MustCompile(`type="hidden" name="([a-z_]+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		hidden = append(hidden, field[1], html.UnescapeString(field[2]))
	}
	return page, hidden
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// post sends a form with the session's own mark.
func (p *person) post(path string, fields ...string) (int, string) {
	p.t.Helper()
	form := url.Values{}
	_, home := p.get("/staff/")
	if mark := csrfField.FindStringSubmatch(home); mark != nil {
		form.Set("csrf", mark[1])
	}
	for n := 0; n < len(fields); n += 2 {
		form.Set(fields[n], fields[n+1])
	}
	response, err := p.browser.PostForm(p.desk.address+path, form)
	return p.read(response, err)
}

// bookings puts a confirmed appointment into the database and gives its identifier and token.
func (d *desk) appointment(t *testing.T, office string, counter int, start time.Time, name string) (id, token string) {
	t.Helper()
	token = booking.Token(booking.NewNonce(), office, "ausweis", start)
	err := d.Superuser(t).QueryRow(t.Context(), `WITH a AS (INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, confirmed_at)
		VALUES ($1, $2, 'ausweis', 'OnSite', $3::timestamptz, $3::timestamptz + interval '30 minutes', 'confirmed', 'de', $4, now()) RETURNING id)
		INSERT INTO contact (appointment_id, given_name, family_name, email, notice_date) SELECT id, $5, 'Lovelace', 'ada@example.org', '2026-05-31' FROM a RETURNING appointment_id::text`,
		office, counter, start, booking.TokenHash(token), name).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id, token
}

func (d *desk) audit(t *testing.T) string {
	t.Helper()
	var lines string
	err := d.Superuser(t).QueryRow(t.Context(), `SELECT coalesce(string_agg(actor || ' ' || action || ' ' || object, E'\n' ORDER BY created_at, id), '') FROM audit_log`).Scan(&lines)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func minutesAgo(minutes int) time.Time {
	return time.Now().Add(-time.Duration(minutes) * time.Minute).Truncate(time.Minute)
}

func zurich(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func expect(t *testing.T, what string, status, want int, page string, says ...string) {
	t.Helper()
	if main := regexp.MustCompile(`(?s)<main.*</main>`).FindString(page); main != "" {
		page = main
	}
	page = html.UnescapeString(page)
	if status != want {
		t.Errorf("%s: status %d, want %d: %s", what, status, want, page)
	}
	for _, text := range says {
		if !strings.Contains(page, text) {
			t.Errorf("%s: the page does not say %q: %s", what, text, page)
		}
	}
}

func TestAClerkSignsInAndRunsTheDay(t *testing.T) {
	d := open(t)
	began := minutesAgo(5)
	id, token := d.appointment(t, "einwohneramt", 1, began, "Ada")
	clerk := d.signIn(t, "clerk.anna")
	code := booking.Code(booking.TokenHash(token))

	status, page := clerk.get("/staff/offices/einwohneramt?day=" + began.In(zurich(t)).Format(time.DateOnly))
	expect(t, "the day", status, http.StatusOK, page, code, "erwartet")
	if strings.Contains(page, "Ada") || strings.Contains(page, "Lovelace") {
		t.Error("the day shows names") // T5
	}
	status, page = clerk.post("/staff/find", "code", strings.ToLower(strings.ReplaceAll(code, "-", " ")))
	expect(t, "searching by code", status, http.StatusOK, page, "Ada Lovelace", "Aufrufen")
	status, page = clerk.post("/staff/find", "code", "0000-0000")
	expect(t, "searching for nothing", status, http.StatusUnprocessableEntity, page)
	status, page = clerk.post("/staff/find", "code", "Lovelace")
	expect(t, "searching by name", status, http.StatusUnprocessableEntity, page)

	visit := "/staff/visits/" + id
	for _, step := range []struct{ step, state string }{{"call", "aufgerufen"}, {"complete", "erledigt"}} {
		status, page = clerk.post(visit + "/" + step.step)
		expect(t, step.step, status, http.StatusOK, page, step.state)
	}
	status, page = clerk.post(visit + "/miss")
	expect(t, "a second end", status, http.StatusConflict, page, "erledigt")
	status, page = clerk.post(visit+"/reopen", "reason", "mistake")
	expect(t, "a clerk who takes back", status, http.StatusNotFound, page)

	lead := d.signIn(t, "lead.berta")
	status, page = lead.post(visit + "/reopen")
	expect(t, "taking back without a reason", status, http.StatusUnprocessableEntity, page, "Wählen Sie einen Grund")
	status, page = lead.post(visit+"/reopen", "reason", "because Ada asked")
	expect(t, "taking back for a reason of one's own", status, http.StatusUnprocessableEntity, page)
	status, page = lead.post(visit+"/reopen", "reason", "mistake")
	expect(t, "taking back", status, http.StatusOK, page, "aufgerufen")
	status, page = lead.post(visit + "/miss")
	expect(t, "missed", status, http.StatusOK, page, "nicht erschienen")

	log := d.audit(t)
	for _, line := range []string{"staff/clerk.anna signed in", "staff/clerk.anna looked at the day office/einwohneramt/", "staff/clerk.anna searched appointment/" + id,
		"staff/clerk.anna searched no appointment", "staff/clerk.anna looked at appointment/" + id, "staff/clerk.anna called appointment/" + id,
		"staff/clerk.anna completed appointment/" + id, "staff/lead.berta reopened (mistake) appointment/" + id, "staff/lead.berta missed appointment/" + id} {
		if !strings.Contains(log, line) {
			t.Errorf("the audit log does not tell %q:\n%s", line, log)
		}
	}
	for _, secret := range []string{"Ada", "Lovelace", "ada@", token} {
		if strings.Contains(log, secret) || strings.Contains(d.logged(), secret) {
			t.Errorf("a log keeps %q", secret)
		}
	}
}

func TestEachRoleSeesWhatItNeedsAndNothingElse(t *testing.T) { // T5, M5
	d := open(t)
	id, _ := d.appointment(t, "einwohneramt", 1, minutesAgo(5), "Ada")
	pages := map[string]string{"day": "/staff/offices/einwohneramt", "book": "/staff/offices/einwohneramt/book", "find": "/staff/find",
		"visit": "/staff/visits/" + id, "cases": "/staff/cases", "audit": "/staff/audit", "sessions": "/staff/sessions"}
	for name, allowed := range map[string]string{
		"clerk.anna": "day book find visit", "lead.berta": "day book find visit", "gundeli.carla": "find",
		"officer.dora": "find visit cases audit", "auditor.emma": "audit", "admin.frida": "sessions", "officer.admin.gina": "find visit cases audit sessions",
	} {
		who := d.signIn(t, name)
		for page, path := range pages {
			status, body := who.get(path)
			want := http.StatusForbidden
			if strings.Contains(" "+allowed+" ", " "+page+" ") {
				want = http.StatusOK
			} else if page == "visit" && strings.HasPrefix(name, "gundeli") {
				want = http.StatusNotFound // of another office: as unknown as none
			}
			if status != want {
				t.Errorf("%s gets %d for %s, want %d", name, status, page, want)
			}
			if page != "visit" && strings.Contains(body, "Lovelace") {
				t.Errorf("%s sees a name at %s", name, page)
			}
		}
	}
	stranger := &person{t, d, oidctest.Browser(t, d.bundle, d.provider.CABundle)}
	for page, path := range pages {
		if status, body := stranger.get(path); status != http.StatusUnauthorized || strings.Contains(body, "Lovelace") {
			t.Errorf("a stranger gets %d for %s", status, page)
		}
	}
	status, page, err := oidctest.SignIn(stranger.browser, d.address+"/staff/login", "janitor.heidi")
	if err != nil || status != http.StatusForbidden {
		t.Errorf("somebody without a role signs in: status %d, error %v: %s", status, err, page)
	}
}

func TestBookingForACallerTellsWhereItCameFromAndThatTheyWereInformed(t *testing.T) { // T2, T6, A5, A6
	d := open(t)
	clerk := d.signIn(t, "clerk.anna")
	_, hidden := clerk.callForm(t, "Sagen Sie der Person vor der Aufnahme", `name="phone"`)
	fields := append([]string{"given_name", "Grace", "family_name", "Hopper"}, hidden...)
	fields = append(fields, "language", "en")
	book := "/staff/offices/einwohneramt/book"
	status, page := clerk.post(book, append(fields, "phone", "061 555 01 23")...)
	expect(t, "without informing", status, http.StatusUnprocessableEntity, page)
	status, page = clerk.post(book, append(fields, "notice", "yes")...)
	expect(t, "without a number to call", status, http.StatusUnprocessableEntity, page)
	for range 2 { // a double submit is harmless
		status, page = clerk.post(book, append(fields, "notice", "yes", "phone", "061 555 01 23")...)
		expect(t, "booking", status, http.StatusOK, page, "Der Termin ist gebucht", "/en/appointments/")
	}
	var rows int
	var origin, state, phone string
	if err := d.Superuser(t).QueryRow(t.Context(), `SELECT count(*) OVER (), origin, state, phone FROM appointment JOIN contact ON appointment_id = id`).Scan(&rows, &origin, &state, &phone); err != nil {
		t.Fatal(err)
	}
	if rows != 1 || origin != "phone" || state != "confirmed" || phone != "061 555 01 23" {
		t.Errorf("%d bookings, the first of origin %s in state %s with phone %s", rows, origin, state, phone)
	}
	log := d.audit(t)
	for _, line := range []string{"staff/clerk.anna informed by phone appointment/", "staff/clerk.anna booked by phone appointment/"} {
		if strings.Count(log, line) != 1 {
			t.Errorf("the audit log does not tell once %q:\n%s", line, log)
		}
	}
	code := regexp.MustCompile(`[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}`).FindString(page)
	personal := regexp.MustCompile(`https://[^<"]*/en/appointments/[^<"]+`).FindString(page)
	status, page = (&person{t, d, oidctest.Browser(t, d.bundle)}).get(strings.TrimPrefix(personal, d.address))
	expect(t, "the citizen's link", status, http.StatusOK, page, "Grace Hopper", "Your code for the office: <strong>"+code)
}

func TestACallersWishForAReminderOutlivesAFaultInTheForm(t *testing.T) {
	d := open(t)
	d.Document.Mail = &settings.Mail{Host: "relay.example.org", Port: 587, From: "termine@example.org"}
	d.Document.Catalogue.Services[1].ReminderBefore = "24h"
	clerk := d.signIn(t, "clerk.anna")
	page, hidden := clerk.callForm(t, `name="reminder"`)
	ticked := regexp.MustCompile(`name="reminder"[^>]* checked`)
	if ticked.MatchString(page) {
		t.Error("it is ticked before anybody wished for it")
	}
	fields := append([]string{"given_name", "Grace", "email", "grace@example.org", "phone", "061 555 01 23", "notice", "yes", "language", "de"}, hidden...)
	status, page := clerk.post("/staff/offices/einwohneramt/book", append(fields, "reminder", "yes")...)
	expect(t, "without a family name", status, http.StatusUnprocessableEntity, page)
	if !ticked.MatchString(page) {
		t.Errorf("the wish is lost: %s", page)
	}
	status, page = clerk.post("/staff/offices/einwohneramt/book", fields...)
	expect(t, "without the wish", status, http.StatusUnprocessableEntity, page)
	if ticked.MatchString(page) {
		t.Error("a wish nobody has is ticked")
	}
}

func TestARuleIsOverriddenByTheLeadAndForAReasonOnly(t *testing.T) {
	d := open(t)
	night := time.Now().In(zurich(t)).AddDate(0, 0, 2)
	at := time.Date(night.Year(), night.Month(), night.Day(), 21, 30, 0, 0, night.Location())
	ask := "/staff/offices/einwohneramt/book?service=ausweis&at=" + at.Format("2006-01-02T15:04")
	clerk, lead := d.signIn(t, "clerk.anna"), d.signIn(t, "lead.berta")
	status, page := clerk.get(ask + "&reason=urgent")
	expect(t, "a clerk", status, http.StatusUnprocessableEntity, page)
	status, page = lead.get(ask)
	expect(t, "the lead without a reason", status, http.StatusUnprocessableEntity, page)
	status, page = lead.get(ask + "&reason=urgent")
	expect(t, "the lead", status, http.StatusOK, page, "Dringend")
	form := func(reason string) []string {
		return []string{"service", "ausweis", "channel", "OnSite", "origin", "counter", "start", at.UTC().Format(time.RFC3339), "reason", reason, "nonce", booking.NewNonce(),
			"given_name", "Grace", "family_name", "Hopper", "notice", "yes", "notice_date", "2026-05-31", "language", "de"}
	}
	book := "/staff/offices/einwohneramt/book"
	status, page = clerk.post(book, form("urgent")...)
	expect(t, "a clerk who sends the form all the same", status, http.StatusUnprocessableEntity, page)
	for counter := range 3 {
		status, page = lead.post(book, form("urgent")...)
		want := http.StatusOK
		if counter == 2 {
			want = http.StatusConflict // no reason makes a third counter
		}
		expect(t, fmt.Sprintf("booking %d", counter+1), status, want, page)
	}
	if log := d.audit(t); strings.Count(log, "staff/lead.berta booked by counter (urgent) appointment/") != 2 {
		t.Errorf("the audit log tells\n%s", log)
	}
}

func TestTheOfficerKeepsOneRecordForACaseAndNoLongerThanThePolicyAllows(t *testing.T) { // A3
	d := open(t)
	id, token := d.appointment(t, "einwohneramt", 1, minutesAgo(50*24*60), "Ada")
	d.appointment(t, "einwohneramt", 2, minutesAgo(50*24*60), "Grace")
	officer := d.signIn(t, "officer.dora")
	code := booking.Code(booking.TokenHash(token))
	open := func(kind, reference, what, days string) (int, string) {
		return officer.post("/staff/cases", "kind", kind, "reference", reference, "what", what, "days", days)
	}
	status, page := open("AbuseCase", "2026/17", code, "61")
	expect(t, "longer than a case may last", status, http.StatusUnprocessableEntity, page, "erlauben diesen Vorgang nicht")
	status, page = open("AbuseCase", "Frau Lovelace", code, "30")
	expect(t, "a name for a reference", status, http.StatusUnprocessableEntity, page)
	status, page = open("AbuseCase", "2026/17", "", "30")
	expect(t, "everything", status, http.StatusUnprocessableEntity, page)
	status, page = open("AbuseCase", "2026/17", code, "30")
	expect(t, "a case", status, http.StatusOK, page, "2026/17")
	var kept string
	if err := d.Superuser(t).QueryRow(t.Context(), `SELECT string_agg(category || ' ' || record, ' ') FROM retention_hold`).Scan(&kept); err != nil || kept != "Contact "+id {
		t.Errorf("kept is %q, error %v", kept, err)
	}
	status, page = officer.post("/staff/cases/end", "kind", "AbuseCase", "reference", "2026/17")
	expect(t, "ending it", status, http.StatusOK, page)
	if strings.Contains(page, "<td data-label=\"Aktenzeichen\">") {
		t.Error("the case still keeps something")
	}
	log := d.audit(t)
	for _, line := range []string{"staff/officer.dora opened AbuseCase 2026/17 appointment/" + id, "staff/officer.dora ended AbuseCase 2026/17 1 records"} {
		if !strings.Contains(log, line) {
			t.Errorf("the audit log does not tell %q:\n%s", line, log)
		}
	}
	status, page = officer.get("/staff/audit?object=appointment/" + id)
	expect(t, "the trace of one appointment", status, http.StatusOK, page, "opened AbuseCase 2026/17")
}
