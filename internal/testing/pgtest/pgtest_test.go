// SPDX-License-Identifier: Apache-2.0

package pgtest_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

func TestTheAdminReachesItsDatabaseOverVerifiedTLSAndIsNoSuperuser(t *testing.T) {
	server := pgtest.Start(t)
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s password=%s database=%s sslmode=verify-full",
		server.Host, server.Port, server.AdminUser, server.AdminPassword, server.Database))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(server.CABundle))
	config.TLSConfig = &tls.Config{RootCAs: roots, ServerName: server.Host, MinVersion: tls.VersionTLS12}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var super, owner, encrypted bool
	err = conn.QueryRow(t.Context(), `SELECT r.rolsuper, d.datdba = r.oid, s.ssl FROM pg_roles r, pg_database d, pg_stat_ssl s
		WHERE r.rolname = current_user AND d.datname = current_database() AND s.pid = pg_backend_pid()`).Scan(&super, &owner, &encrypted)
	if err != nil {
		t.Fatal(err)
	}
	if super || !owner || !encrypted {
		t.Errorf("superuser %v, owner of the database %v, encrypted %v", super, owner, encrypted)
	}
}

func TestAServerWithoutTLSIsNotOffered(t *testing.T) {
	server := pgtest.Start(t)
	_, err := pgx.Connect(t.Context(), fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s database=%s sslmode=disable",
		server.Port, server.AdminUser, server.AdminPassword, server.Database))
	if err == nil {
		t.Error("a connection in the clear was accepted")
	}
}
