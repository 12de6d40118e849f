// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
)

// Measurer audits every database, lists every store and tries the wall of every region, at an interval of its own: fleet-wide, never
// per tenant. It is a leader-elected runnable.
type Measurer struct {
	Client    client.Client
	Databases *Databases
	Stores    *Stores
	Book      *evidence.Book
	// Pods are read past the cache, which knows our own alone.
	Pods client.Reader
	// Interval between two measurements of the same database or store.
	Interval time.Duration
	// Timeout of one measurement.
	Timeout time.Duration
	// Kick asks for a measurement now; used when a region appears or changes.
	Kick chan struct{}
	// Done is called after each round, for what depends on all of it.
	Done func(context.Context)
}

// NeedLeaderElection makes only the leader measure.
func (m *Measurer) NeedLeaderElection() bool { return true }

// Start measures until the context ends.
func (m *Measurer) Start(ctx context.Context) error {
	ticker := time.NewTicker(m.Interval)
	defer ticker.Stop()
	for {
		m.round(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-m.Kick:
		}
	}
}

// round measures everything once, each database and store on its own, so that a dead one delays no other.
func (m *Measurer) round(ctx context.Context) {
	regions := &v1alpha1.DataRegionList{}
	if err := m.Client.List(ctx, regions); err != nil {
		log.FromContext(ctx).Error(err, "listing regions")
		return
	}
	m.keepEndpoints(regions.Items)
	var wg sync.WaitGroup
	for i := range regions.Items {
		wg.Go(func() { m.region(ctx, &wg, &regions.Items[i]) })
	}
	wg.Wait()
	if m.Done != nil && ctx.Err() == nil {
		m.Done(ctx)
	}
}

// region begins the measurements of one region. What its CloudNativePG Clusters say comes before what is in them.
func (m *Measurer) region(ctx context.Context, wg *sync.WaitGroup, region *v1alpha1.DataRegion) {
	for i := range region.Spec.DatabaseServers {
		if server := &region.Spec.DatabaseServers[i]; server.ClusterRef != nil {
			m.lookAtCluster(ctx, region, server)
		}
	}
	region = m.Book.Resolve(region)
	for i := range region.Spec.DatabaseServers {
		wg.Go(func() { m.meetServer(ctx, region, &region.Spec.DatabaseServers[i]) })
	}
	for _, store := range plan.Stores(region) {
		wg.Go(func() { m.list(ctx, region, &store) })
	}
	wg.Go(func() { m.tryWall(ctx, region) })
	wg.Go(func() { m.lookAtFront(ctx, region) })
}

func (m *Measurer) audit(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer, database string) {
	key := plan.DatabaseKey{Region: region.Name, Server: server.Name, Database: database}
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	started := time.Now()
	result, err := m.auditOnce(ctx, region, server, database)
	auditSeconds.WithLabelValues(region.Name, server.Name, database).Observe(time.Since(started).Seconds())
	if err != nil {
		// A slow database keeps its pool: tenants are being provisioned through it, and a new login is no quicker.
		if !postgres.Slow(err) {
			m.Databases.Forget(key)
		}
		log.FromContext(ctx).Error(err, "audit failed", "server", server.Name, "database", database)
		m.Book.PutAudit(key, evidence.Audit{At: time.Now(), Err: err})
		return
	}
	m.Book.PutAudit(key, auditOf(result, started))
}

func (m *Measurer) auditOnce(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer, database string) (*postgres.Audit, error) {
	admin, err := m.Databases.Admin(ctx, region, server, database)
	if err != nil {
		return nil, err
	}
	return admin.Audit(ctx)
}

// auditOf keeps the operator's own clock as the time of the measurement, taken before the query, so that evidence is
// never younger than it says, whatever a database's clock shows.
func auditOf(a *postgres.Audit, at time.Time) evidence.Audit {
	records := make(map[string]evidence.Record, len(a.Tenants))
	for _, t := range a.Tenants {
		record := evidence.Record{
			Tenant: types.NamespacedName{Namespace: t.Namespace, Name: t.Name}, DataID: t.DataID,
			SpecHash: t.SpecHash, SchemaVersion: t.SchemaVersion,
			RetainedSince: t.RetainedSince, RetainedUntil: t.RetainedUntil, Err: t.Err,
			Retention: compliance.Retention{
				LastPurge: t.LastPurge, Unmapped: t.Unmapped, ScratchLeft: t.ScratchLeft, Erasures: (*compliance.Erasures)(t.Erasures),
			},
		}
		if test := t.RestoreTest; test != nil {
			record.Retention.RestoreTest = &compliance.RestoreTest{
				TestedAt: test.TestedAt, Differing: test.Differing, ProvenAt: test.ProvenAt, SnapshotStart: test.SnapshotStart, Tables: test.Tables, Rows: test.Rows,
			}
		}
		record.Retention.Runs = make([]compliance.Run, 0, len(t.Runs))
		for _, run := range t.Runs {
			record.Retention.Runs = append(record.Retention.Runs, compliance.Run(run))
		}
		record.Retention.Categories = make([]compliance.Category, 0, len(t.Categories))
		for _, c := range t.Categories {
			record.Retention.Categories = append(record.Retention.Categories, compliance.Category{
				Category: c.Category, Period: c.Period, Action: c.Action,
				Rows: c.Rows, Overdue: c.Overdue, Oldest: c.Oldest, Removed: c.Removed, Held: c.Held,
				LastRun: c.PurgedAt, NextDue: c.NextDue, Since: c.Since, SuspendedUntil: c.SuspendedUntil, Archived: (*compliance.Archived)(c.Archived),
			})
		}
		records[t.DataID] = record
	}
	return evidence.Audit{At: at, Records: records}
}

func (m *Measurer) list(ctx context.Context, region *v1alpha1.DataRegion, store *v1alpha1.BackupStore) {
	key := evidence.StoreKey{Region: region.Name, Store: store.Name}
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	started := time.Now()
	listing, met, err := m.listOnce(ctx, region, store)
	listSeconds.WithLabelValues(region.Name, store.Name).Observe(time.Since(started).Seconds())
	m.enterStore(region, store, met, started, err)
	if err == nil && met.Identity != met.Pinned {
		// What another bucket holds says nothing of the tenants' backups, not even that they are gone.
		err = fmt.Errorf("store %s: its bucket is another one than the name stands for", store.Name)
	}
	if err != nil {
		m.Stores.Forget(key)
		log.FromContext(ctx).Error(err, "listing failed", "region", region.Name, "store", store.Name)
		m.Book.PutListing(key, evidence.Listing{At: time.Now(), Err: err})
		return
	}
	listing.At = started
	m.Book.PutListing(key, listing)
}

// listOnce lists over a connection of its own, so that it is the bucket the name leads to now.
func (m *Measurer) listOnce(ctx context.Context, region *v1alpha1.DataRegion, store *v1alpha1.BackupStore) (evidence.Listing, compliance.Endpoint, error) {
	if err := m.Stores.heedSecret(ctx, region.Name, store); err != nil {
		return evidence.Listing{}, compliance.Endpoint{}, err
	}
	c, identities, err := m.Stores.Client(ctx, region.Name, store)
	if err != nil {
		return evidence.Listing{}, compliance.Endpoint{}, err
	}
	c.Reconnect()
	inventory, mark, err := inventoryOf(ctx, region, store, c)
	if err != nil {
		return evidence.Listing{}, compliance.Endpoint{}, err
	}
	met := evidence.Met(c.Connection())
	if met.Identity, met.Pinned, err = m.recognize(ctx, region, store, c, mark); err != nil {
		return evidence.Listing{}, met, err
	}
	bound, err := identities.Bound(ctx)
	if err != nil {
		return evidence.Listing{}, met, err
	}
	tenants := listingOf(inventory)
	lookAtCopies(ctx, c, tenants, m.Book.Listing(evidence.StoreKey{Region: region.Name, Store: store.Name}).Tenants)
	return evidence.Listing{Tenants: tenants, Bound: bound}, met, nil
}

// inventoryOf lists a store. Of an archive, which only grows, nobody asks more than its mark: it has no inventory.
func inventoryOf(ctx context.Context, region *v1alpha1.DataRegion, store *v1alpha1.BackupStore, c *objectstore.Client) (map[string]objectstore.Inventory, string, error) {
	if plan.UseOf(region, store.Name) == plan.ArchiveUse(store.Name) {
		mark, err := c.Mark(ctx)
		return nil, mark, err
	}
	return c.MarkedInventory(ctx)
}

// listingOf keeps what verdicts need of an inventory: a backup counts at the second it was started, newest first.
func listingOf(inventory map[string]objectstore.Inventory) map[string]compliance.Store {
	if inventory == nil {
		return nil
	}
	tenants := make(map[string]compliance.Store, len(inventory))
	for dataID, found := range inventory {
		store := compliance.Store{Backups: make([]time.Time, 0, len(found.Backups))}
		for _, backup := range slices.Backward(found.Backups) {
			store.Backups = append(store.Backups, backup.SnapshotStart)
		}
		if !found.Oldest.IsZero() {
			store.OldestVersion = &found.Oldest
		}
		tenants[dataID] = store
	}
	return tenants
}
