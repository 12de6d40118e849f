// SPDX-License-Identifier: Apache-2.0

// Package postgres keeps tenants in PostgreSQL: a schema and five roles each, migrations, and the audit that measures
// them. The operator is no superuser, and while it is not changing a tenant it cannot read a row of it (invariant 6).
package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/termintreu/termintreu/internal/settings"
)

const (
	maxConnections  = 4
	maxIdleTime     = 5 * time.Minute
	maxLifetime     = 10 * time.Minute
	connectTimeout  = 10 * time.Second
	operatorPath    = "pg_catalog, pg_temp"
	operatorName    = "termintreu-operator"
	operandName     = "termintreu"
	auditTimeout    = "60s"
	operatorLocks   = "10s"
	operatorIdleTxn = "60s"
)

// Server is a PostgreSQL server, version 15 or later, and the operator's identity on it: a role that may create roles,
// owns the databases and is no superuser.
type Server struct {
	// Name is used in errors.
	Name string
	// Host is verified against the server's certificate.
	Host string
	Port int32
	// CABundle is PEM; it replaces the system's roots.
	CABundle           string
	Username, Password string
	// Dial replaces the network, for operators outside the region's network; it is given the host name unresolved.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Meet is told the system identifier of the server behind each new connection, before the connection is used; an
	// error drops it. Nil where any server will do.
	Meet func(identifier string, conn net.Conn) error
}

// Admin is a small pool of connections to one database of tenants. It is safe for concurrent use.
type Admin struct {
	pool *pgxpool.Pool
	// auditor is the one connection that runs audits. It keeps the plans of some thirty statements a tenant, and
	// PostgreSQL looks at all plans of a connection whenever a table is made or changed: on the pool's connections that
	// was four fifths of the work of making a tenant beside 450 others.
	auditor *pgxpool.Pool
	// changed tells that a tenant was made or changed since the last audit ended.
	changed  atomic.Bool
	name     string
	database string
	operator string
	meet     func(context.Context, *pgx.Conn) error
}

// Open prepares a pool without connecting. Close it when done.
func Open(ctx context.Context, server Server, database string) (*Admin, error) {
	name := server.Name + "/" + database
	connection, err := verified(server.Host, server.Port, database, server.CABundle)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	connection.User, connection.Password = server.Username, server.Password
	connection.RuntimeParams = map[string]string{
		"application_name": operatorName,
		// In the startup message, so that nothing a tenant plants comes before the catalogue (CVE-2026-55769).
		"search_path":                         operatorPath,
		"standard_conforming_strings":         "on",
		"lock_timeout":                        operatorLocks,
		"statement_timeout":                   auditTimeout,
		"idle_in_transaction_session_timeout": operatorIdleTxn,
		"jit":                                 "off",
	}
	if server.Dial != nil {
		connection.DialFunc = server.Dial
		connection.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	}
	a := &Admin{name: name, database: database, operator: server.Username, meet: server.meet}
	a.pool, err = openPool(ctx, connection, func(config *pgxpool.Config) {
		config.MaxConns, config.AfterConnect, config.ShouldPing = maxConnections, a.meet, shouldPing
	})
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	a.auditor, err = openPool(ctx, connection, func(config *pgxpool.Config) {
		config.MaxConns, config.AfterConnect, config.ShouldPing = 1, a.meet, neverPing
		// While tenants are made the plans cost more than they save.
		config.AfterRelease = func(*pgx.Conn) bool { return !a.changed.Swap(false) }
	})
	if err != nil {
		a.pool.Close()
		return nil, fmt.Errorf("database %s: %w", name, err)
	}
	return a, nil
}

func openPool(ctx context.Context, connection *pgx.ConnConfig, set func(*pgxpool.Config)) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	config.ConnConfig = connection.Copy()
	config.MinConns, config.MaxConnIdleTime = 0, maxIdleTime
	config.MaxConnLifetime, config.MaxConnLifetimeJitter = maxLifetime, maxLifetime/10
	set(config)
	return pgxpool.NewWithConfig(ctx, config)
}

// pingAfter is how long a connection may be idle before anything but an audit pings it.
const pingAfter = time.Second

func shouldPing(_ context.Context, params pgxpool.ShouldPingParams) bool {
	return params.IdleDuration > pingAfter
}

// neverPing: an audit reads only, so that it may as well find out itself that its connection is dead, and costs one round
// trip (design, section 7).
func neverPing(context.Context, pgxpool.ShouldPingParams) bool { return false }

// Close closes the connections.
func (a *Admin) Close() {
	a.pool.Close()
	a.auditor.Close()
}

// OperandConfig is the connection of a tenant's own role: verified, and with the tenant's schema alone in the search
// path, whatever the role or the database has set.
func OperandConfig(database settings.Database, credentials settings.Credentials) (*pgx.ConnConfig, error) {
	if err := checkDataID(database.Schema); err != nil {
		return nil, err
	}
	config, err := verified(database.Host, database.Port, database.Name, database.CABundle)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", database.Name, err)
	}
	config.User, config.Password = credentials.Username, credentials.Password
	config.RuntimeParams = map[string]string{
		"application_name":            operandName,
		"search_path":                 searchPath(database.Schema),
		"standard_conforming_strings": "on",
	}
	return config, nil
}

// verified starts from an empty configuration, since pgx would otherwise let PG* variables of the environment decide.
func verified(host string, port int32, database, caBundle string) (*pgx.ConnConfig, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(caBundle)) {
		return nil, fmt.Errorf("the CA bundle of %s holds no certificate: give the PEM of the authority that signed the server's", host)
	}
	config, err := pgx.ParseConfig("host=" + quoteParameter(host) + " sslmode=disable passfile=/dev/null servicefile=/dev/null")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Database = host, uint16(port), database
	config.TLSConfig = &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}
	// Whoever sits between and holds another certificate of the same authority cannot pass the login on (B4).
	config.ChannelBinding, config.RequireAuth = "require", "scram-sha-256"
	config.Fallbacks = nil
	config.ConnectTimeout = connectTimeout
	return config, nil
}

func quoteParameter(value string) string {
	quoted := make([]byte, 0, len(value)+2)
	quoted = append(quoted, '\'')
	for i := range len(value) {
		if value[i] == '\'' || value[i] == '\\' {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, value[i])
	}
	return string(append(quoted, '\''))
}

// searchPath of a tenant's sessions. pg_temp comes last, so that a temporary table hides nothing.
func searchPath(dataID string) string { return ident(dataID) + ", pg_temp" }

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }
