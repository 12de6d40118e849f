// SPDX-License-Identifier: Apache-2.0

package web

import (
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/booking/store"
)

//go:embed openapi.json
var openAPI []byte

// problem is what the API says when it cannot do what was asked (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Faults are sentences by field of the body.
	Faults map[string]string `json:"faults,omitempty"`
}

// call is one request of the API; the answer's body is nil where there is nothing to say.
type call func(*Site, *request) (status int, body any, err error)

// The token travels in a header, never in an address: addresses are kept by proxies and browsers.
var apiRoutes = map[string]call{
	"GET /api/v1/services":                             (*Site).apiServices,
	"GET /api/v1/services/{service}/offices/{office}":  (*Site).apiSlots,
	"POST /api/v1/services/{service}/offices/{office}": (*Site).apiHold,
	"GET /api/v1/appointment":                          (*Site).apiAppointment,
	"PUT /api/v1/appointment/contact":                  (*Site).apiContact,
	"POST /api/v1/appointment/confirm":                 (*Site).apiConfirm,
	"POST /api/v1/appointment/move":                    (*Site).apiMove,
	"POST /api/v1/appointment/cancel":                  (*Site).apiCancel,
	"POST /api/v1/appointment/withdraw":                (*Site).apiWithdraw,
	"DELETE /api/v1/appointment":                       (*Site).apiErase,
}

var (
	errInvalid = problem{Title: "invalid.title", Status: http.StatusBadRequest}
	errMissing = problem{Title: "missing.title", Status: http.StatusNotFound}
	errTaken   = problem{Title: "taken.title", Status: http.StatusConflict}
	errBusy    = problem{Title: "busy.title", Status: http.StatusTooManyRequests}
	errState   = problem{Title: "api.state", Status: http.StatusConflict}
	errHeld    = problem{Title: "onhold.title", Status: http.StatusConflict}
	errForm    = problem{Title: "form.errors", Status: http.StatusUnprocessableEntity}
)

func (p problem) Error() string { return p.Title }

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(openAPI)
}

// api runs a call and writes its answer; errors say as little as the pages do.
func (s *Site) api(do call) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		snapshot := s.Snapshot()
		tag := r.URL.Query().Get("lang")
		if !offers(snapshot.Languages, tag) {
			tag = locale.Negotiate(r.Header.Get("Accept-Language"), snapshot.Languages)
		}
		req := &request{r, snapshot, locale.Get(tag)}
		status, body, err := do(s, req)
		var (
			fault problem
			held  *store.HeldError
		)
		switch {
		case err == nil:
		case errors.As(err, &fault):
		case errors.As(err, &held):
			fault = errHeld
		case errors.Is(err, store.ErrNotFound):
			fault = errMissing
		case errors.Is(err, store.ErrTaken):
			s.event("taken")
			fault = errTaken
		case errors.Is(err, store.ErrSpent):
			fault = errWork
		default:
			s.Log.Error("request failed", "route", route(r), "error", err.Error())
			fault = problem{Title: "error.title", Status: http.StatusServiceUnavailable}
		}
		w.Header().Set("Content-Language", tag)
		w.Header().Set("Vary", "Accept-Language")
		if err != nil {
			fault.Title = req.locale.Say(fault.Title)
			w.Header().Set("Content-Type", "application/problem+json")
			if fault.Status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "60")
			}
			status, body = fault.Status, fault
		} else if body != nil {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		if body != nil {
			_ = json.NewEncoder(w).Encode(body)
		}
	})
}

func offers(languages []string, tag string) bool {
	for _, offered := range languages {
		if offered == tag {
			return true
		}
	}
	return false
}

// read takes a JSON body of known fields only: what nobody asked for is refused rather than dropped unseen (T3).
func read(r *request, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return problem{Title: "invalid.title", Status: http.StatusUnsupportedMediaType}
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return errInvalid
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errInvalid
	}
	return nil
}

// token is the bearer token of an appointment.
func token(r *request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// behind finds what is behind the bearer token.
func (s *Site) behind(r *request) (*booking.Appointment, error) {
	return s.Store.Find(r.Context(), token(r), r.snapshot.Expiry)
}

type apiOffice struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Controller  string `json:"controller"`
	TimeZone    string `json:"timeZone"`
}

type apiService struct {
	Name          string   `json:"name"`
	DisplayName   string   `json:"displayName"`
	Duration      string   `json:"duration"`
	Channels      []string `json:"channels"`
	EmailOptional bool     `json:"emailOptional"`
	// RequiredFields are asked for on site only.
	RequiredFields []v1alpha1.RequiredField `json:"requiredFields,omitempty"`
	// ReminderBefore is how long before the appointment a reminder can be asked for; empty where none is offered.
	ReminderBefore v1alpha1.Period `json:"reminderBefore,omitempty"`
	// Consents to ask for, by a box each that is not ticked, apart from the notice.
	Consents []apiConsent `json:"consents,omitempty"`
	Offices  []apiOffice  `json:"offices"`
}

// apiConsent is a consent in the caller's language; PostalAddress is asked for on site only.
type apiConsent struct {
	Scope      v1alpha1.ConsentScope `json:"scope"`
	Text       string                `json:"text"`
	TextSHA256 string                `json:"textSHA256"`
}

func (s *Site) apiServices(r *request) (int, any, error) {
	services := []apiService{}
	for _, service := range r.snapshot.Catalogue.Services {
		entry := apiService{Name: string(service.Name), DisplayName: service.Title(r.locale.Tag), Duration: string(service.Duration),
			EmailOptional: service.EmailOptional, RequiredFields: service.RequiredFields, Offices: []apiOffice{}}
		if r.snapshot.Mail != nil {
			entry.ReminderBefore = service.ReminderBefore
		}
		for _, channel := range service.Channels {
			entry.Channels = append(entry.Channels, string(channel))
		}
		for _, consent := range service.AsksConsent(v1alpha1.ChannelOnSite, r.locale.Tag) {
			entry.Consents = append(entry.Consents, apiConsent{consent.Scope, consent.Text, consent.Hash()})
		}
		for _, office := range r.snapshot.Catalogue.OfficesFor(service) {
			entry.Offices = append(entry.Offices, apiOffice{string(office.Name), office.DisplayName, office.Controller, office.TimeZone})
		}
		services = append(services, entry)
	}
	return http.StatusOK, map[string]any{"noticeDate": r.snapshot.Notice.Date, "services": services}, nil
}

// apiSlots gives the free slots of a week, as the page of the same choice does.
func (s *Site) apiSlots(r *request) (int, any, error) {
	query := r.URL.Query()
	wanted, ok := chosen(r, query.Get("channel"))
	if !ok {
		return 0, nil, errMissing
	}
	free, err := s.free(r.Context(), r.snapshot, wanted)
	if err != nil {
		return 0, nil, err
	}
	week := booking.WeekFrom(booking.Days(free), dateOf(query.Get("from")))
	starts := []string{}
	for _, day := range week.Days {
		for _, slot := range day.Slots {
			starts = append(starts, slot.Start.UTC().Format("2006-01-02T15:04:05Z"))
		}
	}
	answer := map[string]any{"channel": wanted.Channel, "starts": starts, "previous": week.Previous, "next": week.Next}
	challenge, err := s.challenge(r)
	if challenge != "" {
		answer["challenge"], answer["bits"] = challenge, booking.WorkBits
	}
	return http.StatusOK, answer, err
}

type apiWish struct {
	Start   string `json:"start"`
	Channel string `json:"channel,omitempty"`
	// Proof of work, where the site asks for one: challenge, a dot, and a counter.
	Proof string `json:"proof,omitempty"`
}

func (w apiWish) form(nonce string) url.Values {
	return url.Values{string(booking.FieldStart): {w.Start}, string(booking.FieldChannel): {w.Channel}, string(booking.FieldNonce): {nonce}}
}
