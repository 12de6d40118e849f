// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/booking/store"
)

const (
	maxBody      = 16 << 10
	maxUserAgent = 256
)

const contentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// recorder remembers the status for logs and metrics.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(body)
}

// guard sets the headers, refuses foreign forms, and observes. What it logs is the route's pattern: never a path, a
// query, a referrer or an address.
func (s *Site) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorded := &recorder{ResponseWriter: w}
		defer s.observe(recorded, r, began)
		s.headers(w.Header())
		r.Body = http.MaxBytesReader(recorded, r.Body, maxBody)
		if r.Method != http.MethodGet && r.Method != http.MethodHead && foreign(r) {
			tag := locale.Negotiate(r.Header.Get("Accept-Language"), s.Snapshot().Languages)
			_ = s.message(recorded, &request{r, s.Snapshot(), locale.Get(tag)}, http.StatusForbidden, "foreign.title", "foreign.lead")
			return
		}
		if snapshot := s.Snapshot(); snapshot.Restoring && !speaksOfNobody(r.URL.Path) {
			s.restoring(recorded, r, snapshot)
			return
		}
		if snapshot := s.Snapshot(); snapshot.Closing && books(r.URL.Path) {
			s.closed(recorded, r, snapshot)
			return
		}
		next.ServeHTTP(recorded, r)
	})
}

func (s *Site) headers(header http.Header) {
	header.Set("Content-Security-Policy", contentSecurityPolicy)
	if asksForWork(s.Snapshot()) {
		header.Set("Content-Security-Policy", contentSecurityPolicyWithWork)
	}
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), browsing-topics=()")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Robots-Tag", "noindex")
	if strings.HasPrefix(s.Snapshot().URL, "https://") {
		header.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

func (s *Site) observe(w *recorder, r *http.Request, began time.Time) {
	if fault := recover(); fault != nil {
		// The value of a panic may hold anything, so it is not logged.
		s.Log.Error("request panicked", "route", route(r))
		if w.status == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	took := time.Since(began)
	s.Log.Info("request", "method", method(r), "route", route(r), "status", w.status, "duration_ms", took.Milliseconds())
	if s.Observe != nil {
		s.Observe(method(r), route(r), w.status, took)
	}
	if s.Access != nil && r.Pattern != "GET "+stylePath && r.Pattern != "GET "+logoPath && r.Pattern != "GET "+scriptPath {
		s.Access(store.Access{At: began, Address: textOf(ClientAddress(r)), UserAgent: userAgent(r),
			Method: method(r), Route: route(r), Status: w.status})
	}
}

// route is the pattern that matched, without its method.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		return "none"
	}
	return path
}

// method is the request's, or "other": clients may invent methods, and metrics must stay few.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
		return r.Method
	}
	return "other"
}

func userAgent(r *http.Request) string {
	agent := strings.ReplaceAll(strings.ToValidUTF8(r.UserAgent(), ""), "\x00", "")
	for len(agent) > maxUserAgent {
		_, size := utf8.DecodeLastRuneInString(agent)
		agent = agent[:len(agent)-size]
	}
	return agent
}

func textOf(address netip.Addr) *string {
	if !address.IsValid() {
		return nil
	}
	text := address.String()
	return &text
}

// foreign tells whether a form came from another site. There is no cookie to ride on, but a foreign page should not
// hold slots through its visitors either. Browsers send "null" as origin under our own referrer policy, which is why
// Sec-Fetch-Site is asked first.
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" {
		return false
	}
	from, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(from.Host, r.Host)
}

// ClientAddress is the peer's, or, when the peer is a proxy on a private network, the last hop the proxy saw: anything
// before it is what the client claims.
func ClientAddress(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	peer, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	peer = peer.Unmap().WithZone("")
	if !peer.IsPrivate() && !peer.IsLoopback() {
		return peer
	}
	hops := r.Header.Values("X-Forwarded-For")
	if len(hops) == 0 {
		return peer
	}
	last := hops[len(hops)-1]
	last = strings.TrimSpace(last[strings.LastIndex(last, ",")+1:])
	if seen, err := netip.ParseAddr(last); err == nil {
		return seen.Unmap().WithZone("")
	}
	return peer
}
