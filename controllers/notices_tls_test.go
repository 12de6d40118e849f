// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/serving"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/certtest"
)

// B4: a notice is believed only from whoever holds a certificate the operator signed for that very Service.
func TestANoticeIsReadFromTheTenantsOwnSiteAlone(t *testing.T) {
	ours, theirs := certtest.Authority(t), certtest.Authority(t)
	host := resources.ServiceHost("basel", "site")
	for name, test := range map[string]struct {
		signer *serving.Authority
		host   string
		read   bool
	}{
		"the site":                        {ours, host, true},
		"another tenant's site":           {ours, resources.ServiceHost("bern", "site"), false},
		"somebody with another authority": {theirs, host, false},
	} {
		t.Run(name, func(t *testing.T) {
			site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(settings.NoticeDocument{PlanHash: "plan-1"})
			}))
			site.TLS = &tls.Config{Certificates: []tls.Certificate{*certtest.Certificate(t, test.signer, test.host)}, MinVersion: tls.VersionTLS12}
			site.StartTLS()
			defer site.Close()
			reader := &NoticeReader{Serving: &Serving{authority: ours}}
			reader.http = http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialTLSContext: reader.dial}}
			ctx := context.WithValue(t.Context(), serviceAddress{}, site.Listener.Addr().String())
			document, err := reader.fetch(ctx, "https://"+host+noticePath)
			if read := err == nil && document.PlanHash == "plan-1"; read != test.read {
				t.Errorf("the notice was read: %t (%v), want %t", read, err, test.read)
			}
		})
	}
}
