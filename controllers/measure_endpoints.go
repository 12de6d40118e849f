// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
)

// keepEndpoints forgets servers and stores no region declares any longer, so that a name can stand for another one.
func (m *Measurer) keepEndpoints(regions []v1alpha1.DataRegion) {
	endpoints, servers := map[evidence.EndpointKey]bool{}, map[serverKey]bool{}
	for i := range regions {
		region := &regions[i]
		for j := range region.Spec.DatabaseServers {
			name := region.Spec.DatabaseServers[j].Name
			servers[serverKey{region.Name, name}] = true
			endpoints[evidence.EndpointKey{Region: region.Name, Where: plan.ServerUse(name)}] = true
		}
		for _, store := range plan.Stores(region) {
			endpoints[evidence.EndpointKey{Region: region.Name, Where: plan.UseOf(region, store.Name)}] = true
		}
	}
	m.Book.KeepEndpoints(endpoints)
	m.Databases.identities.keep(servers)
}

// meetServer looks who answers to a server's name now, audits its databases, and enters which server they were on.
func (m *Measurer) meetServer(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer) {
	started, key := time.Now(), serverKey{region.Name, server.Name}
	met, err := m.shake(ctx, server)
	if known := m.Databases.identities.get(key); err == nil && known.address != "" && known.address != met.Address {
		// The name leads elsewhere than the pools do: meet who is there before the instances write to it.
		m.Databases.ForgetServer(region.Name, server)
	}
	if err := m.Databases.heedSecret(ctx, region.Name, server); err != nil {
		log.FromContext(ctx).Error(err, "reading the login failed", "server", server.Name)
	}
	var audits sync.WaitGroup
	for _, database := range server.Databases {
		audits.Go(func() { m.audit(ctx, region, server, database) })
	}
	audits.Wait()
	if err == nil && met.Fault == "" && m.wasMet(region, server) {
		known := m.Databases.identities.get(key)
		met.Identity, met.Pinned = known.seen, known.pinned
	}
	met.Declared = plan.ServerDigest(server)
	where := evidence.EndpointKey{Region: region.Name, Where: plan.ServerUse(server.Name)}
	m.Book.PutEndpoint(where, compliance.Sample[compliance.Endpoint]{Value: met, At: started, Err: err})
}

// wasMet tells whether an audit of this round was made, or refused for the server being another one.
func (m *Measurer) wasMet(region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer) bool {
	for _, database := range server.Databases {
		audit := m.Book.Audit(plan.DatabaseKey{Region: region.Name, Server: server.Name, Database: database})
		var foreign *postgres.ForeignServerError
		if audit.Err == nil && !audit.At.IsZero() || errors.As(audit.Err, &foreign) {
			return true
		}
	}
	return false
}

// shake makes one TLS connection to the server and says what was at its end.
func (m *Measurer) shake(ctx context.Context, server *v1alpha1.DatabaseServer) (compliance.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	to := reach(server)
	state, address, err := to.Handshake(ctx)
	met := evidence.Met(&state, address)
	if errors.Is(err, postgres.ErrNotEncrypted) {
		met.FaultReason, met.Fault = v1alpha1.ReasonNotEncrypted, "it does not offer TLS"
		return met, nil
	}
	if fault, is := evidence.Faulty(err); is {
		fault.Address = met.Address
		return fault, nil
	}
	return met, err
}

// recognize tells a bucket's mark and the one its name stands for: that which the region's status remembers, else the
// first that is seen, which is put there where there is none.
func (m *Measurer) recognize(ctx context.Context, region *v1alpha1.DataRegion, store *v1alpha1.BackupStore, c *objectstore.Client, mark string) (seen, pinned string, err error) {
	key := evidence.EndpointKey{Region: region.Name, Where: plan.UseOf(region, store.Name)}
	if pinned = m.Book.Endpoint(key).Value.Pinned; pinned == "" {
		pinned = pinnedBucket(region, store.Name)
	}
	if pinned == "" && mark == "" {
		if mark, err = c.PutMark(ctx); err != nil {
			return "", "", err
		}
	}
	if pinned == "" {
		pinned = mark
	}
	if mark == "" {
		mark = compliance.NoMark
	}
	return mark, pinned, nil
}

// pinnedBucket is what the region's status remembers.
func pinnedBucket(region *v1alpha1.DataRegion, name string) string {
	for _, store := range region.Status.Stores {
		if store.Name == name {
			return store.BucketMark
		}
	}
	return ""
}

// enterStore enters how a store was met. A certificate that does not verify is a finding; any other failure is none.
func (m *Measurer) enterStore(region *v1alpha1.DataRegion, store *v1alpha1.BackupStore, met compliance.Endpoint, at time.Time, err error) {
	key := evidence.EndpointKey{Region: region.Name, Where: plan.UseOf(region, store.Name)}
	if fault, is := evidence.Faulty(err); is {
		met, err = fault, nil
		met.Pinned = m.Book.Endpoint(key).Value.Pinned
	}
	met.Declared = plan.StoreDigest(store)
	m.Book.PutEndpoint(key, compliance.Sample[compliance.Endpoint]{Value: met, At: at, Err: err})
}
