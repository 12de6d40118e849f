// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
)

// comeBack is how many seconds a client waits before it asks again.
const comeBack = "120"

// speaksOfNobody tells the paths that need no data of citizens, so that they are served while it is restored.
func speaksOfNobody(path string) bool {
	return path == "/" || path == stylePath || path == "/api/openapi.json" || strings.HasPrefix(path, "/.well-known/") || strings.HasSuffix(path, "/privacy")
}

// books tells the paths that lead to a new appointment, or to another time for one.
func books(path string) bool {
	if strings.HasPrefix(path, "/staff/") {
		return strings.HasSuffix(path, "/book")
	}
	if strings.HasPrefix(path, "/api/") {
		return strings.HasPrefix(path, "/api/v1/services") || path == "/api/v1/appointment/move"
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return rest == "" && path != "/" && strings.HasSuffix(path, "/") || strings.HasPrefix(rest, "services/") || strings.HasPrefix(rest, "appointments/") && strings.HasSuffix(rest, "/move")
}

// closed says that the contract ends and nothing is booked any more; what was booked stays where its link leads (D4).
func (s *Site) closed(w http.ResponseWriter, r *http.Request, snapshot *booking.Snapshot) {
	s.instead(w, r, snapshot, http.StatusGone, "closed.title", "closed.lead")
}

// restoring says, in the citizen's language, that a backup is being brought back, or that the site is moving here: what
// was booked now would be lost.
func (s *Site) restoring(w http.ResponseWriter, r *http.Request, snapshot *booking.Snapshot) {
	w.Header().Set("Retry-After", comeBack)
	lead := "restoring.lead"
	if snapshot.Importing {
		lead = "importing.lead"
	}
	s.instead(w, r, snapshot, http.StatusServiceUnavailable, "restoring.title", lead)
}

// instead answers a page or a call with a message, in the citizen's language.
func (s *Site) instead(w http.ResponseWriter, r *http.Request, snapshot *booking.Snapshot, status int, title, lead string) {
	tag, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !slices.Contains(snapshot.Languages, tag) {
		tag = locale.Negotiate(r.Header.Get("Accept-Language"), snapshot.Languages)
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Content-Language", tag)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(problem{Title: locale.Get(tag).Say(title), Status: status})
		return
	}
	_ = s.message(w, &request{r, snapshot, locale.Get(tag)}, status, title, lead)
}
