// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

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
