// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"strconv"
)

// ports are the cluster's ports on the host. They are kept, so that a
// kubeconfig or a bookmark stays good when the cluster is brought up again.
type ports struct {
	API       int      `json:"api"`
	Mail      int      `json:"mail"`
	Ingresses [][2]int `json:"ingresses"`
}

// Ports are chosen below the range from which the kernel takes those of
// outgoing connections: one of them could be gone before it is listened on.
const firstPort, lastPort = 20000, 30000

func readPorts(path string) (ports, error) {
	var p ports
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(raw, &p)
}

// choosePorts keeps the ports of last time where they are free, then tries
// the wanted ones, then any.
func (c *Cluster) choosePorts(ctx context.Context) error {
	last, err := readPorts(c.file("ports.json"))
	if err != nil {
		return err
	}
	taken := map[int]bool{}
	choose := func(wanted ...int) int {
		for _, port := range wanted {
			if port != 0 && !taken[port] && free(ctx, port) != 0 {
				taken[port] = true
				return port
			}
		}
		for port := firstPort; port < lastPort; port++ {
			if !taken[port] && free(ctx, port) != 0 {
				taken[port] = true
				return port
			}
		}
		return 0
	}
	c.ports = ports{API: choose(last.API), Mail: choose(last.Mail)}
	for i, spec := range c.Spec.Ingresses {
		var before [2]int
		if i < len(last.Ingresses) {
			before = last.Ingresses[i]
		}
		c.ports.Ingresses = append(c.ports.Ingresses, [2]int{
			choose(before[0], spec.HTTPPort), choose(before[1], spec.HTTPSPort),
		})
	}
	raw, err := json.Marshal(c.ports)
	if err != nil {
		return err
	}
	return write(c.file("ports.json"), raw, 0o644)
}

// free returns the port if nobody listens on it, and 0 when it is taken.
func free(ctx context.Context, port int) int {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}
