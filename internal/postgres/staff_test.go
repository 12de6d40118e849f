// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/postgres"
)

func TestTheAppKeepsARecordOnlyForACaseWithATraceAndWithinBounds(t *testing.T) { // A3, invariant 6
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	app := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).AppA, tenant.AppA)
	book(t, app, "kept", day)
	id := value[string](t, app, `SELECT id::text FROM appointment`)
	for _, call := range []string{
		`SELECT open_hold('AbuseCase', 'c-1', 'Contact', '%s', now() + interval '1 day')`,
		`UPDATE audit_log SET actor = '%s'`, `DELETE FROM audit_log WHERE object = '%s'`, `INSERT INTO retention_hold VALUES ('Contact', '%s')`,
	} {
		refused(t, app, fmt.Sprintf(call, id))
	}
	for _, call := range []string{
		`SELECT staff_hold('', 'AbuseCase', 'c-1', '%s', now() + interval '1 day')`,
		`SELECT staff_hold('staff/x', 'AbuseCase', 'c-1', '%s', now() + interval '61 days')`,
		`SELECT staff_hold('staff/x', 'Whim', 'c-1', '%s', now() + interval '1 day')`,
		`SELECT staff_hold('staff/x', 'AbuseCase', 'c-1', '%s'' OR true --', now() + interval '1 day')`,
	} {
		if _, err := app.Exec(t.Context(), fmt.Sprintf(call, id)); err == nil {
			t.Errorf("%s is allowed", call)
		}
	}
	for n := range 100 {
		exec(t, app, fmt.Sprintf(`SELECT staff_hold('staff/x', 'AbuseCase', 'c-%d', '%s', now() + interval '1 day')`, n, id))
	}
	if _, err := app.Exec(t.Context(), fmt.Sprintf(`SELECT staff_hold('staff/x', 'AbuseCase', 'one-more', '%s', now() + interval '1 day')`, id)); err == nil || !strings.Contains(err.Error(), "end one first") {
		t.Errorf("the hundred and first case is opened: %v", err)
	}
	if n := value[int64](t, app, `SELECT staff_end_hold('staff/x', 'AbuseCase', 'c-7')`); n != 1 {
		t.Errorf("ending a case ends %d holds", n)
	}
	if n := value[int64](t, app, `SELECT count(*) FROM audit_log WHERE actor = 'staff/x'`); n != 101 {
		t.Errorf("the audit log tells of %d calls, want 100 openings and one end", n)
	}
	if n := value[int64](t, app, `SELECT count(*) FROM staff_holds()`); n != 99 {
		t.Errorf("%d cases are listed", n)
	}
}

func TestAnAppointmentHasOneEndWhateverTheApplicationDoes(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	app := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).AppA, tenant.AppA)
	book(t, app, "x", -time.Hour)
	exec(t, app, `UPDATE appointment SET completed_at = now()`)
	if _, err := app.Exec(t.Context(), `UPDATE appointment SET missed_at = now()`); err == nil {
		t.Error("an appointment is completed and missed")
	}
	if _, err := app.Exec(t.Context(), `UPDATE appointment SET state = 'cancelled', cancelled_at = now()`); err == nil {
		t.Error("an appointment is completed and cancelled")
	}
}
