// SPDX-License-Identifier: Apache-2.0

package objectstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

func dumpKey(dataID string, start time.Time) string {
	return objectstore.Key(dataID+"/", start, objectstore.KindDump)
}

func TestTheInventoryCountsReadableBackupsAndEveryVersion(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	small := store.Config()
	small.PageSize = 3 // several pages
	client := newClient(t, small)
	now, before, hidden := hoursAgo(1), hoursAgo(13), hoursAgo(25)
	put(t, client, dumpKey("ta", now), "newest")
	put(t, client, objectstore.Key("ta/", now, objectstore.KindManifest), "{}")
	put(t, client, dumpKey("ta", before), "first")
	put(t, client, dumpKey("ta", before), "again")
	put(t, client, objectstore.Key("ta/", before, objectstore.KindManifest), "{}")
	put(t, client, dumpKey("ta", hidden), "hidden by a delete marker")
	put(t, client, objectstore.Key("ta/", hidden, objectstore.KindManifest), "{}")
	put(t, client, dumpKey("tb", before), "another tenant's, which nobody has read back yet")
	put(t, client, "stray", "outside any prefix")
	deleteBehindOurBack(t, store, dumpKey("ta", hidden), nil)

	inventory, err := client.Inventory(t.Context())
	must(t, err)
	a := inventory["ta"]
	if len(a.Backups) != 2 || !a.Newest().Equal(now) || !a.Backups[0].SnapshotStart.Equal(before) || a.Backups[0].Size != 5 {
		t.Errorf("backups of ta: %+v", a.Backups)
	}
	if !a.Oldest.Equal(hidden) || a.Versions != 8 {
		t.Errorf("oldest %s, want %s; %d versions, want 8", a.Oldest, hidden, a.Versions)
	}
	if b := inventory["tb"]; len(b.Backups) != 0 || b.Versions != 1 {
		t.Errorf("tb: %+v", b)
	}
	if stray := inventory[""]; stray.Versions != 1 || len(stray.Backups) != 0 {
		t.Errorf("stray: %+v", stray)
	}
}

func TestTheInventorySeesABackupDeletedBehindOurBack(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	client := store.Objects(t)
	start := hoursAgo(1)
	put(t, client, dumpKey("ta", start), "backup")
	deleteBehindOurBack(t, store, dumpKey("ta", start), aws.String(versions(t, client, "ta/")[0].VersionID))
	inventory, err := client.Inventory(t.Context())
	must(t, err)
	if a, found := inventory["ta"]; found {
		t.Errorf("ta: %+v", a)
	}
}

func deleteBehindOurBack(t *testing.T, store *s3test.Store, key string, version *string) {
	t.Helper()
	_, err := store.Admin().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &store.Bucket, Key: &key, VersionId: version})
	must(t, err)
}

func TestDeletingAllLeavesNeitherVersionsNorMarkers(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	client := store.Objects(t)
	for range 3 {
		put(t, client, "ta/x", "again")
		deleteBehindOurBack(t, store, "ta/x", nil)
	}
	put(t, client, "tb/x", "kept")
	if found := versions(t, client, "ta/"); len(found) != 6 {
		t.Fatalf("%d versions, want 6", len(found))
	}
	must(t, client.DeleteAll(t.Context(), "ta/"))
	if left := versions(t, client, ""); len(left) != 1 {
		t.Errorf("%d versions are left, want tb's one", len(left))
	}
}

func TestAKeyThatNamesTheFutureBuysNoTime(t *testing.T) {
	written := hoursAgo(5)
	v := objectstore.Version{Key: dumpKey("ta", written.AddDate(100, 0, 0)), LastModified: written}
	if !v.Start().Equal(written) {
		t.Errorf("starts %s, want %s", v.Start(), written)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("ta/20260102T030405Z.dump.zst.age")
	f.Add("ta/20260102T030405Z.json")
	f.Add("/20260102T030405Z.upload")
	f.Add("ta/tb/20260102T030405Z.upload")
	f.Fuzz(func(t *testing.T, key string) {
		dataID, start, kind, ok := objectstore.ParseKey(key)
		if !ok {
			return
		}
		if strings.Contains(dataID, "/") || objectstore.Key(dataID+"/", start, kind) != key {
			t.Errorf("%q does not come back", key)
		}
	})
}

func TestTheMarkIsFoundWithoutALookAtAnythingElse(t *testing.T) {
	client := s3test.Start(t, 1)[0].Objects(t)
	put(t, client, objectstore.MarkKey+"-beside", "no mark")
	mark := func() string {
		t.Helper()
		alone, err := client.Mark(t.Context())
		must(t, err)
		inventory, listed, err := client.MarkedInventory(t.Context())
		must(t, err)
		if alone != listed || inventory[""].Versions != 1 {
			t.Errorf("the mark is %q alone, and %q in an inventory of %+v", alone, listed, inventory)
		}
		return alone
	}
	if got := mark(); got != "" {
		t.Errorf("a bucket without a mark has %q", got)
	}
	first, err := client.PutMark(t.Context())
	must(t, err)
	_, err = client.PutMark(t.Context())
	must(t, err)
	if got := mark(); first == "" || got != first {
		t.Errorf("the mark is %q, want the first version %q", got, first)
	}
}
