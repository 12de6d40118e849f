// SPDX-License-Identifier: Apache-2.0

package instance_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/instance"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/store"
	"github.com/termintreu/termintreu/internal/settings"
)

func TestAChangeOfTheCatalogueThatOrphansAppointmentsIsReportedAndTakesNone(t *testing.T) {
	g := NewWithT(t)
	tenant := fixture.New(t)
	expiry := booking.Expiry{Hold: time.Hour, Unconfirmed: time.Hour}
	snapshot := tenant.Snapshot(t)
	office, service := snapshot.Catalogue.Office("einwohneramt"), snapshot.Catalogue.Service("ausweis")
	offered := office.Slots(service, time.Now())
	token := booking.NewNonce()
	g.Expect(tenant.Store.Hold(t.Context(), store.Hold{Office: "einwohneramt", Service: "ausweis", Channel: "OnSite", Counters: 2, Locale: "de",
		Token: token, Slot: offered[len(offered)-1]}, expiry)).To(Succeed())
	g.Expect(tenant.Store.SaveContact(t.Context(), token, booking.Contact{GivenName: "Zoë", FamilyName: "Quittenbaum"}, "2026-05-31", expiry)).To(Succeed())
	_, err := tenant.Store.Confirm(t.Context(), token, false, expiry)
	g.Expect(err).NotTo(HaveOccurred())

	path := filepath.Join(t.TempDir(), settings.FileKey)
	write(t, path, tenant.Document)
	ctx, stop := context.WithCancel(t.Context())
	internal, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- instance.Run(ctx, instance.Options{SettingsFile: path, DatabaseDir: tenant.DatabaseDir, Listen: "127.0.0.1:0", InternalListen: "127.0.0.1:0",
			Log: slog.New(slog.DiscardHandler), Listening: func(_, port net.Addr) { internal <- port.String() }})
	}()
	var address string
	g.Eventually(internal, "30s").Should(Receive(&address))
	metrics := func() string { _, body := get(address, "/metrics"); return body }
	g.Eventually(metrics, "30s").Should(ContainSubstring("termintreu_orphaned_appointments 0\n"))
	tenant.Document.Catalogue.Offices = tenant.Document.Catalogue.Offices[1:]
	write(t, path, tenant.Document)
	g.Eventually(metrics, "30s").Should(ContainSubstring("termintreu_orphaned_appointments 1\n"))
	status, report := get(address, settings.OrphansPath)
	g.Expect(status).To(Equal(http.StatusOK))
	told := settings.OrphansReport{}
	g.Expect(json.Unmarshal([]byte(report), &told)).To(Succeed())
	g.Expect(told.AgeSeconds).To(BeNumerically(">=", 0))
	g.Expect(told.CatalogueHash).To(Equal(tenant.Document.CatalogueHash()))
	g.Expect(told.Appointments).To(Equal(1))
	g.Expect(told.Orphans).To(ConsistOf(settings.Orphans{Office: "einwohneramt", Service: "ausweis", Cause: "the office is gone", Appointments: 1}))
	g.Expect(metrics() + report).NotTo(ContainSubstring("Quittenbaum"))
	found, err := tenant.Store.Find(t.Context(), token, expiry)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.State).To(Equal(booking.StateConfirmed))
	stop()
	g.Eventually(ended, "30s").Should(Receive(BeNil()))
}
