// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// apiHold holds a slot. Whoever repeats a request sends the same Idempotency-Key and gets the same token; the token is
// made from it, so it must be 32 random bytes.
func (s *Site) apiHold(r *request) (int, any, error) {
	if !s.Limit.Allow(ClientAddress(r.Request)) {
		return 0, nil, errBusy
	}
	var wish apiWish
	if err := read(r, &wish); err != nil {
		return 0, nil, err
	}
	wanted, ok := chosen(r, wish.Channel)
	if !ok {
		return 0, nil, errMissing
	}
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		key = booking.NewNonce()
	}
	form, ok := booking.ParseHold(wish.form(key), wanted.Service)
	if !ok {
		return 0, nil, errInvalid
	}
	slot, offered := wanted.Office.Slot(wanted.Service, form.Start, s.Clock())
	if !offered {
		return 0, nil, errTaken
	}
	work, verdict, err := s.work(r, wish.Proof)
	if err != nil {
		return 0, nil, err
	}
	if verdict != booking.ProofGood || work != nil && !strings.Contains(wish.Proof, ".") {
		return 0, nil, errWork // a ticket is for pages
	}
	secret := booking.Token(form.Nonce, string(wanted.Office.Name), string(wanted.Service.Name), slot.Start)
	err = s.Store.Hold(r.Context(), store.Hold{
		Office: string(wanted.Office.Name), Service: string(wanted.Service.Name), Channel: wanted.Channel,
		Counters: slot.Public, Slot: slot, Locale: r.locale.Tag, Token: secret, Work: work,
	}, r.snapshot.Expiry)
	if err != nil {
		return 0, nil, err
	}
	found, err := s.Store.Find(r.Context(), secret, r.snapshot.Expiry)
	if err != nil {
		return 0, nil, err
	}
	s.event("held")
	return http.StatusCreated, map[string]any{"token": secret, "expiresAt": found.Deadline.UTC(),
		"link": r.snapshot.URL + appointmentAddress(r.locale.Tag, secret)}, nil
}

func (s *Site) apiAppointment(r *request) (int, any, error) {
	record, err := s.Store.Record(r.Context(), token(r), r.snapshot.Expiry)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, booking.NewExport(record, r.snapshot, r.locale.Tag, s.Clock()), nil
}

type apiContact struct {
	GivenName  string `json:"givenName"`
	FamilyName string `json:"familyName"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	Street     string `json:"street,omitempty"`
	PostalCode string `json:"postalCode,omitempty"`
	City       string `json:"city,omitempty"`
	// Reminder asks for a mail before the appointment, where the service offers one.
	Reminder bool `json:"reminder,omitempty"`
	// NoticeDate is the version of the notice the citizen has acknowledged; needed until the appointment is confirmed.
	NoticeDate string `json:"noticeDate,omitempty"`
	// Consents the citizen gave by ticking a box of their own, by scope: the textSHA256 of the text they were shown.
	Consents map[v1alpha1.ConsentScope]string `json:"consents,omitempty"`
}

func (c apiContact) form() url.Values {
	form := url.Values{string(booking.FieldGivenName): {c.GivenName}, string(booking.FieldFamilyName): {c.FamilyName},
		string(booking.FieldEmail): {c.Email}, string(booking.FieldPhone): {c.Phone},
		string(booking.FieldStreet): {c.Street}, string(booking.FieldPostalCode): {c.PostalCode}, string(booking.FieldCity): {c.City}, string(booking.FieldNoticeDate): {c.NoticeDate}}
	if c.NoticeDate != "" {
		form.Set(string(booking.FieldNotice), "yes")
	}
	if c.Reminder {
		form.Set(string(booking.FieldReminder), "yes")
	}
	for scope, hash := range c.Consents {
		form.Set(string(booking.AskedConsent{Scope: scope}.Field()), hash)
	}
	return form
}

// jsonFields are the names of form fields in JSON.
var jsonFields = map[booking.Field]string{booking.FieldGivenName: "givenName", booking.FieldFamilyName: "familyName", booking.FieldEmail: "email",
	booking.FieldPhone: "phone", booking.FieldStreet: "street", booking.FieldPostalCode: "postalCode", booking.FieldCity: "city", booking.FieldNotice: "noticeDate",
	booking.FieldConsentService: "consents.Service", booking.FieldConsentPostalAddress: "consents.PostalAddress"}

func (s *Site) apiFaults(r *request, faults booking.Faults) error {
	told := errForm
	told.Faults = map[string]string{}
	for _, fault := range s.faults(r, faults) {
		told.Faults[jsonFields[fault.Field]] = fault.Text
	}
	return told
}

// apiContact gives the contact of a hold or an unconfirmed booking, and corrects that of a confirmed one.
func (s *Site) apiContact(r *request) (int, any, error) {
	var given apiContact
	if err := read(r, &given); err != nil {
		return 0, nil, err
	}
	found, err := s.behind(r)
	if err != nil {
		return 0, nil, err
	}
	asked, consents := r.asks(found)
	if found.State == booking.StateHeld || found.State == booking.StatePending {
		contact, faults := booking.ParseContact(given.form(), asked, r.snapshot.Notice.Date)
		agreed := booking.ParseConsents(given.form(), consents, contact, faults)
		if len(faults) > 0 {
			return 0, nil, s.apiFaults(r, faults)
		}
		if !s.mayMail(found, contact) {
			return 0, nil, errBusy
		}
		return http.StatusNoContent, nil, s.Store.SaveContact(r.Context(), token(r), contact, r.snapshot.Notice.Date, r.snapshot.Expiry, agreed...)
	}
	if !correctable(found) {
		return 0, nil, errState
	}
	contact, faults := booking.ParseCorrection(given.form(), asked.Correcting(found.Contact))
	if len(faults) > 0 {
		return 0, nil, s.apiFaults(r, faults)
	}
	if !s.mayMail(found, contact) {
		return 0, nil, errBusy
	}
	err = s.Store.Correct(r.Context(), token(r), contact, r.snapshot.Mail != nil)
	if err == nil {
		s.event("corrected")
	}
	return http.StatusNoContent, nil, err
}

func (s *Site) apiConfirm(r *request) (int, any, error) {
	found, err := s.behind(r)
	if err != nil {
		return 0, nil, err
	}
	if found.State == booking.StateHeld || found.State == booking.StateCancelled {
		return 0, nil, errState
	}
	changed, err := s.Store.Confirm(r.Context(), token(r), r.snapshot.Mail != nil, r.snapshot.Expiry)
	if changed {
		s.event("confirmed")
	}
	return http.StatusNoContent, nil, err
}

func (s *Site) apiMove(r *request) (int, any, error) {
	if !s.Limit.Allow(ClientAddress(r.Request)) {
		return 0, nil, errBusy
	}
	var wish apiWish
	if err := read(r, &wish); err != nil {
		return 0, nil, err
	}
	start, ok := booking.ParseStart(wish.form(""))
	if !ok || wish.Channel != "" || wish.Proof != "" {
		return 0, nil, errInvalid
	}
	found, err := s.behind(r)
	if err != nil {
		return 0, nil, err
	}
	wanted, ok := s.movable(r, found)
	if !ok {
		return 0, nil, errState
	}
	if start.Equal(found.Start) {
		return http.StatusNoContent, nil, nil
	}
	slot, offered := wanted.Office.Slot(wanted.Service, start, s.Clock())
	if !offered {
		return 0, nil, errTaken
	}
	changed, err := s.Store.Move(r.Context(), token(r), found.Office, slot.Public, slot, r.snapshot.Mail != nil, r.snapshot.Expiry)
	if changed {
		s.event("moved")
	}
	return http.StatusNoContent, nil, err
}

func (s *Site) apiCancel(r *request) (int, any, error) {
	found, err := s.behind(r)
	if err != nil {
		return 0, nil, err
	}
	if found.State == booking.StateConfirmed && !found.Start.After(s.Clock()) {
		return 0, nil, errState
	}
	changed, err := s.Store.Cancel(r.Context(), token(r), r.snapshot.Mail != nil)
	if changed && found.State == booking.StateConfirmed {
		s.event("cancelled")
	}
	return http.StatusNoContent, nil, err
}

func (s *Site) apiErase(r *request) (int, any, error) {
	if _, err := s.behind(r); err != nil {
		return 0, nil, err
	}
	err := s.Store.Erase(r.Context(), token(r))
	if err == nil {
		s.event("erased")
	}
	return http.StatusNoContent, nil, err
}
