// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

const (
	minute = time.Minute
	day    = 24 * time.Hour
)

// operatorOf is the operator's identity on the test server.
func operatorOf(server *pgtest.Server) postgres.Server {
	return postgres.Server{
		Name: "test", Host: server.Host, Port: server.Port, CABundle: server.CABundle,
		Username: server.AdminUser, Password: server.AdminPassword,
	}
}

// prepared gives the server and an Admin of a database of its own, ready for tenants.
func prepared(t testing.TB) (*pgtest.Server, string, *postgres.Admin) {
	t.Helper()
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	admin := open(t, operatorOf(server), database)
	must(t, admin.Prepare(t.Context()))
	return server, database, admin
}

func open(t testing.TB, server postgres.Server, database string) *postgres.Admin {
	t.Helper()
	admin, err := postgres.Open(t.Context(), server, database)
	must(t, err)
	t.Cleanup(admin.Close)
	return admin
}

func newTenant() postgres.Tenant {
	return postgres.Tenant{
		DataID: newDataID(), Namespace: "basel", Name: "termine", UID: "4b0c", SpecHash: "hash-1",
		AppA: rand.Text(), AppB: rand.Text(), Retention: rand.Text(), Backup: rand.Text(),
		Tolerance: 10 * minute,
		Rules: []postgres.Rule{
			rule(v1alpha1.CategoryHold, v1alpha1.StartCreation, 15*minute, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryUnconfirmedBooking, v1alpha1.StartCreation, 60*minute, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryContact, v1alpha1.StartAppointmentEnd, 30*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryAppointment, v1alpha1.StartAppointmentEnd, 30*day, v1alpha1.ActionAnonymize),
			rule(v1alpha1.CategoryMailOutbox, v1alpha1.StartSent, 3*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryAccessLog, v1alpha1.StartCreation, 7*day, v1alpha1.ActionStrip),
			rule(v1alpha1.CategoryMessage, v1alpha1.StartAppointmentEnd, 14*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryAttachment, v1alpha1.StartAppointmentEnd, 7*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategorySessionAddress, v1alpha1.StartCreation, 7*day, v1alpha1.ActionAnonymize),
			rule(v1alpha1.CategorySessionMetadata, v1alpha1.StartCreation, 30*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategorySignatureBiometrics, v1alpha1.StartSigning, 7*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryConsent, v1alpha1.StartWithdrawal, 365*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryAuditLog, v1alpha1.StartCreation, 365*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryErasureJournal, v1alpha1.StartErasure, 120*day, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryAbuseCase, v1alpha1.StartCaseOpened, 60*day, v1alpha1.ActionDelete),
		},
	}
}

func rule(category v1alpha1.Category, start v1alpha1.StartEvent, period time.Duration, action v1alpha1.Action) postgres.Rule {
	return postgres.Rule{Category: category, StartEvent: start, Period: period, Action: action}
}

func newDataID() string {
	raw := make([]byte, 10)
	_, _ = rand.Read(raw)
	return "t" + strings.ToLower(base32.StdEncoding.EncodeToString(raw))[:15]
}

// as opens a session of one of the tenant's own roles.
func as(t testing.TB, server *pgtest.Server, database, dataID, role, password string) *pgx.Conn {
	t.Helper()
	conn, err := tryAs(t, server, database, dataID, role, password)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func tryAs(t testing.TB, server *pgtest.Server, database, dataID, role, password string) (*pgx.Conn, error) {
	t.Helper()
	config, err := postgres.OperandConfig(
		settings.Database{Host: server.Host, Port: server.Port, Name: database, Schema: dataID, CABundle: server.CABundle},
		settings.Credentials{Username: role, Password: password})
	must(t, err)
	return pgx.ConnectConfig(t.Context(), config)
}

func exec(t testing.TB, conn *pgx.Conn, sql string, arguments ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, arguments...)
	must(t, err)
}

func value[T any](t testing.TB, conn *pgx.Conn, sql string, arguments ...any) T {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, arguments...)
	must(t, err)
	result, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	must(t, err)
	return result
}

// refused asserts that a statement fails for lack of privilege.
func refused(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql)
	var failure *pgconn.PgError
	if !errors.As(err, &failure) || failure.Code != "42501" {
		t.Errorf("%s gave %v, want it refused for lack of privilege", sql, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// book stores an appointment and its contact as the app would.
func book(t testing.TB, conn *pgx.Conn, token string, ended time.Duration) {
	t.Helper()
	exec(t, conn, `WITH a AS (INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		VALUES ('hall', 1 + (SELECT count(*) FROM appointment)::int, 'passport', 'OnSite', now() - $2::interval - interval '15 min', now() - $2::interval, 'confirmed', 'de', convert_to($1, 'UTF8'))
		RETURNING id)
		INSERT INTO contact (appointment_id, given_name, family_name, notice_date) SELECT id, 'Ada', 'Muster', current_date FROM a`, token, ended)
}
