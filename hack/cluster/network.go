// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	"github.com/termintreu/termintreu/hack/internal/netns"
)

// holder carries the addresses of the namespace. It is a bridge without ports
// because not every kernel has the dummy device.
const holder = "local0"

// ensureNetwork makes the namespace and all that is in it before the first
// pod. Every pod gets a point-to-point link, so all traffic is routed and
// passes the packet filter, which a common bridge would spare pods of a node.
func (c *Cluster) ensureNetwork(ctx context.Context) error {
	if netns.Exists(c.id) {
		return nil
	}
	if err := netns.Create(ctx, c.id); err != nil {
		return err
	}
	commands := [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "link", "add", holder, "type", "bridge"},
		{"ip", "link", "set", holder, "up"},
		{"sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"},
	}
	for _, address := range c.Spec.localAddresses() {
		commands = append(commands, []string{"ip", "address", "add", address + "/32", "dev", holder})
	}
	commands = append(commands,
		// kube-proxy rewrites service addresses, but a packet must have
		// a route before it is asked.
		[]string{"ip", "route", "add", serviceRange, "dev", holder, "src", gatewayAddress},
		// Addresses of pods that are gone answer at once.
		[]string{"ip", "route", "add", "unreachable", podRange, "metric", "4096"},
	)
	for _, command := range commands {
		if err := netns.Run(ctx, c.id, command...); err != nil {
			_ = netns.Delete(ctx, c.id)
			return err
		}
	}
	return nil
}
