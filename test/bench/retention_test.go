// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/retention"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

// TestBenchRetention holds the purge against one plain DELETE of the same rows, looks at what a booking waits for
// meanwhile, and takes the time of audits. Half of the appointments are overdue, in random order of storage.
func TestBenchRetention(t *testing.T) {
	server := pgtest.Start(t)
	database, admin := prepared(t, server)
	rows := Scaled(2_000_000)
	report := NewReport(t, fmt.Sprintf("Retention: %d appointments with contacts, half of them overdue", rows))
	super := server.Superuser(t, database)

	plain, purged := newDatabaseTenant(), newDatabaseTenant()
	for _, tenant := range []postgres.Tenant{plain, purged} {
		must(t, admin.Ensure(t.Context(), tenant))
		fill(t, super, tenant.DataID, rows)
	}
	baseline := Measure(t, func() {
		execute(t, super, `DELETE FROM `+plain.DataID+`.appointment WHERE least(ends_at, cancelled_at) <= now() - interval '30 days'`)
	})
	execute(t, super, "VACUUM "+plain.DataID+".appointment")

	citizen := newCitizen(t, server, database, purged)
	idle := citizen.book(t, 400, nil)
	var result retention.Report
	done := make(chan struct{})
	var busy []float64
	var booking sync.WaitGroup
	booking.Go(func() { busy = citizen.book(t, 1<<30, done) })
	config, err := postgres.OperandConfig(databaseOf(server, database, purged.DataID),
		settings.Credentials{Username: postgres.RolesOf(purged.DataID).Retention, Password: purged.Retention})
	must(t, err)
	cost := Measure(t, func() { result, err = retention.Run(t.Context(), retention.Options{Config: config}) })
	close(done)
	booking.Wait()
	must(t, err)

	var longest time.Duration
	var removed int64
	for _, category := range result.Categories {
		longest, removed = max(longest, category.Longest), removed+category.Removed
	}
	report.Exactly("records removed: contacts and appointments", int(removed), rows/2*2)
	// As speed: rows a second of the purge beside rows a second of the DELETE, which removes both at once by cascade.
	report.AtLeast("rows a second, purge beside one DELETE", Count, float64(rows/2)/cost.Wall, float64(rows/2)/baseline.Wall, 0.5)
	report.Limit("longest batch", Duration, longest.Seconds(), 0.3)
	report.AtMost("booking p99 while it purges, beside idle", Duration, Percentile(busy, 99), Percentile(idle, 99), 2)
	one := Measure(t, func() { execute(t, super, "SELECT * FROM "+purged.DataID+".retention_audit()") })
	again := Measure(t, func() { execute(t, super, "SELECT * FROM "+purged.DataID+".retention_audit()") })
	report.Tell("audit of the tenant right after its purge, first", Duration, one.Wall)
	report.Limit("audit of the tenant right after its purge", Duration, again.Wall, 0.01)
	for _, rows := range []int{10_000, 100_000, 1_000_000} {
		benchGrowth(t, report, server, Scaled(rows))
	}
	for _, tenants := range []int{10, 100, 500, 2000} {
		benchAudit(t, report, server, Scaled(tenants), tenants <= 500)
	}
}

// benchGrowth takes what a purge and the audit after it cost at one size; half of the rows are overdue.
func benchGrowth(t *testing.T, report *Report, server *pgtest.Server, rows int) {
	t.Helper()
	database, admin := prepared(t, server)
	tenant := newDatabaseTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	super := server.Superuser(t, database)
	fill(t, super, tenant.DataID, rows)
	config, err := postgres.OperandConfig(databaseOf(server, database, tenant.DataID),
		settings.Credentials{Username: postgres.RolesOf(tenant.DataID).Retention, Password: tenant.Retention})
	must(t, err)
	cost := Measure(t, func() { _, err = retention.Run(t.Context(), retention.Options{Config: config}) })
	must(t, err)
	audit := Measure(t, func() { execute(t, super, "SELECT * FROM "+tenant.DataID+".retention_audit()") })
	report.Tell(fmt.Sprintf("purge of half of %d appointments, per 1,000 removed", rows), Duration, cost.Wall/max(1, float64(rows/2)/1000))
	report.Tell(fmt.Sprintf("audit of a tenant of %d appointments after it", rows), Duration, audit.Wall)
}

// benchAudit takes the audit of a database of its own.
func benchAudit(t *testing.T, report *Report, server *pgtest.Server, tenants int, limited bool) {
	t.Helper()
	database, admin := prepared(t, server)
	super := server.Superuser(t, database)
	for range tenants {
		tenant := newDatabaseTenant()
		must(t, admin.Ensure(t.Context(), tenant))
		fill(t, super, tenant.DataID, 10)
	}
	var walls []float64
	for range Rounds {
		walls = append(walls, Measure(t, func() {
			_, err := admin.Audit(t.Context())
			must(t, err)
		}).Wall)
	}
	if limited {
		report.Limit(fmt.Sprintf("audit of %d tenants in one database", tenants), Duration, Median(walls), 1)
		return
	}
	// More than a database should hold, to see how the cost grows.
	report.Tell(fmt.Sprintf("audit of %d tenants in one database", tenants), Duration, Median(walls))
}

// fill stores appointments with contacts, and a message for every tenth, half of them ended 31 to 61 days ago.
func fill(t *testing.T, super *pgx.Conn, schema string, rows int) {
	t.Helper()
	execute(t, super, fmt.Sprintf(`WITH a AS (
			INSERT INTO %[1]s.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
			SELECT 'hall', n, 'passport', 'OnSite', ended - interval '15 min', ended, 'confirmed', 'de', decode(md5(n::text), 'hex')
			FROM (SELECT n, now() + CASE WHEN n %% 2 = 0 THEN -interval '31 days' - random() * interval '30 days' ELSE random() * interval '30 days' END AS ended
				FROM generate_series(1, %[2]d) AS n) AS x
			RETURNING id)
		INSERT INTO %[1]s.contact (appointment_id, given_name, family_name, email, notice_date)
		SELECT id, 'Ada', 'Muster', id || '@example.org', current_date FROM a`, schema, rows))
	execute(t, super, fmt.Sprintf(`INSERT INTO %[1]s.message (appointment_id, sender, body)
		SELECT id, 'citizen', repeat('x', 100) FROM %[1]s.appointment WHERE counter %% 10 = 1`, schema))
	execute(t, super, fmt.Sprintf(`VACUUM ANALYZE %[1]s.appointment, %[1]s.contact, %[1]s.message`, schema))
}

// citizen holds slots and gives them up, as the app's role.
type citizen struct{ conn *pgx.Conn }

func newCitizen(t *testing.T, server *pgtest.Server, database string, tenant postgres.Tenant) *citizen {
	t.Helper()
	config, err := postgres.OperandConfig(databaseOf(server, database, tenant.DataID),
		settings.Credentials{Username: postgres.RolesOf(tenant.DataID).AppA, Password: tenant.AppA})
	must(t, err)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return &citizen{conn}
}

// book takes the seconds of each of at most so many holds; it ends early when done is closed.
func (c *citizen) book(t *testing.T, times int, done <-chan struct{}) (seconds []float64) {
	t.Helper()
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for range times {
		select {
		case <-done:
			return seconds
		case <-pace.C:
		}
		start := time.Now()
		_, err := c.conn.Exec(t.Context(), `WITH held AS (
			INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, locale, token_hash)
			VALUES ('desk', 1, 'passport', 'OnSite', now() + interval '1 day', now() + interval '1 day 15 min', 'de', decode(md5(random()::text), 'hex')) RETURNING id)
			SELECT id FROM held`)
		seconds = append(seconds, time.Since(start).Seconds())
		if err != nil {
			t.Error(err)
			return seconds
		}
		execute(t, c.conn, `DELETE FROM appointment WHERE office = 'desk' AND state = 'held'`)
	}
	return seconds
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	must(t, err)
}
