// SPDX-License-Identifier: Apache-2.0

// Package web serves the booking site: plain HTML from the server, no script, no cookie, nothing from elsewhere
// (B5). GET and HEAD never change anything.
package web

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// Options of a site.
type Options struct {
	// Snapshot gives the settings in force; it is asked once per request.
	Snapshot func() *booking.Snapshot
	Store    *store.Store
	// Clock decides which slots lie ahead; the database's decides what has expired.
	Clock func() time.Time
	Log   *slog.Logger
	// Access takes a line per request where the policy keeps an access log; it must not block.
	Access func(store.Access)
	// Observe is told the outcome of each request.
	Observe func(method, route string, status int, took time.Duration)
	// Event is told what happened to bookings: held, taken, confirmed, moved, cancelled,
	// corrected, restricted, lifted, objected, withdrawn, erased; never to whose.
	Event func(string)
	// Limit on holds per client address.
	Limit *Limiter
	// MailLimit on how often a mail address is given for a booking, so that nobody's mailbox is flooded through the site;
	// nil for none.
	MailLimit *Limiter
	// Staff serves /staff for tenants that have a staff side, as HasStaff tells.
	Staff    http.Handler
	HasStaff func(*booking.Snapshot) bool
}

// Site is the booking site.
type Site struct {
	Options
	// waiting limits who waits instead of working.
	waiting *Limiter
	pages   *pages
}

// New prepares a site.
func New(options Options) *Site {
	return &Site{Options: options, pages: loadPages(), waiting: NewLimiter(waitBurst, waitRefill, options.Clock)}
}

// Forget drops whom no limit holds back any more, of all the limits there are: one that is left out here would keep its
// addresses for as long as the process lives.
func (s *Site) Forget() {
	for _, limit := range []*Limiter{s.Limit, s.MailLimit, s.waiting} {
		if limit != nil {
			limit.Forget()
		}
	}
}

// request is what every handler needs of one request.
type request struct {
	*http.Request
	snapshot *booking.Snapshot
	locale   *locale.Locale
}

type handler func(*Site, http.ResponseWriter, *request) error

// Handler gives the site's routes behind its guards.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.negotiate)
	mux.HandleFunc("GET "+stylePath, s.serveStyle)
	mux.HandleFunc("GET "+logoPath, s.serveLogo)
	mux.HandleFunc("GET "+scriptPath, s.serveScript)
	mux.HandleFunc("GET /.well-known/termintreu/notice.json", s.noticeDocument)
	mux.HandleFunc("GET /api/openapi.json", serveOpenAPI)
	for pattern, do := range apiRoutes {
		mux.Handle(pattern, s.api(do))
	}
	for pattern, handle := range map[string]handler{
		"GET /{lang}/{$}":                                       (*Site).home,
		"GET /{lang}/privacy":                                   (*Site).privacy,
		"GET /{lang}/services/{service}":                        (*Site).service,
		"GET /{lang}/services/{service}/offices/{office}":       (*Site).slots,
		"POST /{lang}/services/{service}/offices/{office}/hold": (*Site).hold,
		"GET /{lang}/appointments/{token}":                      (*Site).appointment,
		"POST /{lang}/appointments/{token}/contact":             (*Site).contact,
		"POST /{lang}/appointments/{token}/confirm":             (*Site).confirm,
		"GET /{lang}/appointments/{token}/cancel":               (*Site).askCancel,
		"POST /{lang}/appointments/{token}/cancel":              (*Site).cancel,
		"GET /{lang}/appointments/{token}/calendar.ics":         (*Site).calendar,
		"GET /{lang}/appointments/{token}/data":                 (*Site).stored,
		"GET /{lang}/appointments/{token}/data.json":            (*Site).download,
		"GET /{lang}/appointments/{token}/correct":              (*Site).askCorrect,
		"POST /{lang}/appointments/{token}/correct":             (*Site).correct,
		"GET /{lang}/appointments/{token}/erase":                (*Site).askErase,
		"POST /{lang}/appointments/{token}/erase":               (*Site).erase,
		"GET /{lang}/appointments/{token}/rights":               (*Site).rights,
		"POST /{lang}/appointments/{token}/restrict":            (*Site).restrict,
		"POST /{lang}/appointments/{token}/lift":                (*Site).lift,
		"POST /{lang}/appointments/{token}/object":              (*Site).object,
		"GET /{lang}/appointments/{token}/consent":              (*Site).consent,
		"POST /{lang}/appointments/{token}/withdraw":            (*Site).withdraw,
		"GET /{lang}/withdrawn":                                 (*Site).withdrawn,
		"GET /{lang}/appointments/{token}/move":                 (*Site).askMove,
		"POST /{lang}/appointments/{token}/move":                (*Site).move,
		"GET /{lang}/erased":                                    (*Site).erased,
		"/":                                                     (*Site).missing,
	} {
		mux.Handle(pattern, s.page(handle))
	}
	return s.guard(s.besideStaff(mux))
}

// besideStaff sends what lies under /staff to the staff side. Without one the path is as unknown as any other.
func (s *Site) besideStaff(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		staff := r.URL.Path == "/staff" || strings.HasPrefix(r.URL.Path, "/staff/")
		switch {
		case !staff:
			mux.ServeHTTP(w, r)
		case s.Staff == nil || !s.HasStaff(s.Snapshot()):
			s.page((*Site).missing).ServeHTTP(w, r)
		case r.URL.Path == "/staff":
			http.Redirect(w, r, "/staff/", http.StatusSeeOther)
		default:
			s.Staff.ServeHTTP(w, r)
		}
	})
}

// page finds the language, runs a handler, and turns its error into a page that says nothing of the cause.
func (s *Site) page(handle handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		snapshot := s.Snapshot()
		tag := r.PathValue("lang")
		known := false
		for _, offered := range snapshot.Languages {
			known = known || offered == tag
		}
		if !known {
			tag = locale.Negotiate(r.Header.Get("Accept-Language"), snapshot.Languages)
		}
		req := &request{r, snapshot, locale.Get(tag)}
		var err error
		if known {
			err = handle(s, w, req)
		} else {
			err = s.missing(w, req)
		}
		if err != nil {
			s.Log.Error("request failed", "route", r.Pattern, "error", err.Error())
			// What cannot be written to a client that is gone is nobody's to read.
			_ = s.message(w, req, http.StatusServiceUnavailable, "error.title", "error.lead")
		}
	})
}

// negotiate sends the bare address to the citizen's language.
func (s *Site) negotiate(w http.ResponseWriter, r *http.Request) {
	languages := s.Snapshot().Languages
	tag := locale.Negotiate(r.Header.Get("Accept-Language"), languages)
	for _, offered := range languages {
		if r.URL.Query().Get("lang") == offered {
			tag = offered
		}
	}
	w.Header().Set("Vary", "Accept-Language")
	w.Header().Set("Cache-Control", "no-cache")
	http.Redirect(w, r, "/"+tag+"/", http.StatusSeeOther)
}

// missing is the one page for everything that is not there: wrong, expired and unknown links look the same.
func (s *Site) missing(w http.ResponseWriter, r *request) error {
	return s.message(w, r, http.StatusNotFound, "missing.title", "missing.lead")
}

// message shows a page of a title and a sentence.
func (s *Site) message(w http.ResponseWriter, r *request, status int, title, lead string) error {
	return s.render(w, r, status, "message", view{title: title, anonymous: true, Body: lead})
}
