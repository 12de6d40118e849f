// SPDX-License-Identifier: Apache-2.0

// Package staff is the side of the booking site the authority's own people work with, under /staff: they sign in at the
// region's identity provider, see what their role needs to know, and leave a trace with everything they do (T5, T6).
package staff

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// Options of the staff side.
type Options struct {
	Snapshot func() *booking.Snapshot
	Store    *store.Store
	Clock    func() time.Time
	Log      *slog.Logger
	// SecretDir holds the secrets of the client at the identity provider; they are read at each sign-in.
	SecretDir string
	// Style gives the address of the site's style sheet, which changes with what the tenant chose.
	Style func(*booking.Snapshot) string
	// Limit on sign-ins per address, and Address of a client.
	Limit   interface{ Allow(address netip.Addr) bool }
	Address func(*http.Request) netip.Addr
	// Event is told what happened to bookings, as the site's is.
	Event func(string)
}

// Desk is the staff side.
type Desk struct {
	Options
	pages     pages
	providers providers
	mux       *http.ServeMux
}

// request is what every handler needs of one request.
type request struct {
	*http.Request
	snapshot *booking.Snapshot
	locale   *locale.Locale
	who      booking.Staff
	session  string
	csrf     string
}

type handler func(*Desk, http.ResponseWriter, *request) error

// open routes are those nobody is signed in for.
var open = map[string]handler{
	"GET /staff/{$}":      (*Desk).home,
	"GET /staff/login":    (*Desk).signIn,
	"GET /staff/callback": (*Desk).callback,
	"/staff/":             (*Desk).missing,
}

// closed routes need somebody signed in who has the permission, at the office where the address names one.
var closed = map[string]struct {
	permission booking.Permission
	handle     handler
}{
	"POST /staff/logout":                {"", (*Desk).signOut},
	"GET /staff/offices/{office}":       {booking.PermissionDay, (*Desk).day},
	"GET /staff/offices/{office}/book":  {booking.PermissionServe, (*Desk).askBook},
	"POST /staff/offices/{office}/book": {booking.PermissionServe, (*Desk).book},
	"GET /staff/find":                   {booking.PermissionVisit, (*Desk).askFind},
	"POST /staff/find":                  {booking.PermissionVisit, (*Desk).find},
	"GET /staff/visits/{id}":            {booking.PermissionVisit, (*Desk).visit},
	"POST /staff/visits/{id}/{step}":    {booking.PermissionServe, (*Desk).step},
	"GET /staff/cases":                  {booking.PermissionHold, (*Desk).cases},
	"POST /staff/cases":                 {booking.PermissionHold, (*Desk).openCase},
	"POST /staff/cases/end":             {booking.PermissionHold, (*Desk).endCase},
	"GET /staff/audit":                  {booking.PermissionAudit, (*Desk).audit},
	"GET /staff/sessions":               {booking.PermissionSessions, (*Desk).sessions},
	"POST /staff/sessions/end":          {booking.PermissionSessions, (*Desk).endSessions},
}

// New prepares the staff side.
func New(options Options) *Desk {
	desk := &Desk{Options: options, pages: loadPages(), mux: http.NewServeMux()}
	for pattern, handle := range open {
		desk.mux.Handle(pattern, desk.serve(handle))
	}
	for pattern, route := range closed {
		desk.mux.Handle(pattern, desk.serve(allowed(route.permission, route.handle)))
	}
	return desk
}

// Open tells whether the tenant has a staff side: an identity provider, TLS for its cookies, and an audit log, since
// nobody looks at citizens' data without a trace.
func Open(snapshot *booking.Snapshot) bool {
	return snapshot.Staff != nil && snapshot.Rule(v1alpha1.CategoryAuditLog) != nil && len(snapshot.URL) > 8 && snapshot.URL[:8] == "https://"
}

func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.mux.ServeHTTP(w, r) }

// serve finds language and person, runs a handler, and turns its error into a page that says nothing of the cause.
func (d *Desk) serve(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		snapshot := d.Snapshot()
		req := &request{Request: r, snapshot: snapshot, locale: locale.Get(locale.Negotiate(r.Header.Get("Accept-Language"), snapshot.Languages))}
		w.Header().Set("Vary", "Accept-Language, Cookie")
		var err error
		if req.who, req.session, err = d.identify(req); err == nil {
			req.csrf = csrfOf(req.session)
			err = handle(d, w, req)
		}
		if errors.Is(err, store.ErrNotFound) {
			err = d.missing(w, req)
		}
		if err != nil {
			d.Log.Error("request failed", "route", r.Pattern, "error", err.Error())
			_ = d.message(w, req, http.StatusServiceUnavailable, "error.title", "error.lead")
		}
	})
}

// allowed asks for a session, for the permission, and of forms that they are ours.
func allowed(permission booking.Permission, handle handler) handler {
	return func(d *Desk, w http.ResponseWriter, r *request) error {
		office := r.PathValue("office")
		switch {
		case r.session == "":
			return d.render(w, r, http.StatusUnauthorized, "signin", page{Title: r.locale.Say("staff.title")})
		case permission != "" && !r.who.May(permission), office != "" && !r.who.MayAt(permission, office):
			return d.message(w, r, http.StatusForbidden, "staff.forbidden_title", "staff.forbidden_lead")
		case r.Method != http.MethodPost:
			return handle(d, w, r)
		}
		if err := r.ParseForm(); err != nil {
			return d.message(w, r, http.StatusBadRequest, "invalid.title", "invalid.lead")
		}
		if !genuine(r) {
			return d.message(w, r, http.StatusForbidden, "foreign.title", "foreign.lead")
		}
		return handle(d, w, r)
	}
}

// home leads to what the person's roles are for.
func (d *Desk) home(w http.ResponseWriter, r *request) error {
	if r.session == "" {
		return d.render(w, r, http.StatusOK, "signin", page{Title: r.locale.Say("staff.title")})
	}
	offices, err := d.officesFor(r)
	if err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "home", page{Title: r.locale.Say("staff.title"), Body: offices})
}

// officeLink leads to an office's day.
type officeLink struct{ Name, Title, Detail string }

// officesFor are the offices whose day the person may see; one that is gone from the catalogue as long as it has
// appointments, which stay what they are.
func (d *Desk) officesFor(r *request) (offices []officeLink, err error) {
	if !r.who.May(booking.PermissionDay) {
		return nil, nil
	}
	for _, office := range r.snapshot.Catalogue.Offices {
		if name := string(office.Name); r.who.MayAt(booking.PermissionDay, name) {
			offices = append(offices, officeLink{name, office.DisplayName, office.Address.Street + ", " + office.Address.City})
		}
	}
	booked, err := d.Store.BookedOffices(r.Context())
	for _, name := range booked {
		if r.snapshot.Catalogue.Office(name) == nil && r.who.MayAt(booking.PermissionDay, name) {
			offices = append(offices, officeLink{name, name, r.locale.Say("staff.office_gone")})
		}
	}
	return offices, err
}

func (d *Desk) missing(w http.ResponseWriter, r *request) error {
	return d.message(w, r, http.StatusNotFound, "missing.title", "staff.missing_lead")
}

// offices tells at which offices the person may do something.
func (r *request) offices(permission booking.Permission) func(string) bool {
	return func(office string) bool { return r.who.MayAt(permission, office) }
}

func (d *Desk) event(name string) {
	if d.Event != nil {
		d.Event(name)
	}
}
