// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/postgres"
)

// Art. 18, invariant 6: what a citizen may keep, an instance that was taken over may keep, and no more.
func TestTheAppRestrictsWithinBoundsAndLeavesATrace(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	app := as(t, server, database, tenant.DataID, postgres.RolesOf(tenant.DataID).AppA, tenant.AppA)
	super := server.Superuser(t, database)
	exec(t, super, `SET search_path = `+tenant.DataID)
	book(t, app, "ahead", -2*day)
	hash := `(SELECT token_hash FROM appointment)`
	for range 2 {
		if !value[bool](t, app, `SELECT citizen_restrict(`+hash+`) BETWEEN now() + interval '364 days' AND now() + interval '365 days'`) {
			t.Error("a restriction lasts something else than a year")
		}
	}
	if n := value[int64](t, super, `SELECT count(*) FROM audit_log WHERE action = 'restricted' AND actor = 'citizen'`); n != 1 {
		t.Errorf("the audit log tells of %d restrictions, want one", n)
	}
	if n := value[int64](t, app, `SELECT count(*) FROM staff_holds()`); n != 0 {
		t.Error("the staff can end a citizen's restriction like a case of its own")
	}
	if !value[bool](t, app, `SELECT citizen_lift(`+hash+`)`) || value[bool](t, app, `SELECT citizen_lift(`+hash+`)`) {
		t.Error("a restriction is not lifted, or twice")
	}
	exec(t, super, `UPDATE appointment SET starts_at = now() - interval '400 days', ends_at = now() - interval '399 days'`)
	if value[bool](t, app, `SELECT citizen_restrict(`+hash+`) IS NOT NULL`) {
		t.Error("restricting again and again keeps data for ever")
	}
	exec(t, super, `UPDATE appointment SET starts_at = now() + interval '1 day', ends_at = now() + interval '2 days'`)
	exec(t, super, `INSERT INTO retention_hold (category, record, kind, reference, until)
		SELECT 'Contact', n, 'Restriction', 'citizen/' || n, now() + interval '1 day' FROM generate_series(1, 1000) AS n`)
	if _, err := app.Exec(t.Context(), `SELECT citizen_restrict(`+hash+`)`); err == nil || !strings.Contains(err.Error(), "a thousand restrictions") {
		t.Errorf("the thousand and first is opened: %v", err)
	}
	exec(t, app, `SELECT staff_hold('staff/x', 'AbuseCase', 'c-1', (SELECT id::text FROM appointment), now() + interval '1 day')`)
	if _, err := app.Exec(t.Context(), `SELECT staff_hold('staff/x', 'Restriction', 'citizen/x', (SELECT id::text FROM appointment), now() + interval '1 day')`); err == nil {
		t.Error("the staff opens a restriction in a citizen's name")
	}
	for _, sql := range []string{`UPDATE appointment SET objected_at = now() - interval '1 day'`, `UPDATE appointment SET objected_at = now() + interval '9 years'`} {
		refused(t, app, sql)
	}
	exec(t, app, `UPDATE appointment SET objected_at = now()`)
	refused(t, app, `UPDATE appointment SET objected_at = NULL`)
}
