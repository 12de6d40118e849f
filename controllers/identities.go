// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
)

// serverKey names a server of a region.
type serverKey struct{ region, server string }

// serverIdentity is what a server's name stands for, and what answered to it last.
type serverIdentity struct {
	pinned, seen string
	// address of the last connection that was met.
	address string
}

// serverIdentities remembers, by name, which server was met first. A name that leads elsewhere one day gets nothing
// written: every new connection is met before it is used.
type serverIdentities struct {
	mu sync.Mutex
	of map[serverKey]serverIdentity
}

// meet notes a new connection to a server and refuses one that leads to another than the name stands for.
func (i *serverIdentities) meet(region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer, seen string, conn net.Conn) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.of == nil {
		i.of = map[serverKey]serverIdentity{}
	}
	key := serverKey{region.Name, server.Name}
	known := i.of[key]
	known.seen, known.address = seen, conn.RemoteAddr().String()
	switch {
	case server.SystemIdentifier != "":
		known.pinned = server.SystemIdentifier
	case known.pinned == "":
		known.pinned = pinnedServer(region, server.Name)
	}
	i.of[key] = known
	if known.pinned != "" && known.pinned != seen {
		return &postgres.ForeignServerError{Server: server.Name, Seen: seen, Known: known.pinned}
	}
	return nil
}

// get gives what is known of a server.
func (i *serverIdentities) get(key serverKey) serverIdentity {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.of[key]
}

// pin makes the server that was met the one the name stands for.
func (i *serverIdentities) pin(key serverKey, identifier string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	known := i.of[key]
	known.pinned = identifier
	i.of[key] = known
}

// keep forgets every server but these.
func (i *serverIdentities) keep(servers map[serverKey]bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	maps.DeleteFunc(i.of, func(key serverKey, _ serverIdentity) bool { return !servers[key] })
}

// pinnedServer is what the region's status remembers.
func pinnedServer(region *v1alpha1.DataRegion, name string) string {
	for _, server := range region.Status.Servers {
		if server.Name == name {
			return server.SystemIdentifier
		}
	}
	return ""
}

// confirm makes sure, before anything is written to a server nobody remembers, that it is the right one: the database
// itself may say it is a copy from elsewhere, and tenants with data there must be found in it. A status that was lost
// therefore lets nobody put an empty server in a full one's place.
func (d *Databases) confirm(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer, database string, admin *postgres.Admin) error {
	key := serverKey{region.Name, server.Name}
	if server.SystemIdentifier != "" || pinnedServer(region, server.Name) != "" || d.identities.get(key).pinned != "" {
		return nil // every connection is held against it
	}
	placed, err := d.placed(ctx, region.Name, server.Name, database)
	if err != nil {
		return err
	}
	registered, holds, err := admin.Registry(ctx, placed)
	if err != nil {
		return err
	}
	known := d.identities.get(key)
	switch {
	case registered != "" && registered != known.seen:
		d.identities.pin(key, registered)
		return &postgres.ForeignServerError{Server: server.Name, Seen: known.seen, Known: registered}
	case len(placed) > 0 && !holds:
		return fmt.Errorf("database %s of server %s (system identifier %s) holds none of the %d tenants that were placed there: point host and Secret back at the server that holds them, or, if their data is lost, give systemIdentifier: %q in DataRegion %s",
			database, server.Name, known.seen, len(placed), known.seen, region.Name)
	}
	d.identities.pin(key, known.seen)
	return nil
}

// placed are the tenants whose status says their data lies in the database.
func (d *Databases) placed(ctx context.Context, region, server, database string) ([]string, error) {
	tenants := &v1alpha1.BookingTenantList{}
	if err := d.Tenants.List(ctx, tenants, client.MatchingFields{regionIndex: region}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the tenants of database %s on server %s: %w", database, server, err)
	}
	var placed []string
	for i := range tenants.Items {
		tenant := &tenants.Items[i]
		if at := tenant.Status.Database; at != nil && at.Server == server && at.Name == database {
			placed = append(placed, plan.DataID(tenant.UID))
		}
	}
	return placed, nil
}
