// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// movable tells whether an appointment can still go to another time, and gives where it can go.
func (s *Site) movable(r *request, found *booking.Appointment) (choice, bool) {
	wanted := choice{r.snapshot.Catalogue.Service(found.Service), r.snapshot.Catalogue.Office(found.Office), found.Channel}
	ahead := found.State == booking.StateConfirmed && found.Start.After(s.Clock())
	return wanted, ahead && wanted.Service != nil && wanted.Office != nil && wanted.Office.Offers(wanted.Service)
}

type moveBody struct {
	slotsBody
	Summary summary
	Back    string
}

func (s *Site) askMove(w http.ResponseWriter, r *request) error {
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		wanted, ok := s.movable(r, found)
		if !ok {
			return s.back(w, r)
		}
		return s.movePage(w, r, found, wanted, http.StatusOK, "move.title")
	})
}

func (s *Site) movePage(w http.ResponseWriter, r *request, found *booking.Appointment, wanted choice, status int, title string) error {
	free, err := s.free(r.Context(), r.snapshot, wanted)
	if err != nil {
		return err
	}
	week := booking.WeekFrom(booking.Days(free), dateOf(r.URL.Query().Get("from")))
	address := appointmentAddress(r.locale.Tag, r.PathValue("token"))
	body := moveBody{newSlotsBody(r, wanted, week.Days, "move.to"), s.summary(r, found), address}
	body.Action, body.Nonce, body.Channels = address+"/move", "", nil
	page := func(from string) string {
		if from == "" {
			return ""
		}
		return address + "/move?" + url.Values{"from": {from}}.Encode()
	}
	body.Previous, body.Next = page(week.Previous), page(week.Next)
	return s.render(w, r, status, "move", s.behindLink(r, found, title, body))
}

func (s *Site) move(w http.ResponseWriter, r *request) error {
	if !s.Limit.Allow(ClientAddress(r.Request)) {
		w.Header().Set("Retry-After", "60")
		return s.message(w, r, http.StatusTooManyRequests, "busy.title", "busy.lead")
	}
	if err := r.ParseForm(); err != nil {
		return s.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
	}
	return s.withAppointment(w, r, func(found *booking.Appointment) error {
		wanted, ok := s.movable(r, found)
		if !ok {
			return s.back(w, r)
		}
		start, ok := booking.ParseStart(r.PostForm)
		if !ok {
			return s.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
		}
		if start.Equal(found.Start) {
			return s.back(w, r)
		}
		slot, offered := wanted.Office.Slot(wanted.Service, start, s.Clock())
		if !offered {
			return s.movePage(w, r, found, wanted, http.StatusConflict, "taken.title")
		}
		changed, err := s.Store.Move(r.Context(), r.PathValue("token"), found.Office, slot.Public, slot, r.snapshot.Mail != nil, r.snapshot.Expiry)
		if errors.Is(err, store.ErrTaken) {
			s.event("taken")
			return s.movePage(w, r, found, wanted, http.StatusConflict, "taken.title")
		}
		if err != nil {
			return err
		}
		if changed {
			s.event("moved")
		}
		return s.back(w, r)
	})
}
