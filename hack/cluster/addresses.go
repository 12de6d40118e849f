// SPDX-License-Identifier: Apache-2.0

package cluster

import "fmt"

// The address plan. Each cluster has a network namespace of its own without
// any uplink, so all clusters use the same addresses and none can reach, or be
// reached from, anywhere else.
const (
	// Domain is the domain of the services outside the cluster.
	Domain = "termintreu.test"

	podRange     = "10.244.0.0/16"
	serviceRange = "10.96.0.0/16"

	gatewayAddress  = "10.244.0.1"
	apiServiceIP    = "10.96.0.1"
	dnsServiceIP    = "10.96.0.10"
	apiServerIP     = "10.244.255.1"
	apiServerPort   = 6443
	dnsServerIP     = "10.244.254.53"
	mailServerIP    = "10.244.254.25"
	mailServerPort  = 2525
	postgresPort    = 5432
	storePort       = 7070
	backupBucket    = "termintreu-backups"
	maxPerAddressed = 90
)

func nodeIP(i int) string     { return fmt.Sprintf("10.244.255.%d", 11+i) }
func postgresIP(i int) string { return fmt.Sprintf("10.244.254.%d", 100+i) }
func storeIP(i int) string    { return fmt.Sprintf("10.244.253.%d", 1+i) }
func ingressIP(i int) string  { return fmt.Sprintf("10.96.0.%d", 80+i) }

// podRangeOf is the part of the pod range that the node's pods get: disjoint,
// because every node allocates on its own.
func podRangeOf(i int) (first, last string) {
	return fmt.Sprintf("10.244.%d.2", 1+i), fmt.Sprintf("10.244.%d.254", 1+i)
}

// Every node's kubelet listens in the same namespace.
func kubeletPort(i int) int        { return 10250 + 10*i }
func kubeletHealthzPort(i int) int { return 10251 + 10*i }

func hostName(name string) string { return name + "." + Domain }

// hosts maps the names of the services outside the cluster to addresses.
func (s Spec) hosts() map[string]string {
	hosts := map[string]string{hostName("mail"): mailServerIP}
	for i, pg := range s.Postgres {
		hosts[hostName(pg.Name)] = postgresIP(i)
	}
	for i, store := range s.Stores {
		hosts[hostName(store.Name)] = storeIP(i)
	}
	return hosts
}

// localAddresses are the addresses the namespace itself answers on.
func (s Spec) localAddresses() []string {
	addresses := []string{gatewayAddress, apiServerIP, dnsServerIP, mailServerIP}
	for i := range s.Nodes {
		addresses = append(addresses, nodeIP(i))
	}
	for i := range s.Postgres {
		addresses = append(addresses, postgresIP(i))
	}
	for i := range s.Stores {
		addresses = append(addresses, storeIP(i))
	}
	return addresses
}

// validate refuses what the address plan has no room for.
func (s Spec) validate() error {
	for what, n := range map[string]int{"nodes": len(s.Nodes), "postgres": len(s.Postgres), "stores": len(s.Stores), "ingresses": len(s.Ingresses)} {
		if n > maxPerAddressed {
			return fmt.Errorf("%s: %d is more than the %d the address plan has room for", what, n, maxPerAddressed)
		}
	}
	if len(s.Nodes) == 0 {
		return fmt.Errorf("nodes: a cluster needs at least one")
	}
	return nil
}
