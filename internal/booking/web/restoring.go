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

// restoring says, in the citizen's language, that a backup is being brought back: what was booked now would be lost.
func (s *Site) restoring(w http.ResponseWriter, r *http.Request, snapshot *booking.Snapshot) {
	tag, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !slices.Contains(snapshot.Languages, tag) {
		tag = locale.Negotiate(r.Header.Get("Accept-Language"), snapshot.Languages)
	}
	w.Header().Set("Retry-After", comeBack)
	if strings.HasPrefix(r.URL.Path, "/api/") {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Content-Language", tag)
		w.WriteHeader(http.StatusServiceUnavailable)
		_ = json.NewEncoder(w).Encode(problem{Title: locale.Get(tag).Say("restoring.title"), Status: http.StatusServiceUnavailable})
		return
	}
	_ = s.message(w, &request{r, snapshot, locale.Get(tag)}, http.StatusServiceUnavailable, "restoring.title", "restoring.lead")
}
