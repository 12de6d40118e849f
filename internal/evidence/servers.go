// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"reflect"
	"slices"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

// ServerKey names one database server of a region.
type ServerKey struct{ Region, Server string }

// Server is what was seen of a database server that is a CloudNativePG Cluster.
type Server struct {
	Host, CABundle string
	// Copies the Cluster itself makes.
	Copies []v1alpha1.OtherCopy
	// Places are where its pods run.
	Places []compliance.Placement
}

// PutServer enters what was seen of a server and tells the region's tenants when it changed. A failed look keeps what
// was seen last, but not its standing.
func (b *Book) PutServer(key ServerKey, server compliance.Sample[Server]) {
	b.mu.Lock()
	old := b.servers[key]
	if server.Err != nil {
		server.Value = old.Value
	}
	b.servers[key] = server
	b.mu.Unlock()
	if turned(old, server, reflect.DeepEqual(old.Value, server.Value)) {
		b.notifyRegion(key.Region)
	}
}

// Server gives what was last seen of a server.
func (b *Book) Server(key ServerKey) compliance.Sample[Server] {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.servers[key]
}

// Resolve fills in what a region leaves to the CloudNativePG Clusters it names, as last seen. A region that names none
// is given back as it is.
func (b *Book) Resolve(region *v1alpha1.DataRegion) *v1alpha1.DataRegion {
	names := func(s v1alpha1.DatabaseServer) bool { return s.ClusterRef != nil }
	if !slices.ContainsFunc(region.Spec.DatabaseServers, names) {
		return region
	}
	resolved := region.DeepCopy()
	for i := range resolved.Spec.DatabaseServers {
		resolved.Spec.DatabaseServers[i] = *b.ResolveServer(region.Name, &resolved.Spec.DatabaseServers[i])
	}
	return resolved
}

// ResolveServer is Resolve of one server. What the region says itself holds, and so does a period it declares for an
// archive in place of one nobody can see.
func (b *Book) ResolveServer(region string, server *v1alpha1.DatabaseServer) *v1alpha1.DatabaseServer {
	if server.ClusterRef == nil {
		return server
	}
	seen, resolved := b.Server(ServerKey{region, server.Name}).Value, server.DeepCopy()
	if resolved.Host == "" {
		resolved.Host = seen.Host
	}
	if resolved.CABundle == "" {
		resolved.CABundle = seen.CABundle
	}
	for _, c := range seen.Copies {
		declared := func(d v1alpha1.OtherCopy) bool { return d.Kind == c.Kind }
		if !slices.ContainsFunc(server.OtherCopies, declared) {
			resolved.OtherCopies = append(resolved.OtherCopies, c)
		}
	}
	return resolved
}
