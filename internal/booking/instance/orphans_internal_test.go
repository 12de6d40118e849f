// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// losing counts orphans of a tenant that has lost the office of its one appointment; it gives what is logged, too.
func losing(t *testing.T) (*fixture.Tenant, *orphans, *bytes.Buffer) {
	t.Helper()
	g := NewWithT(t)
	tenant := fixture.New(t)
	before := tenant.Snapshot(t)
	offered := before.Catalogue.Office("einwohneramt").Slots(before.Catalogue.Service("ausweis"), time.Now())
	token := booking.NewNonce()
	g.Expect(tenant.Store.Hold(t.Context(), store.Hold{Office: "einwohneramt", Service: "ausweis", Channel: "OnSite", Counters: 2, Locale: "de",
		Token: token, Slot: offered[len(offered)-1]}, before.Expiry)).To(Succeed())
	g.Expect(tenant.Store.SaveContact(t.Context(), token, booking.Contact{GivenName: "Zoë", FamilyName: "Quittenbaum"}, "2026-05-31", before.Expiry)).To(Succeed())
	_, err := tenant.Store.Confirm(t.Context(), token, false, before.Expiry)
	g.Expect(err).NotTo(HaveOccurred())
	tenant.Document.Catalogue.Offices = tenant.Document.Catalogue.Offices[1:]
	after, logged := tenant.Snapshot(t), &bytes.Buffer{}
	return tenant, &orphans{bookings: tenant.Store, snapshot: func() *booking.Snapshot { return after }, counters: newMetrics(),
		log: slog.New(slog.NewTextHandler(logged, nil))}, logged
}

// gauge is what whoever scrapes is told.
func (o *orphans) gauge(t *testing.T) string {
	t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(o.counters.registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	return answer.Body.String()
}

func TestWhoGivesUpWhileOrphansAreCountedTakesNoCountFromOthers(t *testing.T) {
	g := NewWithT(t)
	_, left, logged := losing(t)
	g.Expect(left.look(t.Context(), 0).Appointments).To(Equal(1))
	impatient, gaveUp := context.WithCancel(t.Context())
	gaveUp()
	left.look(impatient, 0)
	g.Expect(left.gauge(t)).To(ContainSubstring("termintreu_orphaned_appointments 1\n"))
	told := left.look(t.Context(), time.Hour)
	g.Expect(told.Appointments).To(Equal(1))
	g.Expect(told.AgeSeconds).To(BeNumerically(">=", 0))
	g.Expect(logged.String()).NotTo(ContainSubstring("level=ERROR"))
}

func TestADatabaseThatFailsTakesTheCountAndIsNoNewsOnceItIsBack(t *testing.T) {
	g := NewWithT(t)
	tenant, left, logged := losing(t)
	g.Expect(left.look(t.Context(), 0).Appointments).To(Equal(1))
	super := tenant.Superuser(t)
	_, err := super.Exec(t.Context(), "ALTER TABLE appointment RENAME TO gone")
	g.Expect(err).NotTo(HaveOccurred())
	told := left.look(t.Context(), 0)
	g.Expect(told.AgeSeconds).To(Equal(-1.0))
	g.Expect(told.Appointments).To(BeZero())
	g.Expect(left.gauge(t)).NotTo(ContainSubstring("termintreu_orphaned_appointments"))
	g.Expect(strings.Count(logged.String(), "level=ERROR")).To(Equal(1))
	_, err = super.Exec(t.Context(), "ALTER TABLE gone RENAME TO appointment")
	g.Expect(err).NotTo(HaveOccurred())
	told = left.look(t.Context(), time.Hour)
	g.Expect(told.Appointments).To(Equal(1), "a count that failed is none: whoever asks next counts anew")
	g.Expect(left.gauge(t)).To(ContainSubstring("termintreu_orphaned_appointments 1\n"))
	g.Expect(strings.Count(logged.String(), "level=WARN")).To(Equal(1), "said once, as the catalogue is the same")
}
