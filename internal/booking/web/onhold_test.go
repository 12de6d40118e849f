// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
)

// A restriction or a case of abuse outlives the citizen's own erasure (Art. 17(3), 18 GDPR): nothing is lost, the citizen
// is told so, until when and where to turn to (Art. 12(4)), and can erase everything once it has ended.
func TestWhatIsOnHoldIsNotErasedAndTheCitizenIsTold(t *testing.T) {
	site := start(t, fixture.New(t), 50)
	appointment := site.hold(t, "de")
	site.follow(t, appointment+"/contact", contactForm())
	site.follow(t, appointment+"/confirm", url.Values{})
	super := site.Superuser(t)
	before := site.rows(t)
	if _, err := super.Exec(t.Context(), `INSERT INTO retention_hold (category, record, kind, reference, until)
		SELECT 'Contact', id::text, 'AbuseCase', 'case-4711', '2099-03-01 12:00 UTC' FROM appointment`); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/erase", "/correct"} {
		form := url.Values{}
		if path == "/correct" {
			form = contactForm()
		}
		page := site.do(t, http.MethodPost, appointment+path, form)
		page.contains(t, "Diese Daten müssen vorerst bleiben", "2099", "Aufsichtsbehörde", "/de/privacy")
		if page.status != http.StatusConflict || strings.Contains(page.body, "case-4711") || strings.Contains(page.body, "AbuseCase") {
			t.Errorf("%s: status %d, or the page names the case", path, page.status)
		}
	}
	token := appointment[strings.LastIndex(appointment, "/")+1:]
	if got := site.call(t, http.MethodDelete, apiMine, token, ""); got.status != http.StatusConflict || !strings.Contains(got.body, "has to stay") && !strings.Contains(got.body, "vorerst bleiben") {
		t.Errorf("the API answers %d %s", got.status, got.body)
	}
	if after := site.rows(t); after != before {
		t.Errorf("left: %s, was: %s", after, before)
	}
	if _, err := super.Exec(t.Context(), `UPDATE retention_hold SET until = now()`); err != nil {
		t.Fatal(err)
	}
	site.get(t, site.follow(t, appointment+"/erase", url.Values{})).contains(t, "Alles ist gelöscht")
	if left := site.rows(t); left != "" {
		t.Errorf("what is left after the hold is %s", left)
	}
}
