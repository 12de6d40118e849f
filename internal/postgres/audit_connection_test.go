// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/termintreu/termintreu/internal/postgres"
)

func TestAnAuditOutlivesConnectionsThatEndedBehindItsBack(t *testing.T) {
	server, database, admin := prepared(t)
	if _, err := admin.Audit(t.Context()); err != nil {
		t.Fatal(err)
	}
	superuser := server.Superuser(t, database)
	if ended := value[int64](t, superuser, `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
		WHERE datname = current_database() AND usename = $1`, server.AdminUser); ended == 0 {
		t.Fatal("the audit left no connection open, so that this test shows nothing")
	}
	if _, err := admin.Audit(t.Context()); err != nil {
		t.Errorf("the audit failed on a connection that had ended: %v", err)
	}
}

func TestASlowDatabaseIsToldFromOneThatIsGone(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		slow bool
	}{
		"the time given ran out":         {fmt.Errorf("auditing: %w", context.DeadlineExceeded), true},
		"the server ended the statement": {fmt.Errorf("auditing: %w", &pgconn.PgError{Code: "57014"}), true},
		"the server shut down":           {&pgconn.PgError{Code: "57P01"}, false},
		"the login was refused":          {&pgconn.PgError{Code: "28P01"}, false},
		"nothing listens there":          {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, false},
	} {
		if got := postgres.Slow(c.err); got != c.slow {
			t.Errorf("%s: slow %t, want %t", name, got, c.slow)
		}
	}
}

// While tenants are made, PostgreSQL would go through the plans of every audited tenant at each change of a table.
func TestAuditsShareNoConnectionWithChangesAndKeepTheirsWhileNothingChanges(t *testing.T) {
	server, database, admin := prepared(t)
	superuser := server.Superuser(t, database)
	auditing := func() (pids []int32) {
		t.Helper()
		if _, err := admin.Audit(t.Context()); err != nil {
			t.Fatal(err)
		}
		must(t, superuser.QueryRow(t.Context(), `SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity
			WHERE datname = current_database() AND usename = $1 AND query LIKE 'CALL termintreu.audit%'`, server.AdminUser).Scan(&pids))
		return pids
	}
	auditing() // the preparation of the database was a change
	first := auditing()
	if again := auditing(); len(first) != 1 || !slices.Equal(first, again) {
		t.Errorf("audits ran over connections %v, then %v, though nothing changed", first, again)
	}
	must(t, admin.Ensure(t.Context(), newTenant()))
	if value[bool](t, superuser, "SELECT query LIKE 'CALL termintreu.audit%' IS FALSE FROM pg_stat_activity WHERE pid = $1", first[0]) {
		t.Error("a tenant was made over the connection that audits")
	}
	wait := time.Now().Add(20 * time.Second)
	for left := auditing(); slices.Contains(left, first[0]); left = auditing() {
		if time.Now().After(wait) {
			t.Fatal("the audit kept its plans though a tenant was made")
		}
	}
}
