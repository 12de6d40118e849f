// SPDX-License-Identifier: Apache-2.0

package staff_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/oidctest"
)

// once makes a client that follows no redirect and keeps its cookies.
func once(browser *http.Client) *http.Client {
	client := *browser
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

func TestOnlyTheStaffHasCookiesAndTheyAreClosed(t *testing.T) { // B5
	d := open(t)
	browser := oidctest.Browser(t, d.bundle, d.provider.CABundle)
	var set []*http.Cookie
	inner := browser.Transport
	browser.Transport = transport(func(request *http.Request) (*http.Response, error) {
		response, err := inner.RoundTrip(request)
		if err == nil && "https://"+request.URL.Host == d.address {
			set = append(set, response.Cookies()...)
		}
		return response, err
	})
	if status, page, err := oidctest.SignIn(browser, d.address+"/staff/login", "clerk.anna"); err != nil || status != http.StatusOK {
		t.Fatal(status, page, err)
	}
	kept := 0
	for _, cookie := range set {
		if !strings.HasPrefix(cookie.Name, "__Host-") || !cookie.HttpOnly || !cookie.Secure || cookie.Path != "/" || cookie.Domain != "" {
			t.Errorf("a cookie is open: %s", cookie.Name)
		}
		if cookie.Name == "__Host-termintreu-staff" {
			kept++
			if cookie.SameSite != http.SameSiteStrictMode || cookie.MaxAge != 0 || len(cookie.Value) < 43 {
				t.Errorf("the session's cookie has SameSite %v, age %d and %d characters", cookie.SameSite, cookie.MaxAge, len(cookie.Value))
			}
		}
	}
	if kept != 1 {
		t.Errorf("%d sessions began", kept)
	}
	set = nil
	who := &person{t, d, browser}
	for _, path := range []string{"/de/", "/de/privacy", "/de/services/ausweis/offices/einwohneramt", "/api/v1/services"} {
		who.get(path)
	}
	if len(set) != 0 {
		t.Errorf("the citizens' pages set %v", set)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func TestAFormOfAnotherSiteOrSessionIsRefused(t *testing.T) {
	d := open(t)
	id, _ := d.appointment(t, "einwohneramt", 1, minutesAgo(5), "Ada")
	clerk, other := d.signIn(t, "clerk.anna"), d.signIn(t, "lead.berta")
	_, home := other.get("/staff/")
	mark := csrfField.FindStringSubmatch(home)[1]
	path := d.address + "/staff/visits/" + id + "/call"
	for name, form := range map[string]url.Values{"without a mark": {}, "with another session's": {"csrf": {mark}}} {
		if status, _ := clerk.read(clerk.browser.PostForm(path, form)); status != http.StatusForbidden {
			t.Errorf("a form %s gets %d", name, status)
		}
	}
	_, home = clerk.get("/staff/")
	for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(url.Values{"csrf": {csrfField.FindStringSubmatch(home)[1]}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set(header, value)
		if status, _ := clerk.read(clerk.browser.Do(request)); status != http.StatusForbidden {
			t.Errorf("a form with %s %s gets %d", header, value, status)
		}
	}
	if log := d.audit(t); strings.Contains(log, " called ") {
		t.Error("somebody was called all the same")
	}
}

func TestASignInIsAnsweredOnceAndByWhomItBeganWith(t *testing.T) {
	d := open(t)
	var callback string
	browser := oidctest.Browser(t, d.bundle, d.provider.CABundle)
	browser.CheckRedirect = func(request *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(request.URL.String(), d.address+"/staff/callback") {
			callback = request.URL.String()
			return http.ErrUseLastResponse // stolen before it arrives
		}
		return nil
	}
	if _, _, err := oidctest.SignIn(browser, d.address+"/staff/login", "clerk.anna"); err != nil || callback == "" {
		t.Fatalf("no answer of the provider: %v", err)
	}
	thief := &person{t, d, oidctest.Browser(t, d.bundle, d.provider.CABundle)}
	status, page := thief.get(strings.TrimPrefix(callback, d.address))
	expect(t, "somebody else's answer", status, http.StatusBadRequest, page)
	thief.read(once(thief.browser).Get(d.address + "/staff/login")) // begins a sign-in of their own
	status, page = thief.get(strings.TrimPrefix(callback, d.address))
	expect(t, "somebody else's answer in a sign-in of one's own", status, http.StatusBadRequest, page)
	rightful := &person{t, d, browser}
	status, page = rightful.get(strings.TrimPrefix(callback, d.address))
	expect(t, "the answer", status, http.StatusOK, page)
	status, page = rightful.get(strings.TrimPrefix(callback, d.address))
	expect(t, "the answer once more", status, http.StatusBadRequest, page)
	if status, _ := thief.get("/staff/find"); status != http.StatusUnauthorized {
		t.Errorf("the thief gets %d", status)
	}
}

func TestASessionEndsWithSigningOutWithItsRoleAndWhenTheAdministratorSays(t *testing.T) {
	d := open(t)
	clerk, again, admin := d.signIn(t, "clerk.anna"), d.signIn(t, "clerk.anna"), d.signIn(t, "admin.frida")
	address, err := url.Parse(d.address)
	if err != nil {
		t.Fatal(err)
	}
	stolen := oidctest.Browser(t, d.bundle)
	stolen.Jar.SetCookies(address, clerk.browser.Jar.Cookies(address))
	if status, _ := (&person{t, d, stolen}).get("/staff/find"); status != http.StatusOK {
		t.Fatalf("the cookie gets %d", status)
	}
	status, page := clerk.post("/staff/logout")
	expect(t, "signing out", status, http.StatusOK, page)
	if status, _ := (&person{t, d, stolen}).get("/staff/find"); status != http.StatusUnauthorized {
		t.Errorf("after signing out a copy of the cookie gets %d", status)
	}
	status, page = admin.get("/staff/sessions")
	expect(t, "the sessions", status, http.StatusOK, page, "clerk.anna")
	status, page = admin.post("/staff/sessions/end", "subject", "clerk.anna")
	expect(t, "ending them", status, http.StatusOK, page)
	if status, _ := again.get("/staff/find"); status != http.StatusUnauthorized {
		t.Errorf("after the administrator ended the session it gets %d", status)
	}
	third := d.signIn(t, "lead.berta")
	var kept []settings.StaffGrant
	for _, grant := range d.Document.Staff.Grants {
		if grant.Role != v1alpha1.StaffCounterLead {
			kept = append(kept, grant)
		}
	}
	d.Document.Staff.Grants = kept
	if status, _ := third.get("/staff/find"); status != http.StatusUnauthorized {
		t.Errorf("without the role the session gets %d", status)
	}
}

func TestWithoutAnIdentityProviderThereIsNoStaffSide(t *testing.T) {
	d := open(t)
	stranger := &person{t, d, oidctest.Browser(t, d.bundle)}
	_, unknown := stranger.get("/nowhere")
	staff := d.Document.Staff
	for name, spoil := range map[string]func(){
		"without a provider":   func() { d.Document.Staff = nil },
		"without TLS":          func() { d.Document.URL = "http://termine.example.org" },
		"without an audit log": func() { d.Document.Notice.Rules = d.Document.Notice.Rules[:len(d.Document.Notice.Rules)-2] },
	} {
		url, rules := d.Document.URL, d.Document.Notice.Rules
		spoil()
		for _, path := range []string{"/staff", "/staff/", "/staff/login", "/staff/callback?code=x&state=y", "/staff/find"} {
			if status, page := stranger.get(path); status != http.StatusNotFound || page != unknown {
				t.Errorf("%s, %s gets %d", name, path, status)
			}
		}
		d.Document.Staff, d.Document.URL, d.Document.Notice.Rules = staff, url, rules
	}
}

// A scanner follows every link of every page with GET and HEAD: nothing changes but the audit log, which tells of it.
func TestFollowingEveryLinkOfTheStaffSideChangesNothing(t *testing.T) { // acceptance 3
	d := open(t)
	d.appointment(t, "einwohneramt", 1, minutesAgo(5), "Ada")
	lead := d.signIn(t, "lead.officer.admin.ida")
	state := func() (text string) {
		err := d.Superuser(t).QueryRow(t.Context(), `SELECT concat((SELECT string_agg(a::text, ' ') FROM appointment AS a), (SELECT string_agg(c::text, ' ') FROM contact AS c),
			(SELECT count(*) FROM mail_outbox), (SELECT count(*) FROM staff_session), (SELECT count(*) FROM retention_hold))`).Scan(&text)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := state()
	links := regexp.MustCompile(`(?:href|action)="([^"#]+)"`)
	seen, queue := map[string]bool{}, []string{"/staff/", "/staff/offices/einwohneramt?day=" + minutesAgo(5).In(zurich(t)).Format(time.DateOnly)}
	for len(queue) > 0 && len(seen) < 60 {
		path := strings.ReplaceAll(queue[0], "&amp;", "&")
		queue = queue[1:]
		if seen[path] || !strings.HasPrefix(path, "/staff/") || strings.HasPrefix(path, "/staff/login") {
			continue
		}
		seen[path] = true
		lead.read(lead.browser.Head(d.address + path))
		_, page := lead.get(path)
		for _, link := range links.FindAllStringSubmatch(page, -1) {
			if strings.HasPrefix(link[1], "?") {
				continue
			}
			queue = append(queue, link[1])
		}
	}
	if after := state(); after != before || len(seen) < 10 {
		t.Errorf("following %d links changed\n%s\nto\n%s", len(seen), before, after)
	}
}

// No input makes a fault of ours, comes back as markup, or ends in a log (acceptance 6).
func FuzzStaffForms(f *testing.F) {
	d := open(f)
	browser := oidctest.Browser(f, d.bundle, d.provider.CABundle)
	if status, page, err := oidctest.SignIn(browser, d.address+"/staff/login", "lead.officer.admin.auditor.kim"); err != nil || status != http.StatusOK {
		f.Fatal(status, page, err)
	}
	who := &person{f, d, browser}
	_, home := who.get("/staff/")
	mark := csrfField.FindStringSubmatch(home)[1]
	for _, seed := range []string{"", "K3WM-8F2Q", "<script>alert(1)</script>", "\x00", "' OR 1=1 --", "\xff\xfe", strings.Repeat("9", 4000), "2026-13-45T99:99", "-1", "9223372036854775808"} {
		f.Add(uint8(0), seed, seed)
		f.Add(uint8(7), "2030-01-07T08:00:00Z", seed)
	}
	for n := range uint8(12) {
		f.Add(n, "<i>x", "\x00'\"")
	}
	f.Fuzz(func(t *testing.T, which uint8, one, two string) {
		who.t = t
		fields := url.Values{"csrf": {mark}}
		for _, name := range []string{"code", "reference", "what", "kind", "days", "subject", "service", "channel", "origin", "start", "at", "reason", "nonce", "given_name",
			"family_name", "email", "phone", "notice", "notice_date", "language", "object", "before", "day", "from"} {
			fields.Set(name, map[bool]string{true: one, false: two}[len(name)%2 == 0])
		}
		if which%3 == 1 {
			fields.Set("service", "ausweis")
			fields.Set("kind", "AbuseCase")
		}
		posts := []string{"/staff/find", "/staff/cases", "/staff/cases/end", "/staff/sessions/end", "/staff/offices/einwohneramt/book",
			"/staff/visits/" + url.PathEscape(one) + "/call", "/staff/visits/00000000-0000-0000-0000-000000000000/" + url.PathEscape(two)}
		gets := []string{"/staff/audit", "/staff/offices/einwohneramt", "/staff/offices/einwohneramt/book", "/staff/callback", "/staff/visits/" + url.PathEscape(two)}
		var status int
		var page string
		if n := int(which) % (len(posts) + len(gets)); n < len(posts) {
			status, page = who.read(browser.PostForm(d.address+posts[n], fields))
		} else {
			status, page = who.get(gets[n-len(posts)] + "?" + fields.Encode())
		}
		if status >= http.StatusInternalServerError {
			t.Errorf("%d for %d, %q, %q\n%s", status, which, one, two, d.logged())
		}
		for _, given := range []string{one, two} {
			if strings.ContainsAny(given, "<>") && strings.Contains(page, given) {
				t.Errorf("%q comes back as markup", given)
			}
			if len(given) > 12 && strings.Contains(d.logged(), given) {
				t.Errorf("%q is in the log", given)
			}
		}
	})
}
