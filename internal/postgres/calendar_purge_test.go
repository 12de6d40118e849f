// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
)

// office is the time zone of the office in the tests of the calendar.
const office = "Europe/Zurich"

// otherSeason is noon in the office on the eve of the last change of its clocks: between it and now lies just one.
func otherSeason(t *testing.T, now time.Time) time.Time {
	t.Helper()
	zone, err := time.LoadLocation(office)
	must(t, err)
	start, _ := now.In(zone).ZoneBounds()
	if start.IsZero() {
		t.Fatalf("%s never changed its clocks", office)
	}
	eve := start.AddDate(0, 0, -1)
	return time.Date(eve.Year(), eve.Month(), eve.Day(), 12, 0, 0, 0, zone)
}

// anchors are start events the calendar makes something special of.
func anchors(t *testing.T, now time.Time) map[string]time.Time {
	t.Helper()
	zone, err := time.LoadLocation(office)
	must(t, err)
	return map[string]time.Time{
		"the eve of the last change of clocks": otherSeason(t, now),
		"the hour that did not exist":          time.Date(2024, 3, 31, 2, 30, 0, 0, zone),
		"the hour that came twice":             time.Date(2024, 10, 27, 2, 30, 0, 0, zone),
		"a leap day":                           time.Date(2024, 2, 29, 23, 59, 59, 0, zone),
		"the eve of March in a common year":    time.Date(2023, 2, 28, 23, 59, 59, 0, zone),
	}
}

// Every category, by every start event, under either action, goes at its second, whatever the calendar did between the
// start and now and whatever zone the purge's session is in (acceptance 1 of the retention issue).
func TestAPurgeKeepsToTheSecondAcrossTheCalendar(t *testing.T) {
	server, database, admin := prepared(t)
	for _, actions := range []map[v1alpha1.Category]v1alpha1.Action{nil, otherActions} {
		tenant := withActions(newTenant(), actions)
		must(t, admin.Ensure(t.Context(), tenant))
		super := server.Superuser(t, database)
		now := value[time.Time](t, super, "SELECT now()")
		turn := 0
		for when, start := range anchors(t, now) {
			for kind, insert := range store {
				turn++
				oneRecord{super, tenant, kind, insert, zones[turn%len(zones)]}.atItsEnd(t, when, start)
			}
		}
	}
}

// oneRecord is a record of the table store, purged in a session of a zone.
type oneRecord struct {
	super              *pgx.Conn
	tenant             postgres.Tenant
	kind, insert, zone string
}

func (r oneRecord) atItsEnd(t *testing.T, when string, start time.Time) {
	t.Helper()
	category, _, _ := strings.Cut(r.kind, ",")
	for _, moment := range []struct {
		name   string
		beyond time.Duration
		gone   int64
	}{{"one second before", -time.Second, 0}, {"at", 0, 1}, {"one second after", time.Second, 1}} {
		if removed := r.purged(t, category, start, moment.beyond); removed != moment.gone {
			t.Errorf("%s that started on %s (%s), %s its end, in a session of %s: removed %d, want %d",
				r.kind, when, start, moment.name, r.zone, removed, moment.gone)
		}
	}
}

// purged stores the record, gives its category the period that ended so long ago, and purges; all in one transaction,
// in which now() stands still, and which is given up.
func (r oneRecord) purged(t *testing.T, category string, start time.Time, beyond time.Duration) (removed int64) {
	t.Helper()
	tx, err := r.super.Begin(t.Context())
	must(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	inSchema(t, tx, r.tenant.DataID)
	var now time.Time
	must(t, tx.QueryRow(t.Context(), "SELECT now()").Scan(&now))
	age := now.Sub(start)
	for _, step := range []struct {
		sql       string
		arguments []any
	}{
		{"SET LOCAL TimeZone = '" + r.zone + "'", nil},
		{`UPDATE retention_rule SET period = $1 WHERE category = $2`, []any{age - beyond, category}},
		{r.insert, []any{age}},
	} {
		_, err = tx.Exec(t.Context(), step.sql, step.arguments...)
		must(t, err)
	}
	must(t, tx.QueryRow(t.Context(), `SELECT purge($1, 10, gen_random_uuid())`, category).Scan(&removed))
	return removed
}

// Counting days of the calendar instead, as a statement with an interval of days does, is an hour wrong after each
// change of clocks: the boundaries above would find it out.
func TestCountingDaysOfTheCalendarWouldMissTheSecond(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	exec(t, super, "SET TimeZone = '"+office+"'")
	start := otherSeason(t, value[time.Time](t, super, "SELECT now()"))
	wrong := 0
	for beyond, due := range map[string]bool{"-1 s": false, "0 s": true, "1 s": true} {
		// The difference of two times is given in days and time; added again, its days are days of the calendar.
		if value[bool](t, super, `SELECT $1::timestamptz + (now() - $1::timestamptz - $2::text::interval) <= now()`, start, beyond) != due {
			wrong++
		}
	}
	if wrong == 0 {
		t.Error("the naive statement meets every boundary, so that the tests of the calendar show nothing")
	}
}
