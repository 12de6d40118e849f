// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
)

// key is a message that was asked for and not found, as it would show on a page.
var key = regexp.MustCompile(`>\s*[a-z_]+(\.[A-Za-z_]+)+\s*<`)

func TestEveryPageSpeaksEveryLanguage(t *testing.T) { // A1
	tenant := fixture.New(t)
	tenant.Document.Locales = []v1alpha1.Locale{"de", "en", "fr", "it", "uk"}
	tenant.Document.Notice.Regime = "GDPR"
	site := start(t, tenant, 100)
	for language, want := range map[string]struct{ booked, data, moved, cancelled, erased string }{
		"fr": {"Votre rendez-vous est réservé", "Coordonnées", "Déplacer le rendez-vous", "Votre rendez-vous est annulé", "Tout est effacé"},
		"it": {"Il Suo appuntamento è prenotato", "Dati di contatto", "Spostare l’appuntamento", "Il Suo appuntamento è disdetto", "Tutto è cancellato"},
		"uk": {"Вашу зустріч заброньовано", "Контактні дані", "Перенести зустріч", "Вашу зустріч скасовано", "Усе видалено"},
		"de": {"Ihr Termin ist gebucht", "Kontaktdaten", "Termin verschieben", "Ihr Termin ist abgesagt", "Alles ist gelöscht"},
		"en": {"Your appointment is booked", "Contact details", "Move appointment", "Your appointment is cancelled", "Everything is erased"},
	} {
		t.Run(language, func(t *testing.T) {
			shown := func(path string, texts ...string) {
				t.Helper()
				got := site.get(t, path)
				got.contains(t, append(texts, `<html lang="`+language+`">`)...)
				if hole := key.FindString(got.body); hole != "" {
					t.Errorf("%s shows the key %s", path, hole)
				}
			}
			shown("/" + language + "/")
			shown("/" + language + "/services/ausweis")
			shown("/" + language + slots)
			shown("/"+language+"/privacy", "Rheinhost AG")
			appointment := site.hold(t, language)
			shown(appointment, `name="given_name"`)
			site.follow(t, appointment+"/contact", contactForm())
			shown(appointment)
			site.follow(t, appointment+"/confirm", url.Values{})
			shown(appointment, want.booked)
			shown(appointment+"/data", want.data, "Quittenbaum")
			shown(appointment + "/correct")
			shown(appointment+"/move", want.moved)
			site.follow(t, appointment+"/move", otherTime(t, site.get(t, appointment+"/move")))
			shown(appointment + "/cancel")
			site.follow(t, appointment+"/cancel", url.Values{})
			shown(appointment, want.cancelled)
			shown(appointment + "/erase")
			shown(site.follow(t, appointment+"/erase", url.Values{}), want.erased)
		})
	}
	if got := site.do(t, "GET", "/", nil, "Accept-Language", "fr-CH, fr;q=0.9, de;q=0.5").header.Get("Location"); got != "/fr/" {
		t.Errorf("a citizen who reads French is led to %s", got)
	}
	if strings.Contains(site.get(t, "/fr/privacy").body, "DSGVO") {
		t.Error("the French notice names the law in German")
	}
}
