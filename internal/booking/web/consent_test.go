// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/settings"
)

const consentText = "Ich willige ein, dass meine Angaben für die Ausstellung verarbeitet werden."

// consenting is a tenant whose first service rests on consent, with an address that may be given freely.
func consenting(t *testing.T) *fixture.Tenant {
	t.Helper()
	tenant := fixture.New(t, func(document *settings.Instance) {
		document.Locales = []v1alpha1.Locale{"de", "en", "fr", "it", "uk"}
		document.Notice.Rules = append(document.Notice.Rules,
			settings.Rule{Category: v1alpha1.CategoryAuditLog, StartEvent: v1alpha1.StartCreation, Period: "365d", Action: v1alpha1.ActionDelete},
			settings.Rule{Category: v1alpha1.CategoryConsent, StartEvent: v1alpha1.StartWithdrawal, Period: "365d", Action: v1alpha1.ActionDelete})
		document.Catalogue.Services[0].LegalBasis = "Art. 6(1)(a) GDPR"
		document.Catalogue.Services[0].Consents = []v1alpha1.Consent{
			{Scope: v1alpha1.ConsentService, Text: v1alpha1.LocalizedText{"de": consentText, "en": "I consent to issuing.", "fr": "Je consens.", "it": "Acconsento.", "uk": "Я згоден."}},
			{Scope: v1alpha1.ConsentPostalAddress, Text: v1alpha1.LocalizedText{"de": "Meine Adresse darf gespeichert werden.", "en": "My address may be stored.",
				"fr": "Mon adresse peut être enregistrée.", "it": "Il mio indirizzo può essere salvato.", "uk": "Мою адресу можна зберігати."}},
		}
	})
	tenant.Store.Keeps = func(category v1alpha1.Category) bool { return tenant.Document.Rule(category) != nil }
	return tenant
}

// box gives the value a consent's box has on a page.
func box(t *testing.T, page answer, name string) string {
	t.Helper()
	return find(t, page.body, `name="`+name+`" value="([0-9a-f]{64})"`)
}

// agree books with the consents of these names, and an address if one of them is its.
func (s *site) agree(t *testing.T, language string, boxes ...string) string {
	t.Helper()
	appointment := s.hold(t, language)
	form, page := contactForm(), s.get(t, appointment)
	for _, name := range boxes {
		form.Set(name, box(t, page, name))
		if name == "consent_postal_address" {
			form.Set("street", "Quellenweg 9")
			form.Set("postal_code", "4001")
			form.Set("city", "Basel")
		}
	}
	s.follow(t, appointment+"/contact", form)
	s.follow(t, appointment+"/confirm", url.Values{})
	return appointment
}

// proofs gives what is stored of consents, the oldest first.
func (s *site) proofs(t *testing.T) string {
	t.Helper()
	var told string
	err := s.Superuser(t).QueryRow(t.Context(), `SELECT coalesce(string_agg(concat_ws(' ', purpose, channel, locale, octet_length(text_sha256),
		CASE WHEN withdrawn_at IS NOT NULL THEN 'withdrawn' END, CASE WHEN purpose_ended_at IS NOT NULL THEN 'ended' END), ', ' ORDER BY id), '') FROM consent`).Scan(&told)
	if err != nil {
		t.Fatal(err)
	}
	return told
}

func TestWhereConsentIsNotTheBasisNothingAsksForIt(t *testing.T) { // T2
	site := start(t, fixture.New(t), 50)
	appointment := site.hold(t, "de")
	page := site.get(t, appointment)
	form := contactForm()
	form.Set("consent_service", strings.Repeat("0", 64))
	site.follow(t, appointment+"/contact", form)
	site.follow(t, appointment+"/confirm", url.Values{})
	for name, body := range map[string]string{"the form": page.body, "the notice": site.get(t, "/de/privacy").body, "the confirmation": site.get(t, appointment).body,
		"the data": site.get(t, appointment+"/data").body, "the file": site.get(t, appointment+"/data.json").body} {
		if strings.Contains(body, "consent") || strings.Contains(body, "inwilligung") {
			t.Errorf("%s speaks of consent:\n%s", name, body)
		}
	}
	if told := site.proofs(t); told != "" {
		t.Errorf("a consent nobody asked for is stored: %s", told)
	}
}

func TestAServiceThatRestsOnConsentIsBookedWithItOnlyAndItIsNeverTickedBefore(t *testing.T) { // T2, Art. 7
	site := start(t, consenting(t), 50)
	appointment := site.hold(t, "de")
	page := site.get(t, appointment)
	page.contains(t, consentText, "beruht allein auf Ihrer Einwilligung", "ohne Postadresse buchen")
	if strings.Contains(page.body, "checked") {
		t.Error("a box is ticked before the citizen has ticked it")
	}
	refused := func(want string, changes ...string) {
		t.Helper()
		form := contactForm()
		for n := 0; n < len(changes); n += 2 {
			form.Set(changes[n], changes[n+1])
		}
		got := site.do(t, http.MethodPost, appointment+"/contact", form)
		got.contains(t, want)
		if got.status != http.StatusUnprocessableEntity || strings.Contains(got.body, "checked") {
			t.Errorf("status %d; a box stays ticked: %v", got.status, strings.Contains(got.body, "checked"))
		}
	}
	service, address := box(t, page, "consent_service"), box(t, page, "consent_postal_address")
	refused("kann nur mit Ihrer Einwilligung gebucht werden")
	refused("kann nur mit Ihrer Einwilligung gebucht werden", "notice", "yes", "consent_postal_address", address)
	refused("Datenschutzhinweise zur Kenntnis", "consent_service", service, "notice", "")
	refused("Wortlaut der Einwilligung wurde soeben geändert", "consent_service", strings.Repeat("a", 64))
	refused("oder lassen Sie die Adresse leer", "consent_service", service, "street", "Quellenweg 9", "postal_code", "4001", "city", "Basel")
	refused("füllen Sie das Feld „Ort“ aus", "consent_service", service, "consent_postal_address", address, "street", "Quellenweg 9", "postal_code", "4001")
	if told := site.proofs(t); told != "" {
		t.Errorf("stored although nothing was accepted: %s", told)
	}
	form := contactForm()
	form.Set("consent_service", service)
	site.follow(t, appointment+"/contact", form)
	site.follow(t, appointment+"/contact", form) // again, as after "change details"
	site.follow(t, appointment+"/confirm", url.Values{})
	if told := site.proofs(t); told != "Service form de 32" {
		t.Errorf("stored is: %s", told)
	}
	site.get(t, appointment).contains(t, appointment+"/consent")
	site.get(t, appointment+"/data").contains(t, consentText, "Erteilt:")
	export := site.exported(t, appointment)
	if len(export.Consents) != 1 || export.Consents[0].Text != consentText || export.Consents[0].TextSHA256 != service || export.Consents[0].WithdrawnAt != nil ||
		time.Since(export.Consents[0].GivenAt) > time.Hour {
		t.Errorf("the file says %+v", export.Consents)
	}
	site.Document.Catalogue.Services[0].Consents[0].Text = v1alpha1.LocalizedText{"de": "Ein neuer Wortlaut.", "en": "-", "fr": "-", "it": "-", "uk": "-"}
	site.get(t, appointment+"/consent").contains(t, "Der Wortlaut wurde seither geändert")
}

func TestAHoldThatIsGivenUpOrExpiresLeavesNoConsentBehind(t *testing.T) {
	site := start(t, consenting(t), 50)
	for _, end := range []func(appointment string){
		func(appointment string) { site.follow(t, appointment+"/cancel", url.Values{}) },
		func(string) {
			if _, err := site.Superuser(t).Exec(t.Context(), `UPDATE appointment SET created_at = now() - interval '2 hours'`); err != nil {
				t.Fatal(err)
			}
			if _, err := site.Store.Expire(t.Context(), site.Snapshot(t).Expiry); err != nil {
				t.Fatal(err)
			}
		},
	} {
		appointment := site.hold(t, "de")
		form := contactForm()
		form.Set("consent_service", box(t, site.get(t, appointment), "consent_service"))
		site.follow(t, appointment+"/contact", form)
		if told := site.proofs(t); told != "Service form de 32" {
			t.Fatalf("stored is: %s", told)
		}
		end(appointment)
		if told := site.proofs(t); told != "" {
			t.Errorf("left of a booking that never was: %s", told)
		}
	}
}

func TestWithdrawingTheConsentABookingRestsOnErasesItAndKeepsTheProofWithoutAName(t *testing.T) { // Art. 7(3), T2
	site := start(t, consenting(t), 50)
	booked := site.agree(t, "de", "consent_service")
	ask := site.get(t, booked+"/consent")
	ask.contains(t, consentText, "ein bevorstehender Termin abgesagt", "ohne Ihren Namen", "365 Tage", "Einwilligung widerrufen")
	for range 2 { // looking, and fetching as a mail scanner does, withdraws nothing
		site.get(t, booked+"/withdraw")
		site.do(t, http.MethodHead, booked+"/consent", nil)
	}
	if told := site.proofs(t); told != "Service form de 32" {
		t.Fatalf("looking changed what is stored: %s", told)
	}
	if got := site.follow(t, booked+"/withdraw", url.Values{"scope": {"Service"}}); got != "/de/withdrawn" {
		t.Errorf("withdrawing leads to %s", got)
	}
	site.get(t, "/de/withdrawn").contains(t, "Ihre Einwilligung ist widerrufen", "Was bis dahin geschah, bleibt rechtmässig")
	if again := site.do(t, http.MethodPost, booked+"/withdraw", url.Values{"scope": {"Service"}}); again.body != site.get(t, "/de/appointments/"+booking.NewNonce()).body {
		t.Error("a withdrawn booking can be told from one that never was")
	}
	if left := site.rows(t); left != "" {
		t.Errorf("left after withdrawing: %s", left)
	}
	if told := site.proofs(t); told != "Service form de 32 withdrawn" {
		t.Errorf("the proof is: %s", told)
	}
	if told := site.trail(t); told != "citizen confirmed, citizen consent withdrawn: Service" {
		t.Errorf("the audit log tells: %s", told)
	}
	site.follow(t, "/de"+slots+"/hold", slotForm(t, site.get(t, "/de"+slots))) // the slot is free again
	super := site.Superuser(t)
	for _, sql := range []string{`UPDATE consent SET withdrawn_at = now() - interval '366 days', given_at = now() - interval '400 days'`, `SELECT purge('Consent', 100, gen_random_uuid())`} {
		if _, err := super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if told := site.proofs(t); told != "" {
		t.Errorf("the proof outlives its period: %s", told)
	}
}

func TestWithdrawingTheConsentToAnAddressDeletesTheAddressAlone(t *testing.T) {
	site := start(t, consenting(t), 50)
	booked := site.agree(t, "en", "consent_service", "consent_postal_address")
	site.get(t, booked+"/correct").contains(t, "Quellenweg 9")
	for range 2 {
		if got := site.follow(t, booked+"/withdraw", url.Values{"scope": {"PostalAddress"}}); got != booked+"/consent" {
			t.Errorf("withdrawing leads to %s", got)
		}
	}
	if told := strings.Join(site.events, " "); told != "held confirmed withdrawn" {
		t.Errorf("pressing twice counts as %s", told)
	}
	site.get(t, booked+"/consent").contains(t, "your postal address is deleted", "Withdrawn:")
	export := site.exported(t, booked)
	if export.Contact.Street != "" || export.Contact.City != "" || export.Contact.FamilyName != "Quittenbaum" || export.Appointment.State != booking.StateConfirmed {
		t.Errorf("left is %+v of %+v", export.Contact, export.Appointment)
	}
	// A correction cannot bring back what nobody agrees to any more.
	form := contactForm()
	for field, value := range map[string]string{"street": "Quellenweg 9", "postal_code": "4001", "city": "Basel"} {
		form.Set(field, value)
	}
	site.follow(t, booked+"/correct", form)
	if export := site.exported(t, booked); export.Contact.Street != "" {
		t.Error("an address without a consent was stored by a correction")
	}
	if told := site.trail(t); told != "citizen confirmed, citizen consent withdrawn: PostalAddress, citizen corrected" {
		t.Errorf("the audit log tells: %s", told)
	}
}

func TestWithdrawingIsNeverRefusedAndAHoldDecidesWhenWhatRestedOnItGoes(t *testing.T) { // Art. 7(3), 18
	site := start(t, consenting(t), 50)
	booked := site.agree(t, "de", "consent_service", "consent_postal_address")
	site.follow(t, booked+"/restrict", url.Values{})
	site.get(t, booked+"/consent").contains(t, "besteht eine Sperre")
	for _, scope := range []string{"PostalAddress", "Service"} {
		if got := site.follow(t, booked+"/withdraw", url.Values{"scope": {scope}}); got != booked+"/consent" {
			t.Errorf("withdrawing %s leads to %s", scope, got)
		}
	}
	site.get(t, booked+"/consent").contains(t, "besteht eine Sperre", "Widerrufen:")
	export := site.exported(t, booked)
	if export.Appointment.State != booking.StateCancelled || export.Contact == nil || export.Contact.Street == "" {
		t.Errorf("under a hold the appointment is %s, the contact %+v", export.Appointment.State, export.Contact)
	}
	if told := site.proofs(t); told != "Service form de 32 withdrawn, PostalAddress form de 32 withdrawn" {
		t.Errorf("stored is: %s", told)
	}
}

func TestAFaultAfterAWithdrawalTellsNobodyThatTheirAppointmentIsCancelled(t *testing.T) {
	site := start(t, consenting(t), 50)
	booked := site.agree(t, "de", "consent_service", "consent_postal_address")
	// From the withdrawal on, nothing behind the link can be read.
	_, err := site.Superuser(t).Exec(t.Context(), `CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS
		$$BEGIN REVOKE SELECT ON consent FROM `+site.Roles().AppA+`; RETURN NULL; END$$;
		CREATE TRIGGER hide AFTER UPDATE ON consent EXECUTE FUNCTION hide()`)
	if err != nil {
		t.Fatal(err)
	}
	if got := site.follow(t, booked+"/withdraw", url.Values{"scope": {"PostalAddress"}}); got != booked+"/consent" {
		t.Errorf("withdrawing leads to %s", got)
	}
	if got := site.get(t, booked+"/consent"); got.status != http.StatusServiceUnavailable {
		t.Errorf("status %d where nothing can be read", got.status)
	}
	if told := site.proofs(t); told != "Service form de 32, PostalAddress form de 32 withdrawn" {
		t.Errorf("stored is: %s", told)
	}
}

func TestTheProofOfAConsentEndsWithWhatRestedOnIt(t *testing.T) { // start event Withdrawal
	site := start(t, consenting(t), 50)
	erased, ended := site.agree(t, "de", "consent_service"), site.agree(t, "de", "consent_service")
	site.get(t, erased+"/erase").contains(t, "bleibt ohne Ihren Namen als Nachweis 365 Tage gespeichert")
	site.follow(t, erased+"/erase", url.Values{})
	if told := site.proofs(t); told != "Service form de 32 ended, Service form de 32" {
		t.Errorf("after an erasure: %s", told)
	}
	super := site.Superuser(t)
	for _, sql := range []string{`UPDATE appointment SET starts_at = now() - interval '60 days', ends_at = now() - interval '59 days'`,
		`SELECT purge('Contact', 100, gen_random_uuid()), purge('Appointment', 100, gen_random_uuid())`} {
		if _, err := super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if told := site.proofs(t); told != "Service form de 32 ended, Service form de 32 ended" {
		t.Errorf("after the purge of %s: %s", ended[:4], told)
	}
}

func TestAPortalAsksForConsentAndWithdrawsItThroughTheAPI(t *testing.T) {
	site := start(t, consenting(t), 50)
	var catalogue struct {
		Services []struct {
			Consents []struct{ Scope, Text, TextSHA256 string }
		}
	}
	site.call(t, http.MethodGet, "/api/v1/services?lang=en", "", "").into(t, http.StatusOK, &catalogue)
	asked := catalogue.Services[0].Consents
	if len(asked) != 2 || asked[0].Text != "I consent to issuing." || len(catalogue.Services[1].Consents) != 0 {
		t.Fatalf("the catalogue asks for %+v", catalogue.Services)
	}
	token := site.holdByAPI(t, site.starts(t)[0])
	site.call(t, http.MethodPut, apiMine+"/contact?lang=en", token, contact).into(t, http.StatusUnprocessableEntity, nil)
	with := strings.Replace(contact, "{", `{"consents": {"Service": "`+asked[0].TextSHA256+`"}, `, 1)
	site.call(t, http.MethodPut, apiMine+"/contact?lang=de", token, with).contains(t, "consents.Service") // the text of another language
	site.call(t, http.MethodPut, apiMine+"/contact?lang=en", token, with).into(t, http.StatusNoContent, nil)
	site.call(t, http.MethodPost, apiMine+"/confirm", token, "").into(t, http.StatusNoContent, nil)
	var export booking.Export
	site.call(t, http.MethodGet, apiMine, token, "").into(t, http.StatusOK, &export)
	if len(export.Consents) != 1 || export.Consents[0].Text != asked[0].Text {
		t.Errorf("stored is %+v", export.Consents)
	}
	site.call(t, http.MethodPost, apiMine+"/withdraw", token, `{"scope": "Everything"}`).into(t, http.StatusBadRequest, nil)
	site.call(t, http.MethodPost, apiMine+"/withdraw", token, `{"scope": "Service"}`).into(t, http.StatusNoContent, nil)
	site.call(t, http.MethodPost, apiMine+"/withdraw", token, `{"scope": "Service"}`).into(t, http.StatusNotFound, nil)
	if left := site.rows(t); left != "" {
		t.Errorf("left after withdrawing: %s", left)
	}
}

func TestConsentIsAskedForAndWithdrawnInEveryLanguage(t *testing.T) {
	site := start(t, consenting(t), 50)
	booked := site.agree(t, "de", "consent_service", "consent_postal_address")
	seen := map[string]bool{}
	for _, language := range []string{"de", "en", "fr", "it", "uk"} {
		page := site.get(t, strings.Replace(booked, "/de/", "/"+language+"/", 1)+"/consent")
		held := site.get(t, site.hold(t, language))
		for _, said := range []string{find(t, page.body, "<button class=\"danger\">([^<]+)</button>"), find(t, held.body, `id="consent_service-hint">([^<]+)<`),
			find(t, site.get(t, "/"+language+"/withdrawn").body, "<h1>([^<]+)</h1>")} {
			if seen[said] {
				t.Errorf("%s: %q is another language's", language, said)
			}
			seen[said] = true
		}
	}
}
