// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"net/http"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// rightsBody is what a citizen can ask for beyond seeing, correcting and erasing, and what it means for the appointment.
type rightsBody struct {
	appointmentBody
	// Restricted is until when, Objected since when; empty where neither was asked for.
	Restricted, Objected string
	// Phone tells that nobody can be called while the number is hidden.
	Phone bool
}

// settled tells whether there is a booking to restrict or object to: what is not confirmed goes within the hour.
func settled(found *booking.Appointment) bool {
	return found.State == booking.StateConfirmed || found.State == booking.StateCancelled
}

func (s *Site) rights(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		if !settled(found) {
			return s.back(w, r)
		}
		record, err := s.Store.Record(r.Context(), r.PathValue("token"), r.snapshot.Expiry)
		if err != nil {
			return err
		}
		body := rightsBody{appointmentBody: s.body(r, found)}
		body.Phone = body.Asked.Phone && !body.Past
		if record.Restricted != nil {
			body.Restricted = s.moment(r, found, *record.Restricted)
		}
		if record.Objected != nil {
			body.Objected = s.moment(r, found, *record.Objected)
		}
		return s.render(w, r, http.StatusOK, "rights", s.behindLink(r, found, "rights.title", body))
	})
}

// asks does what a citizen asked for behind the link and leads back to the page that tells how it stands.
func (s *Site) asks(w http.ResponseWriter, r *request, event string, do func(token string) error) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		if !settled(found) {
			return s.back(w, r)
		}
		err := do(r.PathValue("token"))
		if errors.Is(err, store.ErrRefused) {
			return s.message(w, r, http.StatusServiceUnavailable, "rights.full_title", "rights.full_lead")
		}
		if err != nil {
			return err
		}
		s.event(event)
		http.Redirect(w, r.Request, appointmentAddress(r.locale.Tag, r.PathValue("token"))+"/rights", http.StatusSeeOther)
		return nil
	})
}

// restrict keeps the data as it is and the name from the staff (Art. 18 GDPR).
func (s *Site) restrict(w http.ResponseWriter, r *request) error {
	return s.asks(w, r, "restricted", func(token string) error { return s.Store.Restrict(r.Context(), token) })
}

func (s *Site) lift(w http.ResponseWriter, r *request) error {
	return s.asks(w, r, "lifted", func(token string) error { return s.Store.Lift(r.Context(), token) })
}

// object notes an objection (Art. 21 GDPR).
func (s *Site) object(w http.ResponseWriter, r *request) error {
	return s.asks(w, r, "objected", func(token string) error { return s.Store.Object(r.Context(), token) })
}
