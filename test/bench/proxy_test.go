// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// counted stands between the operator and a server and counts round trips without reading a word: the stream is
// encrypted, but a round trip is a client that speaks after the server has.
type counted struct {
	port int32
	// trips of all connections, of which TLS 1.3 takes the first of each.
	trips, connections atomic.Int64
}

func newCounted(tb testing.TB, target string) *counted {
	tb.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	must(tb, err)
	c := &counted{port: int32(listener.Addr().(*net.TCPAddr).Port)}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { c.carry(client, target) })
		}
	})
	tb.Cleanup(func() { _ = listener.Close() })
	return c
}

// probeTrips is what a TLS handshake with PostgreSQL takes: the question for TLS, and both flights of the client.
const probeTrips = 3

// queries are round trips over connections that were open before: what each measurement opens besides, to see where
// the server's name leads, is a handshake and no query.
func (c *counted) queries() int64 { return c.trips.Load() - probeTrips*c.connections.Load() }

// requests are round trips that were no handshake: a store may close its connection after each answer.
func (c *counted) requests() int64 { return c.trips.Load() - c.connections.Load() }

func (c *counted) carry(client net.Conn, target string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	c.connections.Add(1)
	var answered atomic.Bool
	answered.Store(true)
	ended := make(chan struct{}, 2)
	pass := func(to io.Writer, from io.Reader, before func()) {
		buffer := make([]byte, 64<<10)
		for {
			n, err := from.Read(buffer)
			if n > 0 {
				before()
				if _, err := to.Write(buffer[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		ended <- struct{}{}
	}
	go pass(server, client, func() {
		if answered.Swap(false) {
			c.trips.Add(1)
		}
	})
	go pass(client, server, func() { answered.Store(true) })
	<-ended
}
