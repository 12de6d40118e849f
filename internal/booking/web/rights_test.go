// SPDX-License-Identifier: Apache-2.0

package web_test

import (
	"encoding/json"
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

// audited is a tenant that keeps an audit log and speaks every language.
func audited(t *testing.T) *fixture.Tenant {
	t.Helper()
	tenant := fixture.New(t, func(document *settings.Instance) {
		document.Locales = []v1alpha1.Locale{"de", "en", "fr", "it", "uk"}
		document.Notice.Rules = append(document.Notice.Rules,
			settings.Rule{Category: v1alpha1.CategoryAuditLog, StartEvent: v1alpha1.StartCreation, Period: "365d", Action: v1alpha1.ActionDelete})
	})
	tenant.Store.Keeps = func(category v1alpha1.Category) bool { return tenant.Document.Rule(category) != nil }
	return tenant
}

// trail gives what the audit log tells, the oldest first.
func (s *site) trail(t *testing.T) string {
	t.Helper()
	var told string
	if err := s.Superuser(t).QueryRow(t.Context(), `SELECT coalesce(string_agg(actor || ' ' || action, ', ' ORDER BY id), '') FROM audit_log`).Scan(&told); err != nil {
		t.Fatal(err)
	}
	return told
}

func (s *site) exported(t *testing.T, appointment string) booking.Export {
	t.Helper()
	var export booking.Export
	if err := json.Unmarshal([]byte(s.get(t, appointment+"/data.json").body), &export); err != nil {
		t.Fatal(err)
	}
	return export
}

func TestACitizenRestrictsTheUseOfTheirDataAndLiftsItAgain(t *testing.T) { // Art. 18, A16
	site := start(t, audited(t), 50)
	booked := site.book(t, "de")
	site.get(t, booked+"/data").contains(t, booked+"/rights")
	site.get(t, booked+"/rights").contains(t, "längstens ein Jahr", "Der Termin bleibt bestehen", "Nutzung einschränken")
	if now := site.exported(t, booked); now.Appointment.RestrictedUntil != nil {
		t.Error("looking at the page restricts")
	}
	for range 2 {
		if got := site.follow(t, booked+"/restrict", url.Values{}); got != booked+"/rights" {
			t.Error("restricting leads to another page")
		}
	}
	site.get(t, booked+"/rights").contains(t, "ist eingeschränkt bis", "Einschränkung aufheben")
	site.get(t, booked+"/data").contains(t, "Nutzung eingeschränkt bis")
	until := site.exported(t, booked).Appointment.RestrictedUntil
	if until == nil || time.Until(*until) < 364*24*time.Hour || time.Until(*until) > 366*24*time.Hour {
		t.Errorf("restricted until %v", until)
	}
	page := site.do(t, http.MethodPost, booked+"/erase", url.Values{})
	page.contains(t, "Sie selbst haben die Nutzung eingeschränkt", booked+"/rights")
	if page.status != http.StatusConflict || !strings.Contains(site.rows(t), "Quittenbaum") {
		t.Errorf("erasing what is restricted: status %d", page.status)
	}
	for range 2 {
		site.follow(t, booked+"/lift", url.Values{})
	}
	site.follow(t, booked+"/erase", url.Values{})
	if left := site.rows(t); left != "" {
		t.Errorf("left after lifting and erasing: %s", left)
	}
	if told := site.trail(t); told != "citizen confirmed, citizen restricted, citizen erasure refused: on hold, citizen restriction lifted, citizen erased" {
		t.Errorf("the audit log tells: %s", told)
	}
}

func TestARestrictionOutlastsThePeriodAndLiftsNoOtherHold(t *testing.T) { // Art. 18, invariant 6
	site := start(t, audited(t), 50)
	booked := site.book(t, "de")
	site.follow(t, booked+"/restrict", url.Values{})
	super := site.Superuser(t)
	for _, sql := range []string{
		`UPDATE appointment SET starts_at = now() - interval '60 days', ends_at = now() - interval '59 days'`,
		`SELECT purge('Contact', 100, gen_random_uuid()), purge('Appointment', 100, gen_random_uuid())`,
		`INSERT INTO retention_hold (category, record, kind, reference, until) SELECT 'Contact', id::text, 'AbuseCase', 'case-4711', now() + interval '10 days' FROM appointment`,
	} {
		if _, err := super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(site.rows(t), "Quittenbaum") {
		t.Fatal("the purge took what is restricted")
	}
	site.follow(t, booked+"/lift", url.Values{})
	page := site.do(t, http.MethodPost, booked+"/erase", url.Values{})
	if page.status != http.StatusConflict || strings.Contains(page.body, "Sie selbst") || !strings.Contains(site.rows(t), "Quittenbaum") {
		t.Errorf("a citizen lifted the hold of a case: status %d", page.status)
	}
	if _, err := super.Exec(t.Context(), `UPDATE retention_hold SET until = now()`); err != nil {
		t.Fatal(err)
	}
	if _, err := super.Exec(t.Context(), `SELECT purge('Contact', 100, gen_random_uuid()), purge('Appointment', 100, gen_random_uuid())`); err != nil {
		t.Fatal(err)
	}
	if left := site.rows(t); left != "" {
		t.Errorf("left after lifting, past the period: %s", left)
	}
}

func TestACitizenObjectsOnceAndTheAppointmentStands(t *testing.T) { // Art. 21, A16
	site := start(t, audited(t), 50)
	booked := site.book(t, "en")
	site.get(t, booked+"/rights").contains(t, "answers within one month", "Until then the appointment stands")
	for range 2 {
		site.follow(t, booked+"/object", url.Values{})
	}
	site.get(t, booked+"/rights").contains(t, "You have objected")
	site.get(t, booked+"/data").contains(t, "Objected")
	if export := site.exported(t, booked); export.Appointment.ObjectedAt == nil || export.Appointment.State != booking.StateConfirmed {
		t.Errorf("the export says objected %v, state %s", export.Appointment.ObjectedAt, export.Appointment.State)
	}
	if told := site.trail(t); told != "citizen confirmed, citizen objected" {
		t.Errorf("the audit log tells: %s", told)
	}
	site.follow(t, booked+"/cancel", url.Values{})
	site.follow(t, booked+"/erase", url.Values{})
	if left := site.rows(t); left != "" {
		t.Errorf("left after an objection and an erasure: %s", left)
	}
}

func TestRightsAreSaidInEveryLanguageAndOnlyWhereSomethingIsBooked(t *testing.T) {
	site := start(t, audited(t), 50)
	booked := site.book(t, "de")
	seen := map[string]bool{}
	for _, language := range []string{"de", "en", "fr", "it", "uk"} {
		title := find(t, site.get(t, strings.Replace(booked, "/de/", "/"+language+"/", 1)+"/rights").body, "<h1>([^<]+)</h1>")
		if seen[title] {
			t.Errorf("%s: the title %q is another language's", language, title)
		}
		seen[title] = true
	}
	held := site.hold(t, "de")
	unknown := site.get(t, "/de/appointments/"+booking.NewNonce())
	for _, what := range []string{"/restrict", "/lift", "/object"} {
		if got := site.follow(t, held+what, url.Values{}); got != held {
			t.Errorf("%s on a hold leads elsewhere", what)
		}
		if got := site.do(t, http.MethodPost, "/de/appointments/"+booking.NewNonce()+what, url.Values{}); got.body != unknown.body {
			t.Errorf("%s tells a guessed link from a known one", what)
		}
		if got := site.get(t, booked+what); got.status < 400 {
			t.Errorf("GET %s: status %d", what, got.status)
		}
	}
	if told := site.trail(t); told != "citizen confirmed" {
		t.Errorf("the audit log tells: %s", told)
	}
}
