// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"net/http"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// givenConsent is a consent in the citizen's words.
type givenConsent struct {
	Scope       v1alpha1.ConsentScope
	Title, Text string
	// Status says when it was given and, if it was, withdrawn.
	Status    string
	Withdrawn bool
}

// said is the consent in a line, for the page of everything that is stored.
func (g givenConsent) said() string {
	if g.Text == "" {
		return g.Status
	}
	return g.Text + " (" + g.Status + ")"
}

// consentBody is what was agreed to, what withdrawing it means, and the way to do so (Art. 7(3) GDPR).
type consentBody struct {
	appointmentBody
	Given []givenConsent
	// Period the proof is kept for; Until is the end of a hold that keeps the data, empty for none.
	Period, Until string
}

func (s *Site) givenConsents(r *request, record *booking.Record) []givenConsent {
	var given []givenConsent
	service := r.snapshot.Catalogue.Service(record.Service)
	for _, consent := range record.Consents {
		entry := givenConsent{Scope: consent.Scope, Title: r.locale.Or("consent.scope."+string(consent.Scope), string(consent.Scope)),
			Status: r.locale.Say("consent.given", "when", s.moment(r, &record.Appointment, consent.Given))}
		if service != nil {
			entry.Text = service.TextOf(consent)
		}
		if consent.Withdrawn != nil {
			entry.Withdrawn = true
			entry.Status += " " + r.locale.Say("consent.withdrawn", "when", s.moment(r, &record.Appointment, *consent.Withdrawn))
		}
		given = append(given, entry)
	}
	return given
}

func (s *Site) consent(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(*booking.Appointment) error {
		record, err := s.Store.Record(r.Context(), r.PathValue("token"), r.snapshot.Expiry)
		if err != nil {
			return err
		}
		body := consentBody{appointmentBody: s.body(r, &record.Appointment), Given: s.givenConsents(r, record),
			Period: r.locale.Period(booking.PeriodOf(r.snapshot.Instance, v1alpha1.CategoryConsent))}
		if record.Held != nil {
			body.Until = s.moment(r, &record.Appointment, *record.Held)
		}
		return s.render(w, r, http.StatusOK, "consent", s.behindLink(r, &record.Appointment, "consent.title", body))
	})
}

// withdraw ends a consent with one press, as it was given. Where the whole booking rested on it, nothing is left behind
// the link, and the page after it says so; that what was kept cannot be read just now says nothing of the kind.
func (s *Site) withdraw(w http.ResponseWriter, r *request) error {
	if err := r.ParseForm(); err != nil {
		return s.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	scope, known := scopeOf(r.PostForm.Get("scope"))
	if !known {
		return s.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	return s.withAppointment(w, r, func(*booking.Appointment) error {
		changed, err := s.Store.Withdraw(r.Context(), r.PathValue("token"), scope)
		if err != nil {
			return err
		}
		if changed {
			s.event("withdrawn")
		}
		next := appointmentAddress(r.locale.Tag, r.PathValue("token")) + "/consent"
		if _, err := s.Store.Find(r.Context(), r.PathValue("token"), r.snapshot.Expiry); errors.Is(err, store.ErrNotFound) {
			next = "/" + r.locale.Tag + "/withdrawn"
		}
		http.Redirect(w, r.Request, next, http.StatusSeeOther)
		return nil
	})
}

func scopeOf(text string) (v1alpha1.ConsentScope, bool) {
	scope := v1alpha1.ConsentScope(text)
	return scope, scope == v1alpha1.ConsentService || scope == v1alpha1.ConsentPostalAddress
}

func (s *Site) withdrawn(w http.ResponseWriter, r *request) error {
	return s.message(w, r, http.StatusOK, "withdrawn.title", "withdrawn.lead")
}

// apiWithdraw does the same for a portal.
func (s *Site) apiWithdraw(r *request) (int, any, error) {
	var wish struct {
		Scope string `json:"scope"`
	}
	if err := read(r, &wish); err != nil {
		return 0, nil, err
	}
	scope, known := scopeOf(wish.Scope)
	if !known {
		return 0, nil, errInvalid
	}
	if _, err := s.behind(r); err != nil {
		return 0, nil, err
	}
	changed, err := s.Store.Withdraw(r.Context(), token(r), scope)
	if changed {
		s.event("withdrawn")
	}
	return http.StatusNoContent, nil, err
}
