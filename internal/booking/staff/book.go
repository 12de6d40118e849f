// SPDX-License-Identifier: Apache-2.0

package staff

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// notThere tells an appointment nobody may see, or that is none, from a fault.
func notThere(err error) bool { return errors.Is(err, store.ErrNotFound) }

// wish is what a booking for a caller is about.
type wish struct {
	Office  *booking.Office
	Service *booking.Service
	Channel v1alpha1.Channel
	Origin  booking.Origin
	Slot    *booking.Slot
	// Reason is given where the slot is none citizens are offered.
	Reason booking.Reason
}

type timeLink struct{ Text, Label, Address string }

type bookDay struct {
	Title string
	Times []timeLink
}

type bookBody struct {
	wish
	Services       []*booking.Service
	Days           []bookDay
	Previous, Next string
	Reasons        []booking.Reason
	Override       bool
	// When is the chosen time in words, Start for the form.
	When, Start, Nonce string
	Contact            booking.Contact
	Asked              booking.Asked
	Consents           []booking.AskedConsent
	Language           string
	Languages          []string
	NoticeDate         string
	NoticeDay          string
	Controller         string
	ContactPeriod      string
}

// Reminder is how long before an appointment the caller may be reminded, in words; empty for not at all.
func (b bookBody) Reminder(words *locale.Locale) string {
	if b.Asked.Reminder == 0 {
		return ""
	}
	return words.Period(v1alpha1.FormatPeriod(b.Asked.Reminder))
}

// readWish reads what the address or the form says so far. A time citizens are not offered is taken only with a reason
// and from somebody who may override.
func (d *Desk) readWish(r *request, form url.Values) (wanted wish, faults []fault) {
	wanted.Office = r.snapshot.Catalogue.Office(r.PathValue("office"))
	if wanted.Office == nil {
		return wanted, nil
	}
	wanted.Origin = booking.OriginPhone
	if form.Get("origin") == string(booking.OriginCounter) {
		wanted.Origin = booking.OriginCounter
	}
	service := r.snapshot.Catalogue.Service(form.Get("service"))
	if service == nil || !wanted.Office.Offers(service) {
		return wanted, nil
	}
	channel, ok := service.Channel(form.Get("channel"))
	if !ok {
		channel = service.Channels[0]
	}
	wanted.Service, wanted.Channel = service, channel
	start, given := booking.ParseStart(form)
	if at := form.Get("at"); at != "" {
		local, err := time.ParseInLocation("2006-01-02T15:04", at, wanted.Office.Location)
		start, given = local, err == nil && local.Year() >= 2000 && local.Year() <= 9999
		if !given {
			return wanted, []fault{{"at", r.locale.Say("staff.at_invalid")}}
		}
	}
	if !given {
		return wanted, nil
	}
	if slot, offered := wanted.Office.Slot(service, start, d.Clock()); offered {
		wanted.Slot = &slot
		return wanted, nil
	}
	if !r.who.MayAt(booking.PermissionOverride, string(wanted.Office.Name)) || !start.After(d.Clock().Add(-service.Length)) {
		return wanted, []fault{{"at", r.locale.Say("staff.at_not_offered")}}
	}
	if wanted.Reason, ok = booking.ParseReason(form.Get("reason")); !ok {
		return wanted, []fault{{"reason", r.locale.Say("staff.reason_missing")}}
	}
	local := start.In(wanted.Office.Location)
	wanted.Slot = &booking.Slot{Start: local, End: local.Add(service.Length)}
	return wanted, nil
}

func (d *Desk) askBook(w http.ResponseWriter, r *request) error {
	wanted, faults := d.readWish(r, r.URL.Query())
	if wanted.Office == nil {
		return d.missing(w, r)
	}
	status := http.StatusOK
	if len(faults) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return d.bookPage(w, r, status, wanted, booking.Contact{}, faults)
}

func (d *Desk) bookPage(w http.ResponseWriter, r *request, status int, wanted wish, contact booking.Contact, faults []fault) error {
	body := bookBody{wish: wanted, Reasons: booking.Reasons, Contact: contact, Nonce: booking.NewNonce(),
		Override: r.who.MayAt(booking.PermissionOverride, string(wanted.Office.Name)), Language: r.locale.Tag, Languages: r.snapshot.Languages,
		NoticeDate: r.snapshot.Notice.Date, NoticeDay: r.locale.Day(r.snapshot.Notice.Date), Controller: wanted.Office.Controller,
		ContactPeriod: r.locale.Period(booking.PeriodOf(r.snapshot.Instance, v1alpha1.CategoryContact))}
	for _, service := range r.snapshot.Catalogue.Services {
		if wanted.Office.Offers(service) {
			body.Services = append(body.Services, service)
		}
	}
	switch {
	case wanted.Slot != nil:
		body.Asked, body.Consents = asked(r.snapshot, wanted), wanted.Service.AsksConsent(wanted.Channel, r.locale.Tag)
		body.When = r.locale.Date(wanted.Slot.Start) + ", " + r.locale.Clock(wanted.Slot.Start, booking.Repeated(wanted.Slot.Start))
		body.Start = wanted.Slot.Start.UTC().Format(time.RFC3339)
		if nonce := r.PostForm.Get("nonce"); nonce != "" {
			body.Nonce = nonce
		}
	case wanted.Service != nil:
		if err := d.offer(r, &body); err != nil {
			return err
		}
	}
	return d.render(w, r, status, "book", page{Title: r.locale.Say("staff.book"), Faults: faults, Body: body})
}

// offer lists a week of free times as links.
func (d *Desk) offer(r *request, body *bookBody) error {
	now := d.Clock()
	from, until := body.Office.Horizon(now)
	busy, err := d.Store.Busy(r.Context(), string(body.Office.Name), from, until, r.snapshot.Expiry)
	if err != nil {
		return err
	}
	week := booking.WeekFrom(booking.Days(booking.Free(body.Office.Slots(body.Service, now), busy, body.Office.Counters)), r.URL.Query().Get("from"))
	query := url.Values{"service": {string(body.Service.Name)}, "channel": {string(body.Channel)}, "origin": {string(body.Origin)}}
	address := func(key, value string) string {
		if value == "" {
			return ""
		}
		query.Del("from")
		query.Del("start")
		query.Set(key, value)
		return "/staff/offices/" + string(body.Office.Name) + "/book?" + query.Encode()
	}
	body.Previous, body.Next = address("from", week.Previous), address("from", week.Next)
	for _, day := range week.Days {
		entry := bookDay{Title: r.locale.Date(day.Slots[0].Start)}
		for _, slot := range day.Slots {
			text := locale.Digits(slot.Start, booking.Repeated(slot.Start))
			entry.Times = append(entry.Times, timeLink{text, entry.Title + ", " + text, address("start", slot.Start.UTC().Format(time.RFC3339))})
		}
		body.Days = append(body.Days, entry)
	}
	return nil
}

type bookedBody struct {
	row
	Link   string
	Mailed bool
}

// asked is what a booking for a caller asks for: the mail address is never demanded (A5).
func asked(snapshot *booking.Snapshot, wanted wish) booking.Asked {
	asked := snapshot.Asks(wanted.Service, wanted.Channel)
	asked.EmailOptional = true
	return asked
}

// book books for somebody on the phone or at the counter. That they were informed is part of the form and of the audit
// log (T2, T6); the mail address is asked for and never demanded (A5).
func (d *Desk) book(w http.ResponseWriter, r *request) error {
	wanted, faults := d.readWish(r, r.PostForm)
	if wanted.Office == nil || wanted.Service == nil {
		return d.missing(w, r)
	}
	contact, wrong := booking.ParseContact(r.PostForm, asked(r.snapshot, wanted), r.snapshot.Notice.Date)
	consents := booking.ParseConsents(r.PostForm, wanted.Service.AsksConsent(wanted.Channel, r.locale.Tag), contact, wrong)
	for _, field := range booking.ContactFields {
		if key, is := wrong[field]; is {
			faults = append(faults, fault{string(field), r.locale.Say(key, "field", r.locale.Say("form."+string(field)))})
		}
	}
	nonce, language := r.PostForm.Get("nonce"), r.PostForm.Get("language")
	if wanted.Slot == nil || len(faults) > 0 {
		return d.bookPage(w, r, http.StatusUnprocessableEntity, wanted, contact, faults)
	}
	if !booking.WellFormedNonce(nonce) || !slices.Contains(r.snapshot.Languages, language) {
		return d.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	token := booking.Token(nonce, string(wanted.Office.Name), string(wanted.Service.Name), wanted.Slot.Start)
	id, err := d.Store.BookFor(r.Context(), r.who, store.Call{
		Hold: store.Hold{Office: string(wanted.Office.Name), Service: string(wanted.Service.Name), Channel: wanted.Channel,
			Counters: wanted.Office.Counters, Slot: *wanted.Slot, Locale: language, Token: token},
		Origin: wanted.Origin, Contact: contact, NoticeDate: r.snapshot.Notice.Date, Consents: consents, Reason: wanted.Reason, Mail: r.snapshot.Mail != nil,
	}, r.snapshot.Expiry)
	if errors.Is(err, store.ErrTaken) {
		d.event("taken")
		wanted.Slot = nil
		return d.bookPage(w, r, http.StatusConflict, wanted, contact, []fault{{"times", r.locale.Say("taken.title")}})
	}
	if err != nil {
		return err
	}
	d.event("confirmed")
	visit := booking.Visit{Appointment: booking.Appointment{ID: id, Office: string(wanted.Office.Name), Service: string(wanted.Service.Name),
		Channel: wanted.Channel, Start: wanted.Slot.Start, End: wanted.Slot.End, State: booking.StateConfirmed}, Code: booking.Code(booking.TokenHash(token))}
	body := bookedBody{row: d.row(r, visit), Link: r.snapshot.URL + "/" + language + "/appointments/" + token,
		Mailed: contact.Email != "" && r.snapshot.Mail != nil}
	return d.render(w, r, http.StatusOK, "booked", page{Title: r.locale.Say("staff.booked_title"), Body: body})
}
