// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
)

func TestTheLinkShowsEverythingThatIsStored(t *testing.T) { // B7, A16
	site := start(t, fixture.New(t), 20)
	booked := site.book(t, "en")
	site.get(t, booked).contains(t, booked+"/data", booked+"/move")
	site.get(t, booked+"/data").contains(t, "What is stored about you", "Zoë", "Quittenbaum", "zoe.q@example.org", "Apply for an identity card",
		"31 May 2026", "confirmed", "Due for deletion", "90 days after they were made", booked+"/data.json", booked+"/erase")
	got := site.get(t, booked+"/data.json")
	var export booking.Export
	if err := json.Unmarshal([]byte(got.body), &export); err != nil {
		t.Fatal(err)
	}
	if export.Contact == nil || export.Contact.FamilyName != "Quittenbaum" || export.Contact.NoticeDate != "2026-05-31" || export.Controller.Name != "Kanton Basel-Stadt" {
		t.Errorf("the export lacks what is stored: %s", got.body)
	}
	if due := export.Contact.DueAt.Sub(export.Appointment.EndsAt).Hours(); due != 30*24 {
		t.Errorf("the contact is said to be due %v hours after the end", due)
	}
	if !strings.Contains(got.header.Get("Content-Disposition"), "attachment") || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the download has headers %v", got.header)
	}
	if token := strings.TrimPrefix(booked, "/en/appointments/"); strings.Contains(got.body, token) {
		t.Error("the file carries the secret of the link: whoever gets the file could cancel")
	}
}

func TestTheLinkShowsWhatTheStaffNoted(t *testing.T) { // Art. 15, T6
	site := start(t, fixture.New(t), 20)
	booked := site.book(t, "en")
	if _, err := site.Superuser(t).Exec(t.Context(), `UPDATE appointment SET origin = 'phone', called_at = '2026-07-01 08:05Z', missed_at = '2026-07-01 08:35Z'`); err != nil {
		t.Fatal(err)
	}
	page := site.get(t, booked+"/data")
	page.contains(t, "Origin", "phone", "Called", "10:05", "Noted as missed", "10:35")
	if strings.Contains(page.body, "Completed") {
		t.Error("the page tells an end nobody noted")
	}
}

func TestTheExportHoldsEveryPersonalColumn(t *testing.T) { // Art. 15: nothing is left out
	site := start(t, fixture.New(t), 20)
	booked := site.book(t, "de")
	file := site.get(t, booked+"/data.json").body
	var columns map[string]any
	err := site.Superuser(t).QueryRow(t.Context(), `SELECT jsonb_strip_nulls(to_jsonb(c)) FROM contact AS c`).Scan(&columns)
	if err != nil || len(columns) < 5 {
		t.Fatalf("the contact is %v, error %v", columns, err)
	}
	for column, stored := range columns {
		text, isText := stored.(string)
		if isText && column != "created_at" && !strings.Contains(file, text) {
			t.Errorf("column %s is stored and not exported", column)
		}
	}
}

func TestACitizenCorrectsTheirDetails(t *testing.T) { // Art. 16, B7
	site := start(t, fixture.New(t), 20)
	booked := site.book(t, "de")
	site.get(t, booked+"/correct").contains(t, "Angaben berichtigen", `value="Quittenbaum"`)
	form := contactForm()
	form.Set("family_name", "Birnbaum")
	form.Set("email", "nonsense")
	if got := site.do(t, http.MethodPost, booked+"/correct", form); got.status != http.StatusUnprocessableEntity {
		t.Errorf("status %d for a wrong address", got.status)
	}
	form.Set("email", "zoe.b@example.org")
	for range 2 {
		if got := site.follow(t, booked+"/correct", form); got != booked+"/data" {
			t.Errorf("a correction leads to another page")
		}
	}
	page := site.get(t, booked+"/data")
	page.contains(t, "Birnbaum", "zoe.b@example.org")
	if strings.Contains(page.body, "Quittenbaum") {
		t.Error("the old name is still shown")
	}
	if strings.Contains(site.rows(t), "Quittenbaum") || strings.Contains(site.rows(t), "zoe.q") {
		t.Error("the old details are still stored")
	}
}

func TestErasingLeavesNothingAndTheLinkLooksLikeAnyOther(t *testing.T) { // Art. 17
	for _, state := range []string{"held", "confirmed", "cancelled", "past"} {
		t.Run(state, func(t *testing.T) {
			site := start(t, fixture.New(t), 20)
			appointment := site.hold(t, "de")
			if state != "held" {
				site.follow(t, appointment+"/contact", contactForm())
				site.follow(t, appointment+"/confirm", url.Values{})
			}
			switch state {
			case "cancelled":
				site.follow(t, appointment+"/cancel", url.Values{})
			case "past":
				if _, err := site.Superuser(t).Exec(t.Context(), "UPDATE appointment SET starts_at = now() - interval '2 days', ends_at = now() - interval '47 hours'"); err != nil {
					t.Fatal(err)
				}
			}
			site.get(t, appointment+"/erase").contains(t, "Alles löschen?", "90 Tage")
			site.get(t, site.follow(t, appointment+"/erase", url.Values{})).contains(t, "Alles ist gelöscht")
			if left := site.rows(t); left != "" {
				t.Errorf("what is left is %s", left)
			}
			unknown := site.get(t, "/de/appointments/"+booking.NewNonce())
			for _, path := range []string{"", "/data", "/data.json", "/erase", "/calendar.ics"} {
				if got := site.get(t, appointment+path); got.status != http.StatusNotFound || got.body != unknown.body {
					t.Errorf("%s tells that there was something", path)
				}
			}
			if got := site.do(t, http.MethodPost, appointment+"/erase", url.Values{}); got.body != unknown.body {
				t.Error("erasing again tells that there was something")
			}
		})
	}
}

// otherTime gives the form of the first button on a page that is not the time the appointment is at.
func otherTime(t *testing.T, page answer) url.Values {
	t.Helper()
	return url.Values{"start": {find(t, page.body, `name="start" value="([^"]+)"`)}}
}

func TestACitizenMovesAnAppointment(t *testing.T) {
	tenant := fixture.New(t)
	tenant.Document.Catalogue.Offices[0].Counters = 1
	site := start(t, tenant, 20)
	booked := site.book(t, "de")
	first := find(t, site.get(t, booked+"/calendar.ics").body, `DTSTART:(\S+)`)
	page := site.get(t, booked+"/move")
	page.contains(t, "Termin verschieben", "Diese Zeit bleibt Ihnen", "verschieben\"")
	form := otherTime(t, page)
	for range 2 {
		if got := site.follow(t, booked+"/move", form); got != booked {
			t.Error("moving leads to another link")
		}
	}
	calendar := site.get(t, booked+"/calendar.ics")
	calendar.contains(t, "SEQUENCE:1", "METHOD:PUBLISH")
	if strings.Contains(calendar.body, "DTSTART:"+first) {
		t.Error("the calendar entry still has the old time")
	}
	site.follow(t, booked+"/cancel", url.Values{})
	site.get(t, booked+"/calendar.ics").contains(t, "SEQUENCE:2", "METHOD:CANCEL")
	if got := site.follow(t, booked+"/move", form); got != booked {
		t.Error("a cancelled appointment moves")
	}
}

func TestMovingToASlotSomebodyElseTookKeepsTheOldOne(t *testing.T) {
	tenant := fixture.New(t)
	tenant.Document.Catalogue.Offices[0].Counters = 1
	site := start(t, tenant, 20)
	booked := site.book(t, "de")
	form := otherTime(t, site.get(t, booked+"/move"))
	theirs := slotForm(t, site.get(t, "/de"+slots))
	if theirs.Get("start") != form.Get("start") {
		t.Fatal("the pages offer different slots")
	}
	site.follow(t, "/de"+slots+"/hold", theirs)
	before := site.get(t, booked).body
	got := site.do(t, http.MethodPost, booked+"/move", form)
	if got.status != http.StatusConflict {
		t.Errorf("status %d", got.status)
	}
	got.contains(t, "Dieser Termin wurde gerade vergeben", "Diese Zeit bleibt Ihnen")
	if site.get(t, booked).body != before {
		t.Error("the appointment is not where it was")
	}
	for _, wrong := range []string{"", "now", "2001-01-01T00:00:00Z"} {
		if got := site.do(t, http.MethodPost, booked+"/move", url.Values{"start": {wrong}}); got.status < 400 || got.status >= 500 {
			t.Errorf("moving to %q: status %d", wrong, got.status)
		}
	}
}
