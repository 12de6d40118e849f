// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/termintreu/termintreu/internal/settings"
)

const (
	egressInterval = 30 * time.Second
	// egressPatience is how long a connection may take; a packet that is dropped is never answered.
	egressPatience = 3 * time.Second
	// egressDoubt is how long after it answered an address is tried again before it is told of: a network plugin learns
	// of a new pod a moment after the pod has begun.
	egressDoubt = 5 * time.Second
)

// egress tries from the tenant's own network position where it can connect to: its database server, which it must
// reach, and addresses it must not (A11). A TCP connection is opened and closed; no byte is sent.
type egress struct {
	// declared is the database server, undeclared what the settings name.
	declared   func() string
	undeclared func() []string
	doubt      time.Duration

	mu   sync.Mutex
	last settings.EgressReport
	at   time.Time
}

// run tries at once and then again and again.
func (e *egress) run(ctx context.Context) {
	e.try(ctx)
	every(ctx, egressInterval, func() { e.try(ctx) })
}

func (e *egress) try(ctx context.Context) {
	started := time.Now()
	addresses := append(apiServer(), e.undeclared()...)
	report := settings.EgressReport{Declared: connects(ctx, e.declared()), Tried: len(addresses)}
	refused := func(address string) bool { return !connects(ctx, address) }
	report.Open = slices.DeleteFunc(addresses, refused)
	if len(report.Open) > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(e.doubt):
		}
		report.Open = slices.DeleteFunc(report.Open, refused)
	}
	if ctx.Err() != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last, e.at = report, started
}

// apiServer is the one address every pod of every cluster knows, that always answers, and that no tenant needs.
func apiServer() []string {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil
	}
	return []string{net.JoinHostPort(host, port)}
}

func connects(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{Timeout: egressPatience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// ServeHTTP tells what was found last, and how long ago: the clock of the reader is another one.
func (e *egress) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	e.mu.Lock()
	report := e.last
	report.AgeSeconds = -1
	if !e.at.IsZero() {
		report.AgeSeconds = time.Since(e.at).Seconds()
	}
	e.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(report)
}

func hostPort(database settings.Database) string {
	return net.JoinHostPort(database.Host, strconv.Itoa(int(database.Port)))
}
