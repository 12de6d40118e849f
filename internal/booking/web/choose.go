// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/booking/store"
)

const nearby = 6

type serviceView struct {
	Title, Address string
	Period         v1alpha1.Period
	Channels       []v1alpha1.Channel
	Offices        []string
}

func (s *Site) home(w http.ResponseWriter, r *request) error {
	var services []serviceView
	for _, service := range r.snapshot.Catalogue.Services {
		offices := r.snapshot.Catalogue.OfficesFor(service)
		if len(offices) == 0 {
			continue
		}
		entry := serviceView{Title: service.Title(r.locale.Tag), Period: service.Duration, Channels: service.Channels,
			Address: "/" + r.locale.Tag + "/services/" + string(service.Name)}
		if len(offices) == 1 {
			entry.Address = slotsAddress(r.locale.Tag, service, offices[0])
		}
		for _, office := range offices {
			entry.Offices = append(entry.Offices, office.DisplayName)
		}
		services = append(services, entry)
	}
	w.Header().Set("Cache-Control", "no-cache")
	return s.render(w, r, http.StatusOK, "home", view{title: "site.title", path: "/", Step: 1, Body: services})
}

type officeView struct {
	*booking.Office
	Link string
}

func (s *Site) service(w http.ResponseWriter, r *request) error {
	service := r.snapshot.Catalogue.Service(r.PathValue("service"))
	if service == nil {
		return s.missing(w, r)
	}
	var offices []officeView
	for _, office := range r.snapshot.Catalogue.OfficesFor(service) {
		offices = append(offices, officeView{office, slotsAddress(r.locale.Tag, service, office)})
	}
	w.Header().Set("Cache-Control", "no-cache")
	return s.render(w, r, http.StatusOK, "service", view{Title: service.Title(r.locale.Tag), Step: 1,
		path: "/services/" + string(service.Name), Body: offices})
}

func slotsAddress(language string, service *booking.Service, office *booking.Office) string {
	return "/" + language + slotsPath(service, office)
}

func slotsPath(service *booking.Service, office *booking.Office) string {
	return "/services/" + string(service.Name) + "/offices/" + string(office.Name)
}

// choice is a service at an office, by a channel.
type choice struct {
	Service *booking.Service
	Office  *booking.Office
	Channel v1alpha1.Channel
}

func chosen(r *request, channel string) (choice, bool) {
	service, office := r.snapshot.Catalogue.Service(r.PathValue("service")), r.snapshot.Catalogue.Office(r.PathValue("office"))
	if service == nil || office == nil || !office.Offers(service) {
		return choice{}, false
	}
	offered, ok := service.Channel(channel)
	return choice{service, office, offered}, ok
}

type slotButton struct{ Value, Text, Label string }

type dayView struct {
	Title   string
	Buttons []slotButton
}

type slotsBody struct {
	choice
	Days           []dayView
	Action, Nonce  string
	Previous, Next string
	Channels       []channelLink
	HoldPeriod     string
	// Challenge the script works on, with as many Bits; Script is its address. Empty where none is asked for.
	Challenge, Script string
	Bits              int
	All               string
}

type channelLink struct {
	Channel v1alpha1.Channel
	Address string
	Current bool
}

func (s *Site) slots(w http.ResponseWriter, r *request) error {
	query := r.URL.Query()
	wanted, ok := chosen(r, query.Get("channel"))
	if !ok {
		return s.missing(w, r)
	}
	free, err := s.free(r.Context(), r.snapshot, wanted)
	if err != nil {
		return err
	}
	week := booking.WeekFrom(booking.Days(free), dateOf(query.Get("from")))
	body := newSlotsBody(r, wanted, week.Days, "slots.hold")
	if err := s.charge(r, &body); err != nil {
		return err
	}
	if week.Previous != "" {
		body.Previous = withQuery(body.All, wanted, week.Previous)
	}
	if week.Next != "" {
		body.Next = withQuery(body.All, wanted, week.Next)
	}
	return s.render(w, r, http.StatusOK, "slots", slotsPage(r, wanted, body))
}

// dateOf gives a date in a query, or nothing when it is none.
func dateOf(text string) string {
	if _, err := time.Parse(time.DateOnly, text); err != nil {
		return ""
	}
	return text
}

func slotsPage(r *request, wanted choice, body slotsBody) view {
	return view{Title: wanted.Service.Title(r.locale.Tag), Step: 1, Controllers: controllersOf(r.snapshot, wanted.Office),
		path: slotsPath(wanted.Service, wanted.Office), Body: body}
}

// free gives the free slots of the whole horizon: one query, one pass.
func (s *Site) free(ctx context.Context, snapshot *booking.Snapshot, wanted choice) ([]booking.Slot, error) {
	now := s.Clock()
	from, until := wanted.Office.Horizon(now)
	busy, err := s.Store.BusyToPublic(ctx, string(wanted.Office.Name), from, until, snapshot.Expiry)
	if err != nil {
		return nil, err
	}
	return booking.FreeToPublic(wanted.Office.Slots(wanted.Service, now), busy), nil
}

// newSlotsBody lists slots as buttons; label is the key of what a screen reader says of each.
func newSlotsBody(r *request, wanted choice, days []booking.Day, label string) slotsBody {
	address := slotsAddress(r.locale.Tag, wanted.Service, wanted.Office)
	body := slotsBody{choice: wanted, Action: address + "/hold", Nonce: booking.NewNonce(), All: address,
		HoldPeriod: r.locale.Period(booking.PeriodOf(r.snapshot.Instance, v1alpha1.CategoryHold))}
	if len(wanted.Service.Channels) > 1 {
		for _, channel := range wanted.Service.Channels {
			body.Channels = append(body.Channels, channelLink{channel,
				address + "?" + url.Values{"channel": {string(channel)}}.Encode(), channel == wanted.Channel})
		}
	}
	for _, day := range days {
		title := r.locale.Date(day.Slots[0].Start)
		entry := dayView{Title: title}
		for _, slot := range day.Slots {
			text := locale.Digits(slot.Start, booking.Repeated(slot.Start))
			entry.Buttons = append(entry.Buttons, slotButton{slot.Start.UTC().Format(time.RFC3339), text,
				r.locale.Say(label, "time", title+", "+text)})
		}
		body.Days = append(body.Days, entry)
	}
	return body
}

func withQuery(address string, wanted choice, from string) string {
	query := url.Values{"from": {from}}
	if len(wanted.Service.Channels) > 1 {
		query.Set("channel", string(wanted.Channel))
	}
	return address + "?" + query.Encode()
}

func (s *Site) hold(w http.ResponseWriter, r *request) error {
	if !s.Limit.Allow(ClientAddress(r.Request)) {
		w.Header().Set("Retry-After", "60")
		return s.message(w, r, http.StatusTooManyRequests, "busy.title", "busy.lead")
	}
	if err := r.ParseForm(); err != nil {
		return s.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	wanted, ok := chosen(r, r.PostForm.Get(string(booking.FieldChannel)))
	if !ok {
		return s.missing(w, r)
	}
	form, ok := booking.ParseHold(r.PostForm, wanted.Service)
	if !ok {
		return s.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	slot, offered := wanted.Office.Slot(wanted.Service, form.Start, s.Clock())
	if !offered {
		return s.taken(w, r, wanted, form.Start)
	}
	token := booking.Token(form.Nonce, string(wanted.Office.Name), string(wanted.Service.Name), slot.Start)
	work, verdict, err := s.work(r, r.PostForm.Get(string(booking.FieldProof)))
	if err != nil {
		return err
	}
	if verdict != booking.ProofGood {
		return s.wait(w, r, wanted, verdict)
	}
	err = s.Store.Hold(r.Context(), store.Hold{
		Office: string(wanted.Office.Name), Service: string(wanted.Service.Name), Channel: wanted.Channel,
		Counters: slot.Public, Slot: slot, Locale: r.locale.Tag, Token: token, Work: work,
	}, r.snapshot.Expiry)
	if errors.Is(err, store.ErrSpent) {
		return s.wait(w, r, wanted, booking.ProofBad)
	}
	if errors.Is(err, store.ErrTaken) {
		return s.taken(w, r, wanted, form.Start)
	}
	if err != nil {
		return err
	}
	s.event("held")
	http.Redirect(w, r.Request, appointmentAddress(r.locale.Tag, token), http.StatusSeeOther)
	return nil
}

// taken says politely that somebody else was faster, and offers what is near.
func (s *Site) taken(w http.ResponseWriter, r *request, wanted choice, start time.Time) error {
	free, err := s.free(r.Context(), r.snapshot, wanted)
	if err != nil {
		return err
	}
	s.event("taken")
	body := newSlotsBody(r, wanted, booking.Days(booking.Nearest(free, start, nearby)), "slots.hold")
	if err := s.charge(r, &body); err != nil {
		return err
	}
	page := slotsPage(r, wanted, body)
	page.Title = r.locale.Say("taken.title")
	return s.render(w, r, http.StatusConflict, "taken", page)
}

func (s *Site) event(name string) {
	if s.Event != nil {
		s.Event(name)
	}
}
