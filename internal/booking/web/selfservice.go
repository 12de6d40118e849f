// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
)

// row is one thing that is stored, and what it is called.
type row struct{ Label, Value string }

// storedBody is everything stored about an appointment in the citizen's words (B7, Art. 15 GDPR).
type storedBody struct {
	appointmentBody
	Appointment, Person, Mail []row
	// Given are consents and what became of them.
	Given                    []row
	AccessPeriod, BackupTime string
	// ConsentPeriod is how long the proof of a consent is kept; empty where none was given.
	ConsentPeriod        string
	Correctable, Settled bool
}

func (s *Site) stored(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(*booking.Appointment) error {
		record, err := s.Store.Record(r.Context(), r.PathValue("token"), r.snapshot.Expiry)
		if err != nil {
			return err
		}
		return s.render(w, r, http.StatusOK, "data", s.behindLink(r, &record.Appointment, "data.title", s.storedBody(r, record)))
	})
}

// behindLink is the frame of a page behind the secret link.
func (s *Site) behindLink(r *request, found *booking.Appointment, title string, body any) view {
	return view{title: title, Body: body, Controllers: controllersOf(r.snapshot, r.snapshot.Catalogue.Office(found.Office)),
		path: appointmentAddress("", r.PathValue("token"))[1:]}
}

func (s *Site) storedBody(r *request, record *booking.Record) storedBody {
	body := storedBody{appointmentBody: s.body(r, &record.Appointment), Correctable: correctable(&record.Appointment), Settled: settled(&record.Appointment),
		BackupTime:   r.locale.Period(r.snapshot.Notice.BackupPeriod),
		AccessPeriod: r.locale.Period(booking.PeriodOf(r.snapshot.Instance, v1alpha1.CategoryAccessLog))}
	add := func(rows *[]row, key, value string) {
		if value != "" {
			*rows = append(*rows, row{r.locale.Say(key), value})
		}
	}
	when := func(at time.Time) string { return s.moment(r, &record.Appointment, at) }
	appointment := &body.Appointment
	for _, entry := range []row{{"summary.service", body.Summary.Service}, {"summary.office", body.Summary.Office},
		{"summary.date", body.Summary.Date}, {"summary.time", body.Summary.Time}, {"summary.channel", r.locale.Say("channel." + string(record.Channel))},
		{"data.counter", r.locale.Number(int(record.Counter))}, {"data.state", r.locale.Say("state." + string(record.State))},
		{"data.sequence", r.locale.Number(record.Sequence)}, {"data.language", r.locale.Or("language."+record.Locale, record.Locale)},
		{"data.created", when(record.Created)}} {
		add(appointment, entry.Label, entry.Value)
	}
	add(appointment, "data.origin", r.locale.Say("staff.origin."+string(record.Origin)))
	for _, noted := range []struct {
		key string
		at  *time.Time
	}{{"data.confirmed", record.Confirmed}, {"data.cancelled", record.Cancelled}, {"data.called", record.Called},
		{"data.completed", record.Completed}, {"data.missed", record.Missed}} {
		if noted.at != nil {
			add(appointment, noted.key, when(*noted.at))
		}
	}
	if record.Objected != nil {
		add(appointment, "data.objected", when(*record.Objected))
	}
	if record.Restricted != nil {
		add(appointment, "data.restricted", when(*record.Restricted))
	}
	if record.Appointment.Reminder > 0 {
		add(appointment, "data.reminder", r.locale.Period(v1alpha1.FormatPeriod(record.Appointment.Reminder)))
	}
	add(appointment, "data.number", record.ID)
	add(appointment, "data.due", when(record.Due(r.snapshot.Instance, v1alpha1.CategoryAppointment)))
	if contact := record.Contact; contact != nil {
		for _, entry := range []row{{"form.given_name", contact.GivenName}, {"form.family_name", contact.FamilyName}, {"form.email", contact.Email},
			{"form.phone", contact.Phone}, {"form.street", contact.Street}, {"form.postal_code", contact.PostalCode}, {"form.city", contact.City}, {"data.notice", r.locale.Day(record.NoticeDate)},
			{"data.due", when(record.Due(r.snapshot.Instance, v1alpha1.CategoryContact))}} {
			add(&body.Person, entry.Label, entry.Value)
		}
	}
	for _, consent := range s.givenConsents(r, record) {
		body.Given = append(body.Given, row{consent.Title, consent.said()})
	}
	for _, mail := range record.Mails {
		add(&body.Mail, "data.mail."+mail.Kind, when(mail.Created))
	}
	return body
}

// moment writes a time in the office's zone; nothing for no time.
func (s *Site) moment(r *request, found *booking.Appointment, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	at = at.In(r.snapshot.Catalogue.Zone(found.Office))
	return r.locale.Date(at) + ", " + r.locale.Clock(at, booking.Repeated(at))
}

// download gives the same for machines (Art. 20 GDPR, A16).
func (s *Site) download(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(*booking.Appointment) error {
		record, err := s.Store.Record(r.Context(), r.PathValue("token"), r.snapshot.Expiry)
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Disposition", `attachment; filename="termin.json"`)
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(booking.NewExport(record, r.snapshot, r.locale.Tag, s.Clock()))
		return nil
	})
}

// correctable tells whether there is a contact to correct here; before confirmation the booking's own form does.
func correctable(found *booking.Appointment) bool {
	return found.Contact != nil && (found.State == booking.StateConfirmed || found.State == booking.StateCancelled)
}

func (s *Site) askCorrect(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		if !correctable(found) {
			return s.back(w, r)
		}
		return s.correctForm(w, r, found, *found.Contact, nil)
	})
}

func (s *Site) correctForm(w http.ResponseWriter, r *request, found *booking.Appointment, contact booking.Contact, faults booking.Faults) error {
	body := s.body(r, found)
	body.Contact, body.Faults, body.Asked = contact, s.faults(r, faults), body.Asked.Correcting(found.Contact)
	return s.render(w, r, statusOf(faults), "correct", s.behindLink(r, found, "correct.title", body))
}

func (s *Site) correct(w http.ResponseWriter, r *request) error {
	if err := r.ParseForm(); err != nil {
		return s.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		if !correctable(found) {
			return s.back(w, r)
		}
		asked, _ := r.asks(found)
		contact, faults := booking.ParseCorrection(r.PostForm, asked.Correcting(found.Contact))
		if len(faults) > 0 {
			return s.correctForm(w, r, found, contact, faults)
		}
		if !s.mayMail(found, contact) {
			return s.tooMuchMail(w, r)
		}
		if err := s.Store.Correct(r.Context(), r.PathValue("token"), contact, r.snapshot.Mail != nil); err != nil {
			return err
		}
		s.event("corrected")
		http.Redirect(w, r.Request, appointmentAddress(r.locale.Tag, r.PathValue("token"))+"/data", http.StatusSeeOther)
		return nil
	})
}

func (s *Site) askErase(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		body := storedBody{appointmentBody: s.body(r, found), BackupTime: r.locale.Period(r.snapshot.Notice.BackupPeriod)}
		if found.Consented {
			body.ConsentPeriod = r.locale.Period(booking.PeriodOf(r.snapshot.Instance, v1alpha1.CategoryConsent))
		}
		return s.render(w, r, http.StatusOK, "erase", s.behindLink(r, found, "erase.title", body))
	})
}

// erase leaves nothing behind the link: from then on it is as unknown as any other.
func (s *Site) erase(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(*booking.Appointment) error {
		if err := s.Store.Erase(r.Context(), r.PathValue("token")); err != nil {
			return err
		}
		s.event("erased")
		http.Redirect(w, r.Request, "/"+r.locale.Tag+"/erased", http.StatusSeeOther)
		return nil
	})
}

func (s *Site) erased(w http.ResponseWriter, r *request) error {
	return s.message(w, r, http.StatusOK, "erased.title", "erased.lead")
}
