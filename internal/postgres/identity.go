// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// ForeignServerError is a server that is not the one its name stands for. Nothing was sent to it but the login and the
// question which server it is.
type ForeignServerError struct {
	// Server is the name; Seen and Known are system identifiers.
	Server, Seen, Known string
}

func (e *ForeignServerError) Error() string {
	return fmt.Sprintf("database server %s is another one: its system identifier is %s, and the name stands for %s; nothing is written to it", e.Server, e.Seen, e.Known)
}

// ErrNotEncrypted tells that a server does not offer TLS.
var ErrNotEncrypted = errors.New("the server does not offer TLS")

// meet asks a new connection which server it leads to, before anything else is sent over it: a pool reconnects behind
// its users' backs, to wherever the name leads by then. Everybody may execute the function since PostgreSQL 9.6.
func (s *Server) meet(ctx context.Context, conn *pgx.Conn) error {
	if s.Meet == nil {
		return nil
	}
	var identifier string
	if err := conn.QueryRow(ctx, "SELECT system_identifier::text FROM pg_control_system()").Scan(&identifier); err != nil {
		return fmt.Errorf("asking database server %s for its system identifier: %w", s.Name, err)
	}
	return s.Meet(identifier, conn.PgConn().Conn())
}

// Registry tells which server the database itself says it is on, empty before Prepare wrote it, and whether one of the
// tenants is registered in it. It only reads.
func (a *Admin) Registry(ctx context.Context, dataIDs []string) (identifier string, holds bool, err error) {
	var server, tenant bool
	err = a.pool.QueryRow(ctx, "SELECT to_regclass('termintreu.server') IS NOT NULL, to_regclass('termintreu.tenant') IS NOT NULL").Scan(&server, &tenant)
	if err == nil && server {
		err = a.pool.QueryRow(ctx, "SELECT coalesce(max(system_identifier), '') FROM termintreu.server").Scan(&identifier)
	}
	if err == nil && tenant && len(dataIDs) > 0 {
		err = a.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM termintreu.tenant WHERE data_id = ANY ($1))", dataIDs).Scan(&holds)
	}
	if err != nil {
		return "", false, fmt.Errorf("reading the registry of database %s: %w", a.name, err)
	}
	return identifier, holds, nil
}

// sslRequest asks a server for TLS: length and code, as the protocol wants it.
var sslRequest = []byte{0, 0, 0, 8, 4, 210, 22, 47}

// Handshake makes a TLS connection to the server, verified in full, and drops it before anybody logs in: what the name
// leads to now, whatever the pools are connected to. It gives ErrNotEncrypted where the server offers no TLS.
func (s *Server) Handshake(ctx context.Context) (state tls.ConnectionState, address net.Addr, err error) {
	config, err := verified(s.Host, s.Port, "", s.CABundle)
	if err != nil {
		return state, nil, fmt.Errorf("database server %s: %w", s.Name, err)
	}
	dial := s.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: connectTimeout}).DialContext
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(s.Host, strconv.Itoa(int(s.Port))))
	if err != nil {
		return state, nil, fmt.Errorf("database server %s: %w", s.Name, err)
	}
	// Without a goodbye, so that it costs the server no more than the handshake.
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return state, nil, fmt.Errorf("database server %s: %w", s.Name, err)
		}
	}
	answer := make([]byte, 1)
	if _, err = conn.Write(sslRequest); err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err != nil {
		return state, nil, fmt.Errorf("asking database server %s for TLS: %w", s.Name, err)
	}
	if answer[0] != 'S' {
		return state, conn.RemoteAddr(), fmt.Errorf("database server %s: %w", s.Name, ErrNotEncrypted)
	}
	client := tls.Client(conn, config.TLSConfig)
	if err := client.HandshakeContext(ctx); err != nil {
		return state, conn.RemoteAddr(), fmt.Errorf("database server %s: %w", s.Name, err)
	}
	return client.ConnectionState(), conn.RemoteAddr(), nil
}
