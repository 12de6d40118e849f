// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
)

var (
	now      = time.Now().UTC().Truncate(time.Second)
	database = plan.DatabaseKey{Region: "ch", Server: "pg-1", Database: "appointments_1"}
	store    = evidence.StoreKey{Region: "ch", Store: "bern"}
	errDown  = errors.New("no answer")
)

// listened is a book and the tenants it has told of since it was last asked.
type listened struct {
	*evidence.Book
	told []string
}

func newBook() *listened {
	b := &listened{}
	b.Book = evidence.NewBook(func(dataID string) { b.told = append(b.told, dataID) })
	return b
}

func (b *listened) expectTold(t *testing.T, why string, want ...string) {
	t.Helper()
	slices.Sort(b.told)
	if !slices.Equal(b.told, want) {
		t.Errorf("%s: told of %v, want %v", why, b.told, want)
	}
	b.told = nil
}

func record(change func(*evidence.Record, *compliance.Category)) evidence.Record {
	r := evidence.Record{SpecHash: "hash-1", Retention: compliance.Retention{Categories: []compliance.Category{
		{Category: v1alpha1.CategoryHold, Period: time.Minute, Action: v1alpha1.ActionDelete},
		{Category: v1alpha1.CategoryContact, Period: time.Hour, Action: v1alpha1.ActionDelete, Rows: 5, Archived: &compliance.Archived{Period: time.Hour, Records: 3}},
	}}}
	change(&r, &r.Retention.Categories[1])
	return r
}

func unchanged(*evidence.Record, *compliance.Category) {}

func audit(at time.Time, records map[string]evidence.Record) evidence.Audit {
	return evidence.Audit{At: at, Records: records}
}

// Invariant 9: in steady state nothing happens; but what may change a verdict is told of at once.
func TestAnAuditTellsOnlyOfTenantsWhoseVerdictMayChange(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*evidence.Record, *compliance.Category)
		told   bool
	}{
		"the same again":          {unchanged, false},
		"more rows":               {func(_ *evidence.Record, c *compliance.Category) { c.Rows = 6 }, false},
		"another oldest record":   {func(_ *evidence.Record, c *compliance.Category) { c.Oldest = &now }, false},
		"another purge":           {func(r *evidence.Record, c *compliance.Category) { r.Retention.LastPurge, c.Removed = &now, 9 }, false},
		"one overdue":             {func(_ *evidence.Record, c *compliance.Category) { c.Overdue = 1 }, true},
		"the last row gone":       {func(_ *evidence.Record, c *compliance.Category) { c.Rows = 0 }, true},
		"another period":          {func(_ *evidence.Record, c *compliance.Category) { c.Period = time.Minute }, true},
		"another action":          {func(_ *evidence.Record, c *compliance.Category) { c.Action = v1alpha1.ActionAnonymize }, true},
		"more handed over":        {func(_ *evidence.Record, c *compliance.Category) { c.Archived.Records, c.Archived.At = 4, &now }, false},
		"an archive that fails":   {func(_ *evidence.Record, c *compliance.Category) { c.Archived.Failure = "statutory: LockIgnored" }, true},
		"another archive period":  {func(_ *evidence.Record, c *compliance.Category) { c.Archived.Period = time.Minute }, true},
		"no longer handed over":   {func(_ *evidence.Record, c *compliance.Category) { c.Archived = nil }, true},
		"a category gone":         {func(r *evidence.Record, _ *compliance.Category) { r.Retention.Categories = r.Retention.Categories[:1] }, true},
		"brought to another spec": {func(r *evidence.Record, _ *compliance.Category) { r.SpecHash = "hash-2" }, true},
		"no longer readable":      {func(r *evidence.Record, _ *compliance.Category) { r.Err = errDown }, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook()
			b.PutAudit(database, audit(now, map[string]evidence.Record{"ta": record(unchanged), "tb": record(unchanged)}))
			b.expectTold(t, "first audit", "ta", "tb")
			b.PutAudit(database, audit(now.Add(time.Minute), map[string]evidence.Record{"ta": record(c.change), "tb": record(unchanged)}))
			if c.told {
				b.expectTold(t, name, "ta")
			} else {
				b.expectTold(t, name)
			}
		})
	}
}

func TestAnAuditTellsOfTenantsThatComeAndGo(t *testing.T) {
	b := newBook()
	b.PutAudit(database, audit(now, map[string]evidence.Record{"ta": record(unchanged)}))
	b.told = nil
	b.PutAudit(database, audit(now, map[string]evidence.Record{"tb": record(unchanged)}))
	b.expectTold(t, "one came, one went", "ta", "tb")
	if _, _, found, err := b.Record(database, "ta"); found || err != nil {
		t.Errorf("a tenant that went is found: %t, %v", found, err)
	}
}

func TestAFailedAuditKeepsTheRecordsButNotTheirStanding(t *testing.T) {
	b := newBook()
	b.PutAudit(database, audit(now, map[string]evidence.Record{"ta": record(unchanged)}))
	b.told = nil
	failed := now.Add(time.Minute)
	b.PutAudit(database, evidence.Audit{At: failed, Err: errDown})
	b.expectTold(t, "the audit failed", "ta")
	kept, at, found, err := b.Record(database, "ta")
	if !found || !errors.Is(err, errDown) || !at.Equal(failed) {
		t.Errorf("readers see found %t, %v at %s; want the failure", found, err, at)
	}
	if !reflect.DeepEqual(kept, record(unchanged)) {
		t.Errorf("the record was lost with the failure: %+v", kept)
	}
	b.PutAudit(database, evidence.Audit{At: failed, Err: errDown})
	b.expectTold(t, "it failed again")
	b.PutAudit(database, audit(failed.Add(time.Minute), map[string]evidence.Record{"ta": record(unchanged)}))
	b.expectTold(t, "it answers again", "ta")
	if _, _, _, err := b.Record(database, "ta"); err != nil {
		t.Errorf("the failure outlived the next good audit: %v", err)
	}
}

func TestARecordThatCouldNotBeReadGivesItsOwnError(t *testing.T) {
	b := newBook()
	b.PutAudit(database, audit(now, map[string]evidence.Record{
		"ta": record(func(r *evidence.Record, _ *compliance.Category) { r.Err = errDown }), "tb": record(unchanged),
	}))
	if _, _, found, err := b.Record(database, "ta"); !found || !errors.Is(err, errDown) {
		t.Errorf("the unreadable schema gives %t, %v", found, err)
	}
	if _, _, found, err := b.Record(database, "tb"); !found || err != nil {
		t.Errorf("its neighbour gives %t, %v", found, err)
	}
	if got := b.Audit(database); got.Err != nil || len(got.Records) != 2 {
		t.Errorf("the audit is %+v", got)
	}
}

func listing(at time.Time, tenants map[string]compliance.Store) evidence.Listing {
	return evidence.Listing{At: at, Tenants: tenants}
}

func backups(times ...time.Time) compliance.Store { return compliance.Store{Backups: times} }

func TestAListingTellsOnlyOfTenantsWhoseBackupsChanged(t *testing.T) {
	older := now.Add(-time.Hour)
	for name, c := range map[string]struct {
		after compliance.Store
		told  bool
	}{
		"the same again":           {backups(now, older), false},
		"the same in another zone": {backups(now.In(time.FixedZone("CET", 3600)), older), false},
		"one more":                 {backups(now.Add(time.Minute), now, older), true},
		"one exchanged":            {backups(now, older.Add(time.Second)), true},
		"one deleted":              {backups(now), true},
		"an older version":         {compliance.Store{Backups: []time.Time{now, older}, OldestVersion: &older}, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBook()
			b.PutListing(store, listing(now, map[string]compliance.Store{"ta": backups(now, older), "tb": backups(now)}))
			b.expectTold(t, "first listing", "ta", "tb")
			b.PutListing(store, listing(now.Add(time.Minute), map[string]compliance.Store{"ta": c.after, "tb": backups(now)}))
			if c.told {
				b.expectTold(t, name, "ta")
			} else {
				b.expectTold(t, name)
			}
		})
	}
}

func TestAListingTellsOfATenantWhoseLastBackupIsGone(t *testing.T) {
	b := newBook()
	b.PutListing(store, listing(now, map[string]compliance.Store{"ta": backups(now)}))
	b.told = nil
	b.PutListing(store, listing(now.Add(time.Minute), nil))
	b.expectTold(t, "everything was deleted", "ta")
	// That a store holds nothing was measured, too.
	if sample := b.Store(store, "ta"); sample.Err != nil || !sample.At.Equal(now.Add(time.Minute)) || len(sample.Value.Backups) != 0 {
		t.Errorf("the store shows %+v", sample)
	}
}

func TestAFailedListingKeepsTheBackupsButNotTheirStanding(t *testing.T) {
	b := newBook()
	b.PutListing(store, listing(now, map[string]compliance.Store{"ta": backups(now)}))
	b.told = nil
	b.PutListing(store, evidence.Listing{At: now.Add(time.Minute), Err: errDown})
	b.expectTold(t, "the listing failed", "ta")
	if sample := b.Store(store, "ta"); !errors.Is(sample.Err, errDown) || len(sample.Value.Backups) != 1 {
		t.Errorf("readers see %+v; want the failure beside what was last seen", sample)
	}
	if got := b.Listing(store); !errors.Is(got.Err, errDown) {
		t.Errorf("the listing is %+v", got)
	}
	b.PutListing(store, evidence.Listing{At: now.Add(2 * time.Minute), Err: errDown})
	b.expectTold(t, "it failed again")
}

// A tenant without a single backup appears in no listing, and yet a store that stops answering changes its verdict.
func TestAStoreThatTurnsTellsOfEveryTenantOfItsRegion(t *testing.T) {
	b := newBook()
	b.PutAudit(database, audit(now, map[string]evidence.Record{"ta": record(unchanged)}))
	b.PutAudit(plan.DatabaseKey{Region: "de", Server: "pg-1", Database: "appointments_1"}, audit(now, map[string]evidence.Record{"tz": record(unchanged)}))
	b.told = nil
	b.PutListing(store, listing(now, nil))
	b.expectTold(t, "first listing", "ta")
	b.PutListing(store, listing(now, nil))
	b.expectTold(t, "the same again")
	b.PutListing(store, evidence.Listing{At: now, Err: errDown})
	b.expectTold(t, "it failed", "ta")
	b.PutListing(store, listing(now, nil))
	b.expectTold(t, "it answers again", "ta")
}

func TestNothingMeasuredLooksLikeNothingMeasured(t *testing.T) {
	b := newBook()
	if _, at, found, err := b.Record(database, "ta"); !at.IsZero() || found || err != nil {
		t.Errorf("an empty book gives %s, %t, %v", at, found, err)
	}
	if sample := b.Store(store, "ta"); !sample.At.IsZero() || sample.Err != nil {
		t.Errorf("an empty book shows a store: %+v", sample)
	}
	if loads := b.Loads(); len(loads) != 0 {
		t.Errorf("an empty book has loads: %v", loads)
	}
}

func TestLoadsCountTenantsAuditedAndPlacedSince(t *testing.T) {
	b := newBook()
	expectLoad := func(why string, want int) {
		t.Helper()
		if got := b.Loads(); got[database] != want || len(got) != 1 {
			t.Errorf("%s: loads are %v, want %d", why, got, want)
		}
	}
	b.PutAudit(database, audit(now, map[string]evidence.Record{"ta": record(unchanged)}))
	expectLoad("audited", 1)
	b.Placed(database, "tb")
	b.Placed(database, "tb")
	b.Placed(database, "ta")
	expectLoad("one placed, twice told, and one that is audited", 2)
	b.PutAudit(database, audit(now, map[string]evidence.Record{"ta": record(unchanged)}))
	expectLoad("an audit that has not seen it yet", 2)
	b.PutAudit(database, audit(now, map[string]evidence.Record{"ta": record(unchanged), "tb": record(unchanged)}))
	expectLoad("an audit that has", 2)
	b.PutAudit(database, evidence.Audit{At: now, Err: errDown})
	if loads := b.Loads(); len(loads) != 0 {
		t.Errorf("a database that does not answer takes new tenants: %v", loads)
	}
}

func TestABookMayBeReadWhileItIsWritten(t *testing.T) {
	b := evidence.NewBook(func(string) {})
	var group sync.WaitGroup
	for writer := range 4 {
		group.Go(func() {
			for i := range 100 {
				id := fmt.Sprintf("t%d", i)
				b.Placed(database, id)
				b.PutAudit(database, audit(now, map[string]evidence.Record{id: record(unchanged)}))
				b.PutListing(store, listing(now, map[string]compliance.Store{id: backups(now.Add(time.Duration(writer)))}))
				b.Loads()
				b.Store(store, id)
				if _, _, _, err := b.Record(database, id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
