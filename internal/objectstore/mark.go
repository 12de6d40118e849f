// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// MarkKey is the object the operator knows a bucket by: its version is drawn by the store, so that another bucket of
// the same name, even one with copies of every object, has another one or none.
const MarkKey = ".termintreu"

var markText = []byte("Termintreu knows this bucket by the first version of this object. Leave it here, and out of every lifecycle rule.\n")

// PutMark puts the mark into a bucket that has none, and gives the version that counts from now on.
func (c *Client) PutMark(ctx context.Context) (string, error) {
	if err := c.Put(ctx, MarkKey, "", bytes.NewReader(markText)); err != nil {
		return "", err
	}
	return c.Mark(ctx)
}

// Mark gives the version of the mark without a look at anything else; empty when there is none.
func (c *Client) Mark(ctx context.Context) (mark string, err error) {
	err = c.ListVersions(ctx, MarkKey, func(v Version) error {
		mark = markOf(mark, v)
		return nil
	})
	return mark, err
}

// markOf is the first version of the mark among those listed so far, which come newest first.
func markOf(known string, v Version) string {
	if v.Key == MarkKey && !v.DeleteMarker {
		return v.VersionID
	}
	return known
}

// connection is the last TLS connection a client made.
type connection struct {
	mu      sync.Mutex
	state   tls.ConnectionState
	address net.Addr
}

// Connection gives the last connection that was made and verified, and its address, nil before the first.
func (c *Client) Connection() (state *tls.ConnectionState, address net.Addr) {
	c.connection.mu.Lock()
	defer c.connection.mu.Unlock()
	last := c.connection.state
	return &last, c.connection.address
}

// Reconnect makes the next request open a connection of its own: to what the store's name leads to by then.
func (c *Client) Reconnect() { c.http.CloseIdleConnections() }

// watch notes every connection a transport makes.
func (c *connection) watch(t *http.Transport) {
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err == nil {
			c.mu.Lock()
			c.address = conn.RemoteAddr()
			c.mu.Unlock()
		}
		return conn, err
	}
	t.TLSClientConfig.VerifyConnection = func(state tls.ConnectionState) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.state = state
		return nil
	}
}
