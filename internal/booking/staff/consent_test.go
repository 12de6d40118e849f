// SPDX-License-Identifier: Apache-2.0

package staff_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

func TestACallersConsentIsReadOutTickedAndStoredWithTheWayItWasGiven(t *testing.T) { // T2
	d := open(t)
	d.Document.Notice.Rules = append(d.Document.Notice.Rules,
		settings.Rule{Category: v1alpha1.CategoryConsent, StartEvent: v1alpha1.StartWithdrawal, Period: "365d", Action: v1alpha1.ActionDelete})
	d.Document.Catalogue.Services[1].LegalBasis = "Art. 9(2)(a) GDPR"
	d.Document.Catalogue.Services[1].Consents = []v1alpha1.Consent{{Scope: v1alpha1.ConsentService,
		Text: v1alpha1.LocalizedText{"de": "Ich willige in die Beratung ein.", "en": "I consent to counselling."}}}
	clerk := d.signIn(t, "clerk.anna")
	page, hidden := clerk.callForm(t, "Lesen Sie diesen Wortlaut vor", "Ich willige in die Beratung ein.")
	fields := append([]string{"given_name", "Grace", "family_name", "Hopper", "phone", "061 555 01 23", "notice", "yes", "language", "en"}, hidden...)
	box := regexp.MustCompile(`name="consent_service" value="([0-9a-f]{64})"`).FindStringSubmatch(page)
	if box == nil || regexp.MustCompile(`consent_service[^>]*checked`).MatchString(page) {
		t.Fatalf("the box is missing or ticked: %s", page)
	}
	book := "/staff/offices/einwohneramt/book"
	status, page := clerk.post(book, fields...)
	expect(t, "without the consent", status, http.StatusUnprocessableEntity, page, "nur mit Ihrer Einwilligung")
	status, page = clerk.post(book, append(fields, "consent_service", box[1])...)
	expect(t, "with it", status, http.StatusOK, page, "Der Termin ist gebucht")
	var stored string
	if err := d.Superuser(t).QueryRow(t.Context(), `SELECT string_agg(concat_ws(' ', purpose, channel, locale, encode(text_sha256, 'hex')), ', ') FROM consent`).Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if stored != "Service phone de "+box[1] {
		t.Errorf("stored is %s", stored)
	}
}
