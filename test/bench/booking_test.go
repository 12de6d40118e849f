// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
	"github.com/termintreu/termintreu/internal/booking/web"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

const slotsPath = "/de/services/passport/offices/hall"

// site is a booking site on a schema of its own, behind a real HTTP server.
type site struct {
	address  string
	snapshot *booking.Snapshot
	// settings and credentials are what a process of its own is started with.
	settings    settings.Instance
	credentials string
	database    settings.Database
	server      *pgtest.Server
	client      *http.Client
}

func newSite(tb testing.TB, server *pgtest.Server, database string, admin *postgres.Admin, counters int32) *site {
	tb.Helper()
	tenant := newDatabaseTenant()
	must(tb, admin.Ensure(tb.Context(), tenant))
	s := &site{server: server, database: databaseOf(server, database, tenant.DataID), settings: settingsOf(tb, server, database, counters)}
	s.settings.Database = s.database
	var err error
	s.snapshot, err = booking.NewSnapshot(&s.settings)
	must(tb, err)
	dir := tb.TempDir()
	s.credentials = dir
	must(tb, os.WriteFile(filepath.Join(dir, settings.UsernameKey), []byte(postgres.RolesOf(tenant.DataID).AppA), 0o600))
	must(tb, os.WriteFile(filepath.Join(dir, settings.PasswordKey), []byte(tenant.AppA), 0o600))
	bookings, err := store.Open(tb.Context(), func() settings.Database { return s.database }, dir)
	must(tb, err)
	tb.Cleanup(bookings.Close)
	running := httptest.NewServer(web.New(web.Options{
		Snapshot: func() *booking.Snapshot { return s.snapshot }, Store: bookings, Clock: time.Now,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Limit: web.NewLimiter(1_000_000, time.Second, time.Now),
		Access: func(store.Access) {}, Observe: func(string, string, int, time.Duration) {}, Event: func(string) {},
	}).Handler())
	tb.Cleanup(running.Close)
	s.address = running.URL
	s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s
}

// settingsOf gives the settings the operator would write: an office open every day for eight hours, booked 60 days ahead.
func settingsOf(tb testing.TB, server *pgtest.Server, database string, counters int32) settings.Instance {
	tb.Helper()
	tenant := newTenant("basel", "termine", recipient(tb))
	office := &tenant.Spec.Catalogue.Offices[0]
	office.Counters, office.BookableDays, office.SlotLength = counters, 60, "30m"
	tenant.Spec.Catalogue.Services[0].Duration = "30m"
	office.OpeningHours = nil
	for day := time.Sunday; day <= time.Saturday; day++ {
		office.OpeningHours = append(office.OpeningHours, v1alpha1.OpeningHours{Day: v1alpha1.Weekday(day.String()), From: "08:00", Until: "16:00"})
	}
	p, err := plan.Build(plan.Input{
		Tenant: tenant, Policy: newPolicy(), Region: newRegion(server, database, nil), Now: time.Now(), Defaults: plan.Defaults{Image: image},
		Placement: &v1alpha1.DatabasePlacement{Server: "pg-1", Name: database, Schema: "t0"},
	})
	must(tb, err)
	return p.Instance.Settings
}

// execute runs a statement in the tenant's schema as superuser.
func (s *site) execute(tb testing.TB, sql string, arguments ...any) {
	tb.Helper()
	conn := s.server.Superuser(tb, s.database.Name)
	_, err := conn.Exec(tb.Context(), "SET search_path = "+pgx.Identifier{s.database.Schema}.Sanitize()+", extensions")
	must(tb, err)
	_, err = conn.Exec(tb.Context(), sql, arguments...)
	must(tb, err)
}

// book fills three slots of ten over the next 60 days at 50 counters.
func (s *site) book(tb testing.TB) {
	tb.Helper()
	s.execute(tb, `INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, confirmed_at)
		SELECT 'hall', c, 'passport', 'OnSite', at, at + interval '30 minutes', 'confirmed', 'de', sha256(format('%s %s', c, at)::bytea), now()
		FROM generate_series(1, 50) AS c, generate_series(1, 60) AS d, generate_series(0, 15) AS s,
			LATERAL (SELECT date_trunc('day', now()) + make_interval(days => d, mins => 480 + 30 * s) AS at) AS t
		WHERE (7 * c + 3 * d + s) % 10 < 3`)
	s.execute(tb, `ANALYZE appointment`)
}

// remember adds appointments that are over.
func (s *site) remember(tb testing.TB, past int) {
	tb.Helper()
	s.execute(tb, `INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, confirmed_at)
		SELECT 'hall', 1 + n % 50, 'passport', 'OnSite', at, at + interval '30 minutes', 'confirmed', 'de', sha256(n::text::bytea), at
		FROM generate_series(0, $1::int - 1) AS n, LATERAL (SELECT now() - make_interval(mins => 30 * (n / 50 + 1)) AS at) AS t`, past)
	s.execute(tb, `ANALYZE appointment`)
}

func (s *site) get(tb testing.TB) (seconds float64) {
	tb.Helper()
	start := time.Now()
	response, err := s.client.Get(s.address + slotsPath)
	must(tb, err)
	_, err = io.Copy(io.Discard, response.Body)
	must(tb, err)
	must(tb, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		tb.Fatalf("the page of free slots answers %s", response.Status)
	}
	return time.Since(start).Seconds()
}

// TestBenchBooking measures what a citizen waits for: the page of free slots, and one slot that a thousand want.
func TestBenchBooking(t *testing.T) {
	requests, past := max(20, Scaled(300)), Scaled(100_000)
	report := NewReport(t, fmt.Sprintf("Booking: 60 days of 50 counters, %d past appointments", past))
	server := pgtest.Start(t)
	database, admin := prepared(t, server)
	empty, full := newSite(t, server, database, admin, 50), newSite(t, server, database, admin, 50)
	empty.book(t)
	full.book(t)
	full.remember(t, past)
	var with, without []float64
	for range Rounds {
		var slow, quick []float64
		for range requests {
			quick = append(quick, empty.get(t))
			slow = append(slow, full.get(t))
		}
		with, without = append(with, Percentile(slow, 95)), append(without, Percentile(quick, 95))
	}
	report.Limit("free slots, 95 of 100 citizens wait at most", Duration, Median(with), 0.1)
	report.AtMost("free slots, beside an empty history", Duration, Median(with), Median(without), 1.2)
	cost := Measure(t, func() {
		for range requests {
			full.get(t)
		}
	})
	report.Tell("CPU of a page of free slots, database included", Duration, cost.CPU/float64(requests))
	reportHolds(t, report, newSite(t, server, database, admin, 1), Scaled(1000))
	reportInstance(t, report, full)
}

func reportHolds(tb testing.TB, report *Report, s *site, citizens int) {
	tb.Helper()
	service, office := s.snapshot.Catalogue.Service("passport"), s.snapshot.Catalogue.Office("hall")
	offered := office.Slots(service, time.Now())
	start := offered[len(offered)/2].Start
	statuses := make([]int, citizens)
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	for i := range citizens {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-begin
			statuses[i] = s.hold(tb.Context(), start)
		})
	}
	ready.Wait()
	cost := Measure(tb, func() { close(begin); done.Wait() })
	won, faults := 0, 0
	for _, status := range statuses {
		switch {
		case status == http.StatusSeeOther:
			won++
		case status != http.StatusConflict:
			faults++
		}
	}
	report.Exactly(fmt.Sprintf("citizens of %d who get one slot at once", citizens), won, 1)
	report.Exactly("answers that are neither the slot nor a polite no", faults, 0)
	report.Tell("until the last of them has an answer", Duration, cost.Wall)
}

// hold gives the status of the answer, 0 when there was none.
func (s *site) hold(ctx context.Context, start time.Time) int {
	form := url.Values{"nonce": {booking.NewNonce()}, "channel": {"OnSite"}, "start": {start.UTC().Format(time.RFC3339)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address+slotsPath+"/hold", strings.NewReader(form.Encode()))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := s.client.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}
