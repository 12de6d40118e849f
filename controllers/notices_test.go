// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

func TestOnlyANoticeIsTakenForANotice(t *testing.T) {
	sound := settings.NoticeDocument{PlanHash: "plan-1", Notice: settings.Notice{Date: "2026-05-31", Regime: "GDPR"}}
	for name, test := range map[string]struct {
		serve http.HandlerFunc
		want  string
	}{
		"a notice": {func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(sound) }, ""},
		"a page":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "no notice"},
		"an error": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, "503"},
		"a redirect, which is not followed": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, "302"},
		"an endless answer": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"planHash":"` + strings.Repeat("x", 2*maxNotice) + `"}`))
		}, "no notice"},
	} {
		t.Run(name, func(t *testing.T) {
			site := httptest.NewServer(test.serve)
			defer site.Close()
			reader := &NoticeReader{http: *site.Client()}
			reader.http.CheckRedirect = refuseRedirects
			document, err := reader.fetch(t.Context(), site.URL+noticePath)
			switch {
			case test.want == "":
				if err != nil || document.PlanHash != "plan-1" || plan.Hash(document.Notice) != plan.Hash(sound.Notice) {
					t.Errorf("the notice read is %+v, error %v", document, err)
				}
			case err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "127.0.0.1"):
				t.Errorf("the error is %v", err)
			}
		})
	}
}
