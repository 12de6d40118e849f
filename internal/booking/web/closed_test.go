// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/locale"
)

// D4: a site whose contract ends takes nothing new, and lets nobody down who has booked.
func TestASiteThatClosesTakesNoBookingsAndStillShowsAndCancelsWhatWasBooked(t *testing.T) {
	tenant := fixture.New(t)
	site := start(t, tenant, 20)
	held := site.hold(t, "de")
	tenant.Document.Closing = true
	for path, tag := range map[string]string{"/de/": "de", "/en/services/passport": "en", held + "/move": "de"} {
		got := site.get(t, path)
		if got.status != http.StatusGone || !strings.Contains(got.body, locale.Get(tag).Say("closed.lead")) {
			t.Errorf("%s gave %d", path, got.status)
		}
	}
	if got := site.get(t, "/api/v1/services"); got.status != http.StatusGone {
		t.Errorf("the API gave %d", got.status)
	}
	for _, path := range []string{held, held + "/data", "/de/privacy", "/.well-known/termintreu/notice.json"} {
		if got := site.get(t, path); got.status != http.StatusOK {
			t.Errorf("%s gave %d", path, got.status)
		}
	}
	if got := site.do(t, http.MethodPost, held+"/cancel", nil); got.status >= http.StatusBadRequest {
		t.Errorf("cancelling gave %d", got.status)
	}
}
