// SPDX-License-Identifier: Apache-2.0

package instance_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/termintreu/termintreu/internal/booking/instance"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/settings"
)

func write(t *testing.T, path string, document *settings.Instance) {
	t.Helper()
	raw, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	// A rename, as the kubelet does, so that nobody reads half a document.
	if err := os.WriteFile(path+".new", raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func get(address, path string) (int, string) {
	response, err := http.Get("http://" + address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

func TestAnInstanceServesReloadsAndDrains(t *testing.T) {
	g := NewWithT(t)
	tenant := fixture.New(t)
	path := filepath.Join(t.TempDir(), settings.FileKey)
	write(t, path, tenant.Document)
	ctx, stop := context.WithCancel(t.Context())
	addresses, ended := make(chan [2]string, 1), make(chan error, 1)
	go func() {
		ended <- instance.Run(ctx, instance.Options{SettingsFile: path, DatabaseDir: tenant.DatabaseDir, Listen: "127.0.0.1:0", InternalListen: "127.0.0.1:0",
			Drain: 2 * time.Second, Log: slog.New(slog.DiscardHandler),
			Listening: func(site, internal net.Addr) { addresses <- [2]string{site.String(), internal.String()} }})
	}()
	var open [2]string
	g.Eventually(addresses, "10s").Should(Receive(&open))
	status := func(address, path string) func() int {
		return func() int { code, _ := get(address, path); return code }
	}
	page := func() string { _, body := get(open[0], "/de/"); return body }
	g.Eventually(status(open[1], "/readyz"), "10s").Should(Equal(http.StatusOK))
	g.Expect(status(open[1], "/healthz")()).To(Equal(http.StatusOK))
	g.Expect(page()).To(ContainSubstring("Beratung"))
	g.Expect(status(open[0], "/metrics")()).To(Equal(http.StatusNotFound), "metrics are for the internal port")

	tenant.Document.Catalogue.Services[1].DisplayName["de"] = "Neue Beratung"
	write(t, path, tenant.Document)
	g.Eventually(page, "15s").Should(ContainSubstring("Neue Beratung"))
	g.Expect(os.WriteFile(path, []byte(`{"catalogue": 1}`), 0o600)).To(Succeed())
	_, metrics := get(open[1], "/metrics")
	g.Expect(metrics).To(ContainSubstring(`termintreu_http_requests_total{method="GET",route="/{lang}/{$}",status="200"}`))
	g.Eventually(func() (rows int) {
		_ = tenant.Superuser(t).QueryRow(t.Context(), "SELECT count(*) FROM access_log WHERE route = '/{lang}/{$}'").Scan(&rows)
		return rows
	}, "15s").Should(BeNumerically(">", 0), "the policy has a rule for the access log")
	g.Expect(page()).To(ContainSubstring("Neue Beratung"), "an invalid document keeps the last valid one")

	stop()
	g.Eventually(status(open[1], "/readyz"), "1s").Should(Equal(http.StatusServiceUnavailable))
	g.Expect(page()).To(ContainSubstring("Neue Beratung"), "while it drains it still serves")
	g.Eventually(ended, "30s").Should(Receive(BeNil()))
}

func TestAnInstanceWhoseDatabaseIsAwayIsAliveAndNotReady(t *testing.T) {
	g := NewWithT(t)
	document := fixture.Document()
	document.Database = settings.Database{Host: "localhost", Port: 1, Name: "none", Schema: "tnone", CABundle: "none"}
	path := filepath.Join(t.TempDir(), settings.FileKey)
	write(t, path, document)
	ctx, stop := context.WithCancel(t.Context())
	addresses, ended := make(chan [2]string, 1), make(chan error, 1)
	go func() {
		ended <- instance.Run(ctx, instance.Options{SettingsFile: path, DatabaseDir: t.TempDir(), Listen: "127.0.0.1:0", InternalListen: "127.0.0.1:0",
			Log: slog.New(slog.DiscardHandler), Listening: func(site, internal net.Addr) { addresses <- [2]string{site.String(), internal.String()} }})
	}()
	var open [2]string
	g.Eventually(addresses, "10s").Should(Receive(&open))
	alive, _ := get(open[1], "/healthz")
	ready, _ := get(open[1], "/readyz")
	notice, body := get(open[0], "/de/privacy")
	slots, apology := get(open[0], "/de/services/ausweis/offices/einwohneramt")
	g.Expect([]int{alive, ready, notice, slots}).To(Equal([]int{200, 503, 200, 503}))
	g.Expect(strings.Contains(body, "Kanton Basel-Stadt") && strings.Contains(apology, "Das hat nicht geklappt")).To(BeTrue())
	stop()
	g.Eventually(ended, "30s").Should(Receive(BeNil()))
}

func TestAnInstanceRefusesASettingsDocumentItCannotServe(t *testing.T) {
	for name, spoil := range map[string]func(*settings.Instance){
		"no rule for holds":     func(d *settings.Instance) { d.Notice.Rules = d.Notice.Rules[1:] },
		"an unknown time zone":  func(d *settings.Instance) { d.Catalogue.Offices[0].TimeZone = "Europe/Atlantis" },
		"an unspoken language":  func(d *settings.Instance) { d.Locales = append(d.Locales, "tlh") },
		"no language":           func(d *settings.Instance) { d.Locales = nil },
		"a duration of nothing": func(d *settings.Instance) { d.Catalogue.Services[0].Duration = "0m" },
		"no schema":             func(*settings.Instance) {},
	} {
		t.Run(name, func(t *testing.T) {
			document := fixture.Document()
			if name != "no schema" {
				document.Database = settings.Database{Host: "localhost", Schema: "t1"}
			}
			spoil(document)
			path := filepath.Join(t.TempDir(), settings.FileKey)
			write(t, path, document)
			if _, err := instance.NewSource(path, slog.New(slog.DiscardHandler)); err == nil {
				t.Error("it is accepted")
			}
		})
	}
}
