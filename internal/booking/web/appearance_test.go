// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
)

func TestASiteShowsTheNameColourAndLogoOfItsAuthority(t *testing.T) {
	tenant := fixture.New(t)
	site := start(t, tenant, 20)
	before := find(t, site.get(t, "/de/").body, `href="(/assets/style.css[^"]+)"`)
	if plain := site.get(t, "/assets/logo"); plain.status != 404 {
		t.Errorf("a logo nobody gave answers %d", plain.status)
	}
	tenant.Document.Appearance = &v1alpha1.Appearance{Name: v1alpha1.LocalizedText{"de": "Stadt Biel", "en": "City of Biel"}, Accent: "#7a1f3d",
		Logo: &v1alpha1.Logo{MediaType: v1alpha1.LogoSVG, Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`)}}
	site.get(t, "/de/").contains(t, "Stadt Biel")
	page := site.get(t, "/en/")
	page.contains(t, "City of Biel")
	after := find(t, page.body, `href="(/assets/style.css[^"]+)"`)
	if after == before {
		t.Error("browsers would keep the old colours: the address is the same")
	}
	if sheet := site.get(t, after); !strings.Contains(sheet.body, "--accent: #7a1f3d") {
		t.Error("the sheet lacks the accent")
	}
	logo := site.get(t, find(t, page.body, `src="(/assets/logo[^"]+)"`))
	if policy := logo.header.Get("Content-Security-Policy"); logo.header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(policy, "sandbox") {
		t.Errorf("the logo comes with %v", logo.header)
	}
	for _, line := range site.access {
		if strings.HasPrefix(line.Route, "/assets") {
			t.Errorf("%s is in the access log", line.Route)
		}
	}
	tenant.Document.Appearance.Accent = "#ffee00"
	if _, err := booking.NewSnapshot(tenant.Document); err == nil {
		t.Error("an instance takes an accent nobody can read")
	}
}
