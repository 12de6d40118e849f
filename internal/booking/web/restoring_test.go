// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/locale"
)

func TestASiteThatIsRestoredSaysSoAndServesNothingOfCitizens(t *testing.T) {
	tenant := fixture.New(t)
	site := start(t, tenant, 20)
	held := site.hold(t, "de")
	tenant.Document.Restoring = true
	for path, tag := range map[string]string{held: "de", "/en/": "en", "/de/erased": "de"} {
		got := site.get(t, path)
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, locale.Get(tag).Say("restoring.lead")) || got.header.Get("Retry-After") == "" {
			t.Errorf("%s gave %d", path, got.status)
		}
	}
	for _, path := range []string{"/de/privacy", "/.well-known/termintreu/notice.json"} {
		if got := site.get(t, path); got.status != http.StatusOK {
			t.Errorf("%s gave %d, though it needs no data", path, got.status)
		}
	}
	if got := site.do(t, http.MethodPost, held+"/contact", contactForm()); got.status != http.StatusServiceUnavailable {
		t.Errorf("a form was taken: %d", got.status)
	}
}

// D4: a site that takes in what the authority brings says that it moves, not that something was lost.
func TestASiteThatMovesInSaysSo(t *testing.T) {
	tenant := fixture.New(t)
	site := start(t, tenant, 20)
	tenant.Document.Restoring, tenant.Document.Importing = true, true
	for _, tag := range []string{"de", "en"} {
		got := site.get(t, "/"+tag+"/")
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, locale.Get(tag).Say("importing.lead")) {
			t.Errorf("%s gave %d", tag, got.status)
		}
	}
}
