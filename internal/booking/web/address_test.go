// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/settings"
)

func TestAnAddressIsAskedForOnSiteAndOnlyWhereDeclared(t *testing.T) { // A6, T3
	address := map[string]string{"street": "Kirschgartenstrasse 9", "postal_code": "4051", "city": "Kleinbasel"}
	form := contactForm()
	for name, text := range address {
		form.Set(name, text)
	}
	t.Run("declared", func(t *testing.T) {
		site := start(t, fixture.New(t, func(document *settings.Instance) {
			document.Catalogue.Services[0].RequiredFields = []v1alpha1.RequiredField{v1alpha1.RequiredFieldPostalAddress}
		}), 20)
		booked := site.hold(t, "de")
		site.get(t, booked).contains(t, `name="street"`, "Die Amtsstelle braucht Ihre Postadresse")
		page := site.do(t, http.MethodPost, booked+"/contact", contactForm())
		page.contains(t, "„Ort“")
		if page.status != http.StatusUnprocessableEntity {
			t.Errorf("status %d without an address", page.status)
		}
		site.follow(t, booked+"/contact", form)
		site.get(t, booked).contains(t, "Kirschgartenstrasse 9", "Kleinbasel")
		site.follow(t, booked+"/confirm", nil)
		file, stored := site.get(t, booked+"/data.json").body, site.rows(t)
		for name, text := range address {
			site.get(t, booked+"/data").contains(t, text)
			if !strings.Contains(file, text) || !strings.Contains(stored, text) {
				t.Errorf("%s is not stored, or not in the export", name)
			}
		}
		form.Set("city", "Riehen")
		site.follow(t, booked+"/correct", form)
		if stored := site.rows(t); !strings.Contains(stored, "Riehen") || strings.Contains(stored, "Kleinbasel") {
			t.Error("the town is not corrected")
		}
		var category string
		err := site.Superuser(t).QueryRow(t.Context(), `SELECT key FROM jsonb_each(obj_description('contact'::regclass)::jsonb)
			WHERE value @> '["street", "postal_code", "city"]'`).Scan(&category)
		if err != nil || category != string(v1alpha1.CategoryContact) {
			t.Errorf("the data map says %q, error %v", category, err)
		}
	})
	t.Run("not declared", func(t *testing.T) {
		site := start(t, fixture.New(t), 20)
		booked := site.hold(t, "de")
		if strings.Contains(site.get(t, booked).body, `name="street"`) {
			t.Error("the form asks for an address nobody needs")
		}
		site.follow(t, booked+"/contact", form)
		if strings.Contains(site.rows(t), "Kirschgartenstrasse") {
			t.Error("an address nobody asked for is stored")
		}
	})
}

func TestTheNoticeSaysHowAccessibleTheSiteIsAndWhomToTell(t *testing.T) { // BITV, EAA
	site := start(t, fixture.New(t), 20)
	site.get(t, "/en/").contains(t, "/en/privacy#accessibility")
	page := site.get(t, "/en/privacy")
	page.contains(t, `<h2 id="accessibility">`, "EN 301 549", "enforcement or arbitration body")
	if _, statement, _ := strings.Cut(page.body, `id="accessibility"`); !strings.Contains(statement, "mailto:termine@example.org") {
		t.Error("the statement names nobody to tell of a barrier")
	}
}
