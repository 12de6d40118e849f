// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/retention"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

const day = 24 * time.Hour

// tenancy is a tenant on the test server, the purge's way to it, and a superuser who looks at the result.
type tenancy struct {
	postgres.Tenant
	admin  *postgres.Admin
	config *pgx.ConnConfig
	super  *pgx.Conn
}

func newTenancy(t *testing.T) *tenancy {
	t.Helper()
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	admin, err := postgres.Open(t.Context(), postgres.Server{
		Name: "test", Host: server.Host, Port: server.Port, CABundle: server.CABundle,
		Username: server.AdminUser, Password: server.AdminPassword,
	}, database)
	must(t, err)
	t.Cleanup(admin.Close)
	must(t, admin.Prepare(t.Context()))
	tenant := postgres.Tenant{
		DataID: "t" + strings.ToLower(rand.Text())[:15], SpecHash: "x", Retention: rand.Text(), AppA: rand.Text(),
		Rules: []postgres.Rule{
			rule(v1alpha1.CategoryHold, v1alpha1.StartCreation, 15*time.Minute, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryUnconfirmedBooking, v1alpha1.StartCreation, time.Hour, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryContact, v1alpha1.StartAppointmentEnd, 30*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryAppointment, v1alpha1.StartAppointmentEnd, 30*day, v1alpha1.ActionAnonymize),
			rule(v1alpha1.CategoryMailOutbox, v1alpha1.StartSent, 3*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryAccessLog, v1alpha1.StartCreation, 7*day, v1alpha1.ActionStrip),
		},
	}
	must(t, admin.Ensure(t.Context(), tenant))
	config, err := postgres.OperandConfig(
		settings.Database{Host: server.Host, Port: server.Port, Name: database, Schema: tenant.DataID, CABundle: server.CABundle},
		settings.Credentials{Username: postgres.RolesOf(tenant.DataID).Retention, Password: tenant.Retention})
	must(t, err)
	x := &tenancy{tenant, admin, config, server.Superuser(t, database)}
	_, err = x.super.Exec(t.Context(), "SET search_path = "+pgx.Identifier{tenant.DataID}.Sanitize())
	must(t, err)
	return x
}

func rule(category v1alpha1.Category, start v1alpha1.StartEvent, period time.Duration, action v1alpha1.Action) postgres.Rule {
	return postgres.Rule{Category: category, StartEvent: start, Period: period, Action: action}
}

// book stores confirmed appointments with contacts that ended so long ago, one after another.
func (x *tenancy) book(t *testing.T, number int, ended time.Duration) {
	t.Helper()
	_, err := x.super.Exec(t.Context(), `WITH a AS (
		INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		SELECT gen_random_uuid()::text, 1, 'passport', 'OnSite', now() - $2::interval - interval '15 min', now() - $2::interval, 'confirmed', 'de',
			convert_to(gen_random_uuid()::text, 'UTF8') FROM generate_series(1, $1) RETURNING id)
		INSERT INTO contact (appointment_id, given_name, family_name, notice_date) SELECT id, 'Ada', 'Muster', current_date FROM a`, number, ended)
	must(t, err)
}

func (x *tenancy) count(t *testing.T, what string) (n int64) {
	t.Helper()
	must(t, x.super.QueryRow(t.Context(), "SELECT "+what).Scan(&n))
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPurgeRemovesWhatIsDueInBatchesAndLeavesTheRest(t *testing.T) {
	x := newTenancy(t)
	x.book(t, 1050, 31*day)
	x.book(t, 3, 29*day)
	var log, table bytes.Buffer
	report, err := retention.Run(t.Context(), retention.Options{Config: x.config, BatchSize: 100, Log: slog.New(slog.NewJSONHandler(&log, nil))})
	must(t, err)
	for _, category := range report.Categories {
		want := int64(0)
		if category.Name == v1alpha1.CategoryContact || category.Name == v1alpha1.CategoryAppointment {
			want = 1050
		}
		if category.Removed != want || !category.Finished || want > 0 && category.Batches < 11 {
			t.Errorf("%+v, want %d removed in batches of at most 100", category, want)
		}
	}
	if left := x.count(t, "(SELECT count(*) FROM appointment) + (SELECT count(*) FROM contact)"); left != 6 {
		t.Errorf("%d records left, want the 6 that are not due", left)
	}
	if counted := x.count(t, "sum(count) FROM appointment_count"); counted != 1050 {
		t.Errorf("%d appointments counted", counted)
	}
	must(t, report.Print(&table))
	if printed := log.String() + table.String(); strings.Contains(printed, "Ada") || strings.Contains(printed, "Muster") {
		t.Error("a name is in the purge's output")
	}
	audit, err := x.admin.Audit(t.Context())
	must(t, err)
	if audit.Tenants[0].LastPurge == nil {
		t.Error("the audit knows of no purge")
	}
}

func TestTwoPurgesAtOnceRemoveEachRecordOnce(t *testing.T) {
	x := newTenancy(t)
	x.book(t, 600, 31*day)
	var runs errgroup.Group
	removed := make([]int64, 3)
	for n := range removed {
		runs.Go(func() error {
			report, err := retention.Run(t.Context(), retention.Options{Config: x.config, BatchSize: 50})
			for _, category := range report.Categories {
				if category.Name == v1alpha1.CategoryAppointment {
					removed[n] = category.Removed
				}
			}
			return err
		})
	}
	must(t, runs.Wait())
	// What one skipped because another held it may be left to a next run, never removed or counted twice.
	_, err := retention.Run(t.Context(), retention.Options{Config: x.config})
	must(t, err)
	if left := x.count(t, "count(*) FROM appointment"); left != 0 {
		t.Errorf("%d appointments left", left)
	}
	if counted := x.count(t, "sum(count) FROM appointment_count"); counted != 600 {
		t.Errorf("600 appointments were counted as %d", counted)
	}
}

func TestADryRunTellsWhatIsDueAndRemovesNothing(t *testing.T) {
	x := newTenancy(t)
	x.book(t, 2, 31*day)
	due, err := retention.DryRun(t.Context(), x.config)
	must(t, err)
	var table bytes.Buffer
	must(t, retention.PrintDue(&table, due))
	for _, d := range due {
		if d.Category == v1alpha1.CategoryContact && (d.Due != 2 || d.Stored != 2 || d.Period != 30*day || d.Oldest == nil) {
			t.Errorf("contacts %+v", d)
		}
	}
	if len(due) != 6 || !strings.Contains(table.String(), "Contact") || x.count(t, "count(*) FROM contact") != 2 {
		t.Errorf("table:\n%s", &table)
	}
}

func TestAPurgeOutOfTimeSaysSoAndIsNotTakenForFinished(t *testing.T) {
	x := newTenancy(t)
	x.book(t, 10, 31*day)
	report, err := retention.Run(t.Context(), retention.Options{Config: x.config, TimeBudget: time.Nanosecond})
	if !errors.Is(err, retention.ErrUnfinished) || report.Categories[0].Finished {
		t.Errorf("%v, %+v", err, report)
	}
	audit, err := x.admin.Audit(t.Context())
	must(t, err)
	if audit.Tenants[0].LastPurge != nil {
		t.Error("a purge that was cut short counts as finished")
	}
}

func TestACategoryThatFailsKeepsNoOtherFromBeingPurged(t *testing.T) {
	x := newTenancy(t)
	x.book(t, 1, 31*day)
	_, err := x.super.Exec(t.Context(), `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'Ada Muster'; END$$;`)
	must(t, err)
	_, err = x.super.Exec(t.Context(), `CREATE TRIGGER refuse BEFORE DELETE ON mail_outbox FOR EACH ROW EXECUTE FUNCTION refuse()`)
	must(t, err)
	_, err = x.super.Exec(t.Context(), `WITH a AS (
		INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		VALUES ('hall', 1, 'passport', 'OnSite', now(), now() + interval '1 h', 'confirmed', 'de', 'x') RETURNING id)
		INSERT INTO mail_outbox (appointment_id, kind, created_at) SELECT id, 'confirmed', now() - interval '4 days' FROM a`)
	must(t, err)
	report, err := retention.Run(t.Context(), retention.Options{Config: x.config})
	if err == nil || !strings.Contains(err.Error(), "MailOutbox") || strings.Contains(err.Error(), "Ada") {
		t.Errorf("error %v, want one that names the category and quotes nothing", err)
	}
	if len(report.Categories) != 6 || x.count(t, "count(*) FROM contact") != 0 {
		t.Errorf("contacts were not purged: %+v", report)
	}
}

func TestACategoryWithoutARuleIsReportedAsSuch(t *testing.T) {
	x := newTenancy(t)
	x.Rules = x.Rules[:5]
	must(t, x.admin.Ensure(t.Context(), x.Tenant))
	_, err := x.super.Exec(t.Context(), `INSERT INTO access_log (address, method, route, status) VALUES ('192.0.2.1', 'GET', '/', 200)`)
	must(t, err)
	report, err := retention.Run(t.Context(), retention.Options{Config: x.config})
	must(t, err)
	for _, category := range report.Categories {
		if category.Uncovered != (category.Name == v1alpha1.CategoryAccessLog) {
			t.Errorf("%+v", category)
		}
	}
}
