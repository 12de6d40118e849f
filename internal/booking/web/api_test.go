// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
)

// call asks the API with a token and a body, each if there is one.
func (s *site) call(t testing.TB, method, path, token, body string, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for n := 0; n < len(headers); n += 2 {
		request.Header.Set(headers[n], headers[n+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(raw)}
}

func (a answer) into(t testing.TB, status int, target any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if target == nil {
		return
	}
	if err := json.Unmarshal([]byte(a.body), target); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
}

const (
	apiSlots = "/api/v1/services/ausweis/offices/einwohneramt"
	apiMine  = "/api/v1/appointment"
	contact  = `{"givenName": "Zoë", "familyName": "Quittenbaum", "email": "zoe.q@example.org", "noticeDate": "2026-05-31"}`
)

func (s *site) starts(t testing.TB) []string {
	t.Helper()
	var week struct{ Starts []string }
	s.call(t, http.MethodGet, apiSlots, "", "").into(t, http.StatusOK, &week)
	if len(week.Starts) < 3 {
		t.Fatalf("only %d slots are free", len(week.Starts))
	}
	return week.Starts
}

func (s *site) holdByAPI(t testing.TB, start string, headers ...string) string {
	t.Helper()
	var held struct{ Token, Link string }
	s.call(t, http.MethodPost, apiSlots, "", `{"start": "`+start+`"}`, headers...).into(t, http.StatusCreated, &held)
	if !strings.HasSuffix(held.Link, "/appointments/"+held.Token) {
		t.Errorf("the link does not lead to the appointment")
	}
	return held.Token
}

func TestAPortalBooksMovesCorrectsAndErasesThroughTheAPI(t *testing.T) {
	site := start(t, fixture.New(t), 50)
	site.call(t, http.MethodGet, "/api/v1/services?lang=en", "", "").contains(t, "Apply for an identity card", `"noticeDate":"2026-05-31"`, "Kanton Basel-Stadt")
	free := site.starts(t)
	token := site.holdByAPI(t, free[0])
	site.call(t, http.MethodPost, apiMine+"/confirm", token, "").into(t, http.StatusConflict, nil)
	site.call(t, http.MethodPut, apiMine+"/contact", token, contact).into(t, http.StatusNoContent, nil)
	for range 2 {
		site.call(t, http.MethodPost, apiMine+"/confirm", token, "").into(t, http.StatusNoContent, nil)
		site.call(t, http.MethodPost, apiMine+"/move", token, `{"start": "`+free[2]+`"}`).into(t, http.StatusNoContent, nil)
		site.call(t, http.MethodPut, apiMine+"/contact", token, strings.Replace(contact, "Quittenbaum", "Birnbaum", 1)).into(t, http.StatusNoContent, nil)
	}
	var export booking.Export
	site.call(t, http.MethodGet, apiMine, token, "").into(t, http.StatusOK, &export)
	if export.Contact.FamilyName != "Birnbaum" || export.Appointment.State != booking.StateConfirmed || export.Appointment.Sequence != 1 ||
		export.Appointment.StartsAt.Format("2006-01-02T15:04:05Z") != free[2] {
		t.Errorf("the appointment is %+v of %+v", export.Appointment, export.Contact)
	}
	for range 2 {
		site.call(t, http.MethodPost, apiMine+"/cancel", token, "").into(t, http.StatusNoContent, nil)
	}
	site.call(t, http.MethodPost, apiMine+"/move", token, `{"start": "`+free[1]+`"}`).into(t, http.StatusConflict, nil)
	site.call(t, http.MethodDelete, apiMine, token, "").into(t, http.StatusNoContent, nil)
	if left := site.rows(t); left != "" {
		t.Errorf("what is left is %s", left)
	}
	unknown := site.call(t, http.MethodGet, apiMine, booking.NewNonce(), "")
	for _, other := range []answer{site.call(t, http.MethodGet, apiMine, token, ""), site.call(t, http.MethodGet, apiMine, "", ""),
		site.call(t, http.MethodDelete, apiMine, token, ""), site.call(t, http.MethodPost, apiMine+"/confirm", token, "")} {
		if other.status != http.StatusNotFound || other.body != unknown.body {
			t.Errorf("an erased, absent or guessed token can be told from another: %d %s", other.status, other.body)
		}
	}
}

func TestRepeatingAnAPIRequestIsHarmless(t *testing.T) {
	site := start(t, fixture.New(t), 50)
	free, key := site.starts(t), booking.NewNonce()
	once := site.holdByAPI(t, free[0], "Idempotency-Key", key)
	if again := site.holdByAPI(t, free[0], "Idempotency-Key", key); again != once {
		t.Error("one key makes two holds")
	}
	one := site.holdByAPI(t, free[1])
	if other := site.holdByAPI(t, free[1]); other == one {
		t.Error("requests without a key share a token")
	}
	site.call(t, http.MethodPost, apiSlots, "", `{"start": "`+free[1]+`"}`).into(t, http.StatusConflict, nil)
}

func TestTheAPIRefusesWhatItDoesNotUnderstandAndRepeatsNothing(t *testing.T) {
	site := start(t, fixture.New(t), 1000)
	token := site.holdByAPI(t, site.starts(t)[0])
	for name, test := range map[string]struct {
		method, path, body string
		status             int
	}{
		"no JSON":                   {http.MethodPost, apiSlots, "start=now", http.StatusBadRequest},
		"a field nobody asked for":  {http.MethodPut, apiMine + "/contact", `{"givenName": "Ada", "familyName": "L", "religion": "secret-value"}`, http.StatusBadRequest},
		"two documents":             {http.MethodPost, apiSlots, `{} {}`, http.StatusBadRequest},
		"a body without end":        {http.MethodPost, apiSlots, `{"start": "` + strings.Repeat("x", 40_000), http.StatusBadRequest},
		"a weak key":                {http.MethodPost, apiSlots, `{"start": "2026-01-01T08:00:00Z"}`, http.StatusBadRequest},
		"a service that is not":     {http.MethodPost, "/api/v1/services/none/offices/einwohneramt", `{"start": "2026-01-01T08:00:00Z"}`, http.StatusNotFound},
		"a notice not acknowledged": {http.MethodPut, apiMine + "/contact", `{"givenName": "Ada", "familyName": "L", "email": "secret-value"}`, http.StatusUnprocessableEntity},
		"a method there is not":     {http.MethodPatch, apiMine, `{}`, http.StatusNotFound},
	} {
		headers := []string{}
		if name == "a weak key" {
			headers = []string{"Idempotency-Key", "1"}
		}
		got := site.call(t, test.method, test.path, token, test.body, headers...)
		if got.status != test.status || strings.Contains(got.body, "secret-value") {
			t.Errorf("%s: status %d, want %d: %s", name, got.status, test.status, got.body)
		}
	}
	got := site.call(t, http.MethodPut, apiMine+"/contact?lang=en", token, `{"givenName": "", "familyName": "L", "email": "x"}`)
	got.contains(t, `"givenName":"Please fill in`, `"email":"Please write`, `"noticeDate":"Please confirm`)
	site.call(t, http.MethodPost, apiMine+"/confirm", token, "", "Sec-Fetch-Site", "cross-site").into(t, http.StatusForbidden, nil)
	site.call(t, http.MethodDelete, apiMine, token, "", "Origin", "https://evil.example").into(t, http.StatusForbidden, nil)
	site.mutex.Lock()
	defer site.mutex.Unlock()
	for _, secret := range []string{token, "secret-value"} {
		if strings.Contains(site.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

func TestTheOpenAPIDocumentSaysWhatTheSiteDoes(t *testing.T) {
	site := start(t, fixture.New(t), 50)
	var document struct {
		OpenAPI    string
		Paths      map[string]map[string]struct{ Responses map[string]any }
		Components map[string]map[string]any
	}
	got := site.call(t, http.MethodGet, "/api/openapi.json", "", "")
	got.into(t, http.StatusOK, &document)
	operations := 0
	for path, methods := range document.Paths {
		for method, operation := range methods {
			operations++
			address := strings.NewReplacer("{service}", "ausweis", "{office}", "einwohneramt").Replace(path)
			answered := site.call(t, strings.ToUpper(method), address, booking.NewNonce(), "")
			status := http.StatusText(answered.status)
			if _, documented := operation.Responses[jsonNumber(answered.status)]; !documented || strings.Contains(answered.header.Get("Content-Type"), "html") {
				t.Errorf("%s %s answers %d %s, which is not documented", method, path, answered.status, status)
			}
		}
	}
	if operations != 10 {
		t.Errorf("%d operations are documented, and there are ten", operations)
	}
	for _, part := range strings.Split(got.body, `"$ref": "#/components/`)[1:] {
		kind, rest, _ := strings.Cut(part, "/")
		name, _, _ := strings.Cut(rest, `"`)
		if _, there := document.Components[kind][name]; !there {
			t.Errorf("%s/%s is referred to and not there", kind, name)
		}
	}
}

func jsonNumber(n int) string {
	raw, _ := json.Marshal(n)
	return string(raw)
}

func FuzzAPI(f *testing.F) {
	f.Add(`{"start": "2026-06-01T08:00:00Z", "channel": "OnSite"}`, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add(contact, "")
	f.Add(`[{"start": null}]`, "\xff")
	f.Fuzz(func(t *testing.T, body, key string) {
		running := start(t, fixture.New(t), 100)
		token := booking.NewNonce()
		for _, path := range []string{apiSlots, apiMine + "/move", apiMine + "/contact"} {
			method := http.MethodPost
			if strings.HasSuffix(path, "/contact") {
				method = http.MethodPut
			}
			if strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
				key = ""
			}
			if got := running.call(t, method, path, token, body, "Idempotency-Key", key); got.status >= 500 {
				t.Errorf("%s: status %d", path, got.status)
			}
		}
	})
}
