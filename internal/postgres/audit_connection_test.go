// SPDX-License-Identifier: Apache-2.0

package postgres_test

import "testing"

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
