// SPDX-License-Identifier: Apache-2.0

// Package cluster runs a real Kubernetes cluster of several nodes on one bare
// Linux machine, with PostgreSQL servers, object stores and a mail catcher
// beside it, in a network of its own that no packet leaves.
//
// It needs root, and neither a container engine nor a registry.
//
//	c, err := cluster.Up(ctx, cluster.DefaultSpec(".e2e"), os.Stderr)
//	defer cluster.Down(ctx, ".e2e", os.Stderr)
//	c.Endpoints().Kubeconfig // for client-go, from the host
//	c.Dial                   // for pgx, net/http and others, from inside
package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"

	"github.com/termintreu/termintreu/hack/internal/binaries"
	"github.com/termintreu/termintreu/hack/internal/netns"
)

// Cluster is one local cluster.
type Cluster struct {
	layout
	Spec Spec

	root  string
	ports ports
	bin   binaries.Set
	// images are those of the system, by the name of their program.
	images map[string]systemImage
}

// Load returns the cluster whose folder is dir. It does not start anything.
func Load(dir string) (*Cluster, error) {
	l, err := newLayout(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{layout: l}
	raw, err := os.ReadFile(c.file("spec.json"))
	if err != nil {
		return nil, fmt.Errorf("no local cluster in %s: %w", dir, err)
	}
	if err := json.Unmarshal(raw, &c.Spec); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.file("spec.json"), err)
	}
	c.ports, err = readPorts(c.file("ports.json"))
	return c, err
}

// Endpoints says how to reach everything.
func (c *Cluster) Endpoints() Endpoints { return c.endpoints() }

// Dial connects from inside the cluster's network, where pod, service and
// server addresses are reachable. It knows the names of the services outside
// the cluster; it fits pgx's DialFunc and http.Transport's DialContext.
func (c *Cluster) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if known, ok := c.Spec.hosts()[host]; ok {
		host = known
	}
	if net.ParseIP(host) == nil {
		return nil, fmt.Errorf("dial %s: not an address and no service of the local cluster", address)
	}
	return netns.Dial(ctx, c.id, network, net.JoinHostPort(host, port))
}
