// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/settings"
)

// reminding is a tenant whose services offer a reminder by mail, the second without asking for an address.
func reminding(t *testing.T) *fixture.Tenant {
	t.Helper()
	return fixture.New(t, func(document *settings.Instance) {
		document.Mail = &settings.Mail{Host: "relay.example.org", Port: 587, From: "termine@example.org"}
		for n := range document.Catalogue.Services {
			document.Catalogue.Services[n].ReminderBefore = "24h"
		}
	})
}

func TestAReminderIsOfferedUntickedAndOnlyWhereThereIsARelayToSendIt(t *testing.T) {
	tenant := reminding(t)
	site := start(t, tenant, 50)
	held := site.hold(t, "de")
	page := site.get(t, held)
	page.contains(t, "Erinnern Sie mich per E-Mail: 1 Tag vorher", "Freiwillig")
	if strings.Contains(page.body, "checked") {
		t.Error("it is ticked before the citizen has ticked it")
	}
	tenant.Document.Mail = nil
	if page := site.get(t, held); strings.Contains(page.body, "reminder") {
		t.Error("a reminder nobody could send is offered")
	}
	if services := site.call(t, http.MethodGet, "/api/v1/services", "", ""); strings.Contains(services.body, "reminderBefore") {
		t.Error("the API offers it")
	}
	form := contactForm()
	form.Set("reminder", "yes")
	site.follow(t, held+"/contact", form)
	if wanted := site.exported(t, held).Appointment.ReminderBefore; wanted != "" {
		t.Errorf("a reminder nobody offered is stored: %s", wanted)
	}
}

func TestWhoWantsAReminderSeesItAmongWhatIsStoredAndTakesItBack(t *testing.T) {
	site := start(t, reminding(t), 50)
	booked := site.hold(t, "de")
	form := contactForm()
	form.Set("reminder", "yes")
	site.follow(t, booked+"/contact", form)
	site.follow(t, booked+"/confirm", url.Values{})
	if export := site.exported(t, booked); export.Appointment.ReminderBefore != "1d" {
		t.Errorf("the file says %q", export.Appointment.ReminderBefore)
	}
	site.get(t, booked+"/data").contains(t, "Erinnerung per E-Mail gewünscht, vorher", "1 Tag")
	site.get(t, booked+"/correct").contains(t, `name="reminder" value="yes" aria-describedby="reminder-hint" checked`)
	site.follow(t, booked+"/correct", contactForm())
	if export := site.exported(t, booked); export.Appointment.ReminderBefore != "" {
		t.Errorf("it was not taken back: %q", export.Appointment.ReminderBefore)
	}
}

func TestAReminderNeedsAMailAddress(t *testing.T) { // A5
	site := start(t, reminding(t), 50)
	path := "/de/services/beratung/offices/gundeli"
	held := site.follow(t, path+"/hold", slotForm(t, site.get(t, path+"?channel=Video")))
	form := contactForm()
	form.Set("email", "")
	form.Set("reminder", "yes")
	got := site.do(t, http.MethodPost, held+"/contact", form)
	got.contains(t, "Für eine Erinnerung brauchen wir eine E-Mail-Adresse")
	if got.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", got.status)
	}
}

func TestAPortalAsksForAReminderThroughTheAPI(t *testing.T) {
	site := start(t, reminding(t), 50)
	site.call(t, http.MethodGet, "/api/v1/services", "", "").contains(t, `"reminderBefore":"24h"`)
	token := site.holdByAPI(t, site.starts(t)[0])
	site.call(t, http.MethodPut, apiMine+"/contact", token, strings.Replace(contact, "{", `{"reminder": true, `, 1)).into(t, http.StatusNoContent, nil)
	var export booking.Export
	site.call(t, http.MethodGet, apiMine, token, "").into(t, http.StatusOK, &export)
	if export.Appointment.ReminderBefore != v1alpha1.Period("1d") {
		t.Errorf("stored is %q", export.Appointment.ReminderBefore)
	}
}
