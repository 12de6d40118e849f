// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/invite"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// summary is an appointment in the citizen's words.
type summary struct {
	Service, Office, Date, Time string
	Channel                     v1alpha1.Channel
	Address                     *v1alpha1.PostalAddress
	Name                        string
}

type fault struct {
	Field booking.Field
	Text  string
}

// appointmentBody is what the pages behind a secret link see.
type appointmentBody struct {
	Summary summary
	Address string
	Link    string
	// Code is what the citizen shows at the office.
	Code     string
	Slots    string
	Deadline string
	Past     bool
	Mailed   bool
	Contact  booking.Contact
	Asked    booking.Asked
	// Consents the form asks for, each apart from the notice; Consented that one was given and is in force.
	Consents  []booking.AskedConsent
	Consented bool
	Faults    []fault
	// NoticeDate is the version that is acknowledged; NoticeDay is the same in words.
	NoticeDate, NoticeDay string
	Controller            string
	ContactPeriod         string
	// ReminderPeriod is how long before the appointment a reminder is offered; empty for none.
	ReminderPeriod string
}

// Fault gives the message of a field, or "".
func (b appointmentBody) Fault(field string) string {
	for _, fault := range b.Faults {
		if string(fault.Field) == field {
			return fault.Text
		}
	}
	return ""
}

// StreetHint says why an address is asked for.
func (b appointmentBody) StreetHint() string {
	if b.Asked.AddressOptional {
		return "form.street_consent"
	}
	return "form.street_hint"
}

func appointmentAddress(language, token string) string {
	return "/" + language + "/appointments/" + url.PathEscape(token)
}

// withAppointment finds what is behind the link, or shows the one page for everything that is not there.
func (s *Site) withAppointment(w http.ResponseWriter, r *request, then func(*booking.Appointment) error) error {
	found, err := s.Store.Find(r.Context(), r.PathValue("token"), r.snapshot.Expiry)
	if err == nil {
		err = then(found)
	}
	if errors.Is(err, store.ErrNotFound) {
		return s.missing(w, r)
	}
	var held *store.HeldError
	if errors.As(err, &held) {
		return s.held(w, r, found, held)
	}
	return err
}

// held tells a citizen that what was asked for cannot be done while a hold lasts, until when, and where to complain
// (Art. 12(4) GDPR): the notice names both the office and the supervisory authority.
func (s *Site) held(w http.ResponseWriter, r *request, found *booking.Appointment, held *store.HeldError) error {
	body := heldBody{Address: appointmentAddress(r.locale.Tag, r.PathValue("token")), Until: s.moment(r, found, held.Until), Own: held.Own}
	return s.render(w, r, http.StatusConflict, "onhold", s.behindLink(r, found, "onhold.title", body))
}

type heldBody struct {
	Address, Until string
	// Own tells that the citizen can lift it.
	Own bool
}

func (s *Site) appointment(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		edit := found.State == booking.StatePending && r.URL.Query().Has("edit")
		switch {
		case found.State == booking.StateHeld || edit:
			contact := booking.Contact{}
			if found.Contact != nil {
				contact = *found.Contact
			}
			return s.contactForm(w, r, found, contact, nil)
		case found.State == booking.StatePending:
			return s.show(w, r, found, http.StatusOK, "pending", 3, s.body(r, found))
		case found.State == booking.StateCancelled:
			return s.show(w, r, found, http.StatusOK, "cancelled", 0, s.body(r, found))
		}
		return s.show(w, r, found, http.StatusOK, "confirmed", 0, s.body(r, found))
	})
}

func (s *Site) show(w http.ResponseWriter, r *request, found *booking.Appointment, status int, name string, step int, body appointmentBody) error {
	title := name + ".title"
	if name == "contact" {
		title = "held.title"
	}
	return s.render(w, r, status, name, view{title: title, Step: step, Body: body,
		Controllers: controllersOf(r.snapshot, r.snapshot.Catalogue.Office(found.Office)),
		path:        appointmentAddress("", r.PathValue("token"))[1:]})
}

func (s *Site) body(r *request, found *booking.Appointment) appointmentBody {
	notice := r.snapshot.Notice
	address := appointmentAddress(r.locale.Tag, r.PathValue("token"))
	body := appointmentBody{Summary: s.summary(r, found), Address: address, Link: r.snapshot.URL + address,
		Code:  booking.Code(booking.TokenHash(r.PathValue("token"))),
		Slots: "/" + r.locale.Tag + "/", Past: !found.Start.After(s.Clock()),
		NoticeDate: notice.Date, NoticeDay: r.locale.Day(notice.Date), Consented: found.Consented,
		ContactPeriod: r.locale.Period(booking.PeriodOf(r.snapshot.Instance, v1alpha1.CategoryContact))}
	if r.snapshot.URL == "" {
		body.Link = "http://" + r.Host + address
	}
	service, office := r.snapshot.Catalogue.Service(found.Service), r.snapshot.Catalogue.Office(found.Office)
	if office != nil {
		body.Controller = office.Controller
	}
	if service != nil && office != nil {
		body.Slots = slotsAddress(r.locale.Tag, service, office)
	}
	body.Asked, body.Consents = r.asks(found)
	if found.Contact != nil {
		body.Contact = *found.Contact
		body.Mailed = found.Contact.Email != "" && r.snapshot.Mail != nil
	}
	if body.Asked.Reminder > 0 && !body.Past && found.State != booking.StateCancelled {
		body.ReminderPeriod = r.locale.Period(v1alpha1.FormatPeriod(body.Asked.Reminder))
	}
	deadline := found.Deadline.In(r.snapshot.Catalogue.Zone(found.Office))
	body.Deadline = r.locale.Clock(deadline, booking.Repeated(deadline))
	return body
}

// asks tells what the form of an appointment asks for: nothing where the catalogue no longer knows its service.
func (r *request) asks(found *booking.Appointment) (booking.Asked, []booking.AskedConsent) {
	service := r.snapshot.Catalogue.Service(found.Service)
	if service == nil {
		return booking.Asked{}, nil
	}
	return r.snapshot.Asks(service, found.Channel), service.AsksConsent(found.Channel, r.locale.Tag)
}

// summary tells an appointment by its own words even when the catalogue no longer knows its office or service.
func (s *Site) summary(r *request, found *booking.Appointment) summary {
	told := summary{Service: found.Service, Office: found.Office, Channel: found.Channel}
	zone := r.snapshot.Catalogue.Zone(found.Office)
	start, end := found.Start.In(zone), found.End.In(zone)
	if office := r.snapshot.Catalogue.Office(found.Office); office != nil {
		told.Office = office.DisplayName
		if found.Channel == v1alpha1.ChannelOnSite {
			told.Address = &office.Address
		}
	}
	if service := r.snapshot.Catalogue.Service(found.Service); service != nil {
		told.Service = service.Title(r.locale.Tag)
	}
	if found.Contact != nil {
		told.Name = found.Contact.GivenName + " " + found.Contact.FamilyName
	}
	told.Date = r.locale.Date(start)
	told.Time = r.locale.Say("summary.time_value", "from", locale.Digits(start, booking.Repeated(start)),
		"until", locale.Digits(end, booking.Repeated(end)))
	return told
}

func (s *Site) contactForm(w http.ResponseWriter, r *request, found *booking.Appointment, contact booking.Contact, faults booking.Faults) error {
	body := s.body(r, found)
	body.Contact = contact
	body.Faults = s.faults(r, faults)
	return s.show(w, r, found, statusOf(faults), "contact", 2, body)
}

// faults says what is wrong with a form, in the order of its fields.
func (s *Site) faults(r *request, faults booking.Faults) []fault {
	var told []fault
	for _, field := range booking.ContactFields {
		if key, wrong := faults[field]; wrong {
			label := r.locale.Say("form." + string(field))
			told = append(told, fault{field, r.locale.Say(key, "field", label)})
		}
	}
	return told
}

func statusOf(faults booking.Faults) int {
	if len(faults) > 0 {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

func (s *Site) contact(w http.ResponseWriter, r *request) error {
	if err := r.ParseForm(); err != nil {
		return s.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		if found.State != booking.StateHeld && found.State != booking.StatePending {
			return s.back(w, r)
		}
		asked, askedConsents := r.asks(found)
		contact, faults := booking.ParseContact(r.PostForm, asked, r.snapshot.Notice.Date)
		consents := booking.ParseConsents(r.PostForm, askedConsents, contact, faults)
		if len(faults) > 0 {
			return s.contactForm(w, r, found, contact, faults)
		}
		if !s.mayMail(found, contact) {
			return s.tooMuchMail(w, r)
		}
		err := s.Store.SaveContact(r.Context(), r.PathValue("token"), contact, r.snapshot.Notice.Date, r.snapshot.Expiry, consents...)
		if err != nil {
			return err
		}
		return s.back(w, r)
	})
}

// mayMail tells whether the address may be given once more. Whoever sends the same form again asks for nothing new.
func (s *Site) mayMail(found *booking.Appointment, given booking.Contact) bool {
	known := given.Email == "" || found.Contact != nil && strings.EqualFold(found.Contact.Email, given.Email)
	return known || s.MailLimit == nil || s.MailLimit.AllowMail(given.Email)
}

func (s *Site) tooMuchMail(w http.ResponseWriter, r *request) error {
	w.Header().Set("Retry-After", "1800")
	return s.message(w, r, http.StatusTooManyRequests, "busy.title", "busy.mail")
}

func (s *Site) confirm(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		if found.State != booking.StatePending {
			return s.back(w, r)
		}
		changed, err := s.Store.Confirm(r.Context(), r.PathValue("token"), r.snapshot.Mail != nil, r.snapshot.Expiry)
		if err != nil {
			return err
		}
		if changed {
			s.event("confirmed")
		}
		return s.back(w, r)
	})
}

func (s *Site) askCancel(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		if found.State == booking.StateCancelled || !found.Start.After(s.Clock()) {
			return s.back(w, r)
		}
		return s.show(w, r, found, http.StatusOK, "cancel", 0, s.body(r, found))
	})
}

func (s *Site) cancel(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		changed, err := s.Store.Cancel(r.Context(), r.PathValue("token"), r.snapshot.Mail != nil)
		if err != nil {
			return err
		}
		if changed && found.State == booking.StateConfirmed {
			s.event("cancelled")
		}
		if found.State == booking.StateHeld || found.State == booking.StatePending {
			http.Redirect(w, r.Request, s.body(r, found).Slots, http.StatusSeeOther)
			return nil
		}
		return s.back(w, r)
	})
}

// back leads to the appointment's page, so that reloading it sends nothing twice.
func (s *Site) back(w http.ResponseWriter, r *request) error {
	http.Redirect(w, r.Request, appointmentAddress(r.locale.Tag, r.PathValue("token")), http.StatusSeeOther)
	return nil
}

func (s *Site) calendar(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		if found.State != booking.StateConfirmed && found.State != booking.StateCancelled {
			return store.ErrNotFound
		}
		w.Header().Set("Content-Type", invite.ContentType)
		w.Header().Set("Content-Disposition", `attachment; filename="termin.ics"`)
		_, _ = w.Write([]byte(invite.File(found, r.snapshot.Catalogue.Office(found.Office), r.locale, nil, s.Clock())))
		return nil
	})
}

// field is one input of the contact form.
type field struct {
	Name, Label, Type, Autocomplete, Value string
	Hint, Fault, OptionalText              string
	Optional                               bool
}

// DescribedBy lists the elements that explain the input to a screen reader.
func (f field) DescribedBy() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.Name+"-hint")
	}
	if f.Fault != "" {
		ids = append(ids, f.Name+"-fault")
	}
	return strings.Join(ids, " ")
}

// Field gives the template of the contact form one input.
func (v view) Field(name, kind, autocomplete, value, hint string, optional bool) field {
	input := field{Name: name, Label: v.Say("form." + name), Type: kind, Autocomplete: autocomplete, Value: value,
		Optional: optional, OptionalText: v.Say("form.optional")}
	if hint != "" {
		input.Hint = v.Say(hint)
	}
	if body, ok := v.Body.(interface{ Fault(string) string }); ok {
		input.Fault = body.Fault(name)
	}
	return input
}
