// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Backup is one backup that can be read: the current version, not behind a delete marker, and beside it the manifest
// that is written only once the copy was read back and found good.
type Backup struct {
	SnapshotStart time.Time
	// Size in bytes.
	Size int64
}

// Inventory is what a store holds of one tenant.
type Inventory struct {
	// Backups that can be read, oldest first. Key(prefix, SnapshotStart, KindDump) is where one lies.
	Backups []Backup
	// Oldest snapshot start over every version of everything, hidden and unfinished ones included: what expiry is
	// judged by. An entry of the erasure journal counts as JournalExtra younger than it is. Zero when there is nothing.
	Oldest time.Time
	// Versions of everything, delete markers included.
	Versions int
	// Bytes of all versions together.
	Bytes int64
}

// Newest snapshot start among the backups that can be read; zero when there is none.
func (i Inventory) Newest() time.Time {
	if len(i.Backups) == 0 {
		return time.Time{}
	}
	return i.Backups[len(i.Backups)-1].SnapshotStart
}

// Inventory lists the whole bucket, one request per page, and groups it by tenant (data id). It needs an
// administrator's identity. Objects outside any prefix are counted under the empty data id: nobody's backup, but
// somebody should know.
func (c *Client) Inventory(ctx context.Context) (map[string]Inventory, error) {
	inventory, _, err := c.MarkedInventory(ctx)
	return inventory, err
}

// MarkedInventory is the inventory, in which the operator's mark does not count, and the version of the mark; empty when
// there is none.
func (c *Client) MarkedInventory(ctx context.Context) (inventory map[string]Inventory, mark string, err error) {
	tenants := map[string]*Counter{}
	err = c.ListVersions(ctx, "", func(v Version) error {
		if v.Key == MarkKey {
			mark = markOf(mark, v)
			return nil
		}
		dataID, _, found := strings.Cut(v.Key, "/")
		if !found {
			dataID = ""
		}
		tenant := tenants[dataID]
		if tenant == nil {
			tenant = NewCounter()
			// The map must not keep the keys of a whole page alive.
			tenants[strings.Clone(dataID)] = tenant
		}
		tenant.Add(v)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	inventory = make(map[string]Inventory, len(tenants))
	for dataID, tenant := range tenants {
		inventory[dataID] = tenant.Inventory()
	}
	return inventory, mark, nil
}

// Counter makes an inventory of the versions of one tenant, in whatever order they come.
type Counter struct {
	inventory Inventory
	dumps     map[time.Time]int64
	described map[time.Time]bool
}

// NewCounter makes a Counter that has seen nothing.
func NewCounter() *Counter {
	return &Counter{dumps: map[time.Time]int64{}, described: map[time.Time]bool{}}
}

// Add counts a version.
func (c *Counter) Add(v Version) {
	i := &c.inventory
	i.Versions++
	i.Bytes += v.Size
	start := v.Start()
	if v.Journal() {
		// Oldest is judged by the period of backups, beyond which an entry lives for so long.
		start = start.Add(JournalExtra)
	}
	if i.Oldest.IsZero() || start.Before(i.Oldest) {
		i.Oldest = start
	}
	_, named, kind, ok := ParseKey(v.Key)
	switch {
	case !ok || !v.Latest || v.DeleteMarker || v.Size == 0:
	case kind == KindDump:
		c.dumps[named] = v.Size
	case kind == KindManifest:
		c.described[named] = true
	}
}

// Inventory of what was counted.
func (c *Counter) Inventory() Inventory {
	i := c.inventory
	for start, size := range c.dumps {
		if c.described[start] {
			i.Backups = append(i.Backups, Backup{SnapshotStart: start, Size: size})
		}
	}
	slices.SortFunc(i.Backups, func(a, b Backup) int { return a.SnapshotStart.Compare(b.SnapshotStart) })
	return i
}

// Journal tells whether a version is part of an erasure journal.
func (v Version) Journal() bool {
	_, name, _ := strings.Cut(v.Key, "/")
	return strings.HasPrefix(name, JournalFolder)
}

// Start is when the period of a version began: the snapshot start its key names, or when it was written if that is
// earlier or its key is none of ours. A key that names the future buys no time.
func (v Version) Start() time.Time {
	_, start, _, ok := ParseKey(v.Key)
	if !ok || (!v.LastModified.IsZero() && v.LastModified.Before(start)) {
		return v.LastModified
	}
	return start
}
