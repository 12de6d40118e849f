// SPDX-License-Identifier: Apache-2.0

// Package evidence keeps what fleet-wide measurements saw last: one audit per database, one listing per store. Tenants
// read their part of it; nothing here judges.
package evidence

import (
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
)

// StoreKey names one store of a region.
type StoreKey struct{ Region, Store string }

// Record is the audit of one tenant's schema.
type Record struct {
	// Tenant that owns the data, or owned it while it was there.
	Tenant types.NamespacedName
	DataID string
	// SpecHash and SchemaVersion tell what the database was last brought to.
	SpecHash      string
	SchemaVersion int64
	// RetainedSince and RetainedUntil are set when the tenant is gone and its data kept.
	RetainedSince, RetainedUntil *time.Time
	Retention                    compliance.Retention
	// Err is set when the schema could not be read.
	Err error
}

// Audit is one measurement of one database. Nobody changes one that is in the book.
type Audit struct {
	At      time.Time
	Err     error
	Records map[string]Record
}

// Listing is one measurement of one store.
type Listing struct {
	At  time.Time
	Err error
	// Tenants by DataID; nil where nothing but the mark was listed.
	Tenants map[string]compliance.Store
	// Bound are the tenants whose identity reaches exactly their prefix.
	Bound map[string]bool
}

// Book holds the newest measurements. It is safe for concurrent use.
type Book struct {
	mu        sync.RWMutex
	audits    map[plan.DatabaseKey]Audit
	listings  map[StoreKey]Listing
	placed    map[plan.DatabaseKey]map[string]bool
	walls     map[string]compliance.Sample[compliance.Wall]
	endpoints map[EndpointKey]compliance.Sample[compliance.Endpoint]
	notices   map[string]compliance.Sample[compliance.Notice]
	sites     map[string]compliance.Sample[compliance.Endpoint]
	// looked is set once every site's certificate was looked at.
	looked  bool
	egress  map[string]compliance.Sample[compliance.Egress]
	orphans map[string]compliance.Sample[compliance.Orphans]
	kept    map[string]Kept
	servers map[ServerKey]compliance.Sample[Server]
	// asked is set once every instance was asked for its network and its appointments.
	asked    bool
	fronts   map[string]compliance.Sample[[]compliance.Placement]
	expected map[string]expectation
	notify   func(dataID string)
}

// NewBook makes an empty book; notify is called with the DataID of each tenant whose evidence may change a verdict.
func NewBook(notify func(dataID string)) *Book {
	return &Book{
		audits: map[plan.DatabaseKey]Audit{}, listings: map[StoreKey]Listing{},
		placed: map[plan.DatabaseKey]map[string]bool{}, notify: notify,
		walls:     map[string]compliance.Sample[compliance.Wall]{},
		endpoints: map[EndpointKey]compliance.Sample[compliance.Endpoint]{},
		sites:     map[string]compliance.Sample[compliance.Endpoint]{},
		egress:    map[string]compliance.Sample[compliance.Egress]{},
		kept:      map[string]Kept{},
		orphans:   map[string]compliance.Sample[compliance.Orphans]{},
		servers:   map[ServerKey]compliance.Sample[Server]{},
		fronts:    map[string]compliance.Sample[[]compliance.Placement]{},
		notices:   map[string]compliance.Sample[compliance.Notice]{}, expected: map[string]expectation{},
	}
}

// PutAudit enters an audit and tells of the tenants it changes something for. A failed audit keeps the records of the
// last good one, but not their standing: readers see the failure.
func (b *Book) PutAudit(key plan.DatabaseKey, audit Audit) {
	b.mu.Lock()
	old := b.audits[key]
	if audit.Err != nil {
		audit.Records = old.Records
	}
	b.audits[key] = audit
	for dataID := range audit.Records {
		delete(b.placed[key], dataID)
	}
	b.mu.Unlock()
	for dataID, record := range audit.Records {
		before, known := old.Records[dataID]
		if !known || (old.Err == nil) != (audit.Err == nil) || differs(before, record) {
			b.notify(dataID)
		}
	}
	for dataID := range old.Records {
		if _, still := audit.Records[dataID]; !still {
			b.notify(dataID)
		}
	}
}

// PutListing enters a listing and tells of the tenants it changes something for.
func (b *Book) PutListing(key StoreKey, listing Listing) {
	b.mu.Lock()
	old := b.listings[key]
	if listing.Err != nil {
		listing.Tenants, listing.Bound = old.Tenants, old.Bound
	}
	b.listings[key] = listing
	changed := map[string]bool{}
	if (old.Err == nil) != (listing.Err == nil) || old.At.IsZero() {
		b.addAudited(key.Region, changed)
	}
	b.mu.Unlock()
	for dataID, store := range listing.Tenants {
		before, known := old.Tenants[dataID]
		if !known || (old.Err == nil) != (listing.Err == nil) || storeDiffers(before, store) {
			changed[dataID] = true
		}
	}
	for dataID := range old.Tenants {
		if _, still := listing.Tenants[dataID]; !still {
			changed[dataID] = true
		}
	}
	for dataID, bound := range old.Bound {
		if bound && !listing.Bound[dataID] {
			changed[dataID] = true
		}
	}
	for dataID := range changed {
		b.notify(dataID)
	}
}

// PutWall enters a trial of a region's admission policies and tells the region's tenants when it turned out otherwise
// than the one before.
func (b *Book) PutWall(region string, wall compliance.Sample[compliance.Wall]) {
	b.mu.Lock()
	old := b.walls[region]
	b.walls[region] = wall
	b.mu.Unlock()
	if turned(old, wall, old.Value == wall.Value) {
		b.notifyRegion(region)
	}
}

// Wall gives the newest trial of a region's admission policies.
func (b *Book) Wall(region string) compliance.Sample[compliance.Wall] {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.walls[region]
}

// turned tells whether a sample may change a verdict: it is the first, one of the two failed, or they differ.
func turned[T any](before, now compliance.Sample[T], same bool) bool {
	return before.At.IsZero() || (before.Err == nil) != (now.Err == nil) || !same
}

// notifyRegion tells every tenant of a region.
func (b *Book) notifyRegion(region string) {
	tenants := map[string]bool{}
	b.mu.RLock()
	b.addAudited(region, tenants)
	b.mu.RUnlock()
	for dataID := range tenants {
		b.notify(dataID)
	}
}

// addAudited adds every tenant of a region: a store that stops answering, or answers for the first time, says
// something of tenants it holds nothing of, too.
func (b *Book) addAudited(region string, tenants map[string]bool) {
	for key, audit := range b.audits {
		if key.Region != region {
			continue
		}
		for dataID := range audit.Records {
			tenants[dataID] = true
		}
	}
}

// Audit gives the newest audit of a database.
func (b *Book) Audit(key plan.DatabaseKey) Audit {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.audits[key]
}

// Audits gives the newest audit of every database.
func (b *Book) Audits() []Audit {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Collect(maps.Values(b.audits))
}

// Listing gives the newest listing of a store.
func (b *Book) Listing(key StoreKey) Listing {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.listings[key]
}

// Record gives the audit of one tenant.
func (b *Book) Record(key plan.DatabaseKey, dataID string) (record Record, at time.Time, found bool, err error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	audit := b.audits[key]
	record, found = audit.Records[dataID]
	if audit.Err != nil {
		return record, audit.At, found, audit.Err
	}
	return record, audit.At, found, record.Err
}

// Store gives the listing of one tenant's prefix at one store. A store that was listed and holds nothing of the
// tenant gives an empty listing: that, too, was measured.
func (b *Book) Store(key StoreKey, dataID string) compliance.Sample[compliance.Store] {
	b.mu.RLock()
	defer b.mu.RUnlock()
	listing := b.listings[key]
	return compliance.Sample[compliance.Store]{Value: listing.Tenants[dataID], At: listing.At, Err: listing.Err}
}

// Unbound tells whether the store showed, and when, that the tenant has no identity that reaches its prefix.
func (b *Book) Unbound(key StoreKey, dataID string) (at time.Time, unbound bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	listing := b.listings[key]
	return listing.At, listing.Err == nil && !listing.At.IsZero() && !listing.Bound[dataID]
}

// Loads gives the number of tenants in each database that answered its last audit, counting those placed since.
func (b *Book) Loads() map[plan.DatabaseKey]int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	loads := make(map[plan.DatabaseKey]int, len(b.audits))
	for key, audit := range b.audits {
		if audit.Err == nil {
			loads[key] = len(audit.Records) + len(b.placed[key])
		}
	}
	return loads
}

// Placed counts a tenant in until an audit has seen it, so that a burst of new tenants spreads.
func (b *Book) Placed(key plan.DatabaseKey, dataID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, audited := b.audits[key].Records[dataID]; audited {
		return
	}
	if b.placed[key] == nil {
		b.placed[key] = map[string]bool{}
	}
	b.placed[key][dataID] = true
}

// differs tells whether a verdict could change between two audits of a tenant.
func differs(a, b Record) bool {
	if (a.Err == nil) != (b.Err == nil) || a.SpecHash != b.SpecHash || len(a.Retention.Categories) != len(b.Retention.Categories) {
		return true
	}
	if !slices.Equal(a.Retention.Unmapped, b.Retention.Unmapped) || a.Retention.ScratchLeft != b.Retention.ScratchLeft ||
		waitDiffers(a.Retention.Erasures, b.Retention.Erasures) || testDiffers(a.Retention.RestoreTest, b.Retention.RestoreTest) {
		return true
	}
	for i := range a.Retention.Categories {
		x, y := a.Retention.Categories[i], b.Retention.Categories[i]
		if x.Category != y.Category || x.Overdue != y.Overdue || x.Period != y.Period || x.Action != y.Action || x.Held != y.Held ||
			(x.SuspendedUntil == nil) != (y.SuspendedUntil == nil) || (x.Rows == 0) != (y.Rows == 0) || archivedDiffers(x.Archived, y.Archived) {
			return true
		}
	}
	return false
}

func archivedDiffers(a, b *compliance.Archived) bool {
	if a == nil || b == nil {
		return a != b
	}
	return a.Period != b.Period || a.Failure != b.Failure
}

func waitDiffers(a, b *compliance.Erasures) bool {
	if a == nil || b == nil {
		return a != b
	}
	return a.Overdue != b.Overdue || (a.Waiting == 0) != (b.Waiting == 0)
}

func testDiffers(a, b *compliance.RestoreTest) bool {
	if a == nil || b == nil {
		return a != b
	}
	return a.Differing != b.Differing || !a.TestedAt.Equal(b.TestedAt)
}

func storeDiffers(a, b compliance.Store) bool {
	if len(a.Backups) != len(b.Backups) || (a.OldestVersion == nil) != (b.OldestVersion == nil) {
		return true
	}
	for i := range a.Backups {
		if !a.Backups[i].Equal(b.Backups[i]) {
			return true
		}
	}
	if copyDiffers(a.Newest, b.Newest) {
		return true
	}
	return a.OldestVersion != nil && !a.OldestVersion.Equal(*b.OldestVersion)
}

func copyDiffers(a, b compliance.Sample[compliance.Copy]) bool {
	return (a.Err == nil) != (b.Err == nil) || a.At.IsZero() != b.At.IsZero() || !a.Value.Snapshot.Equal(b.Value.Snapshot) ||
		a.Value.LockMode != b.Value.LockMode || !a.Value.LockedUntil.Equal(b.Value.LockedUntil) ||
		(a.Value.Shown == nil) != (b.Value.Shown == nil)
}
