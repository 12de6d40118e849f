// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// whole tells whether the store gives the backup, byte for byte.
func (tn *tenant) whole(t *testing.T, store *s3test.Store, start time.Time, digest string) bool {
	t.Helper()
	raw, err := os.ReadFile(tn.copyOf(t, store, start))
	must(t, err)
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]) == digest
}

// B2: not only the newest: every backup that must still be there lies at every store.
func TestWhatAStoreHasLostOfAnyLiveBackupIsMadeGoodFromAnother(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, tn *tenant, store *s3test.Store, keys []string){
		"deleted for good": func(t *testing.T, tn *tenant, store *s3test.Store, keys []string) {
			for _, key := range keys {
				must(t, store.Objects(t).DeleteAll(t.Context(), key))
			}
		},
		"hidden by delete markers": func(t *testing.T, _ *tenant, store *s3test.Store, keys []string) {
			for range 2 { // one over the other
				for _, key := range keys {
					_, err := store.Admin().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &store.Bucket, Key: &key})
					must(t, err)
				}
			}
		},
		"hidden, and then written over the marker": func(t *testing.T, tn *tenant, store *s3test.Store, keys []string) {
			for _, key := range keys {
				_, err := store.Admin().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &store.Bucket, Key: &key})
				must(t, err)
				must(t, store.Objects(t).PutBytes(t.Context(), key, []byte("the gateway makes a marker of this")))
			}
		},
		"without its manifest": func(t *testing.T, tn *tenant, store *s3test.Store, keys []string) {
			must(t, store.Objects(t).DeleteAll(t.Context(), keys[1]))
		},
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant(t, s3test.Start(t, 3), 3)
			now := time.Now()
			tn.at(now.Add(-6 * time.Hour)) // by such a clock nothing is locked
			old := tn.run(t)
			tn.at(now.Add(-5 * time.Hour))
			newer := tn.run(t)
			keys := []string{
				objectstore.Key(tn.schema+"/", *old.SnapshotStart, objectstore.KindDump),
				objectstore.Key(tn.schema+"/", *old.SnapshotStart, objectstore.KindManifest),
			}
			lose(t, tn, tn.stores[1], keys)
			if got := tn.inventory(t, tn.stores[1]); len(got.Backups) != 1 {
				t.Fatalf("nothing is lost: %+v", got)
			}
			tn.at(now)
			result, err := tn.expire(t)
			must(t, err)
			if result.Stores[1].Mended+result.Stores[1].Uncovered == 0 || result.Stores[0].Mended != 0 || result.Stores[2].Mended != 0 {
				t.Errorf("%+v", result.Stores)
			}
			for _, store := range tn.stores {
				if got := tn.inventory(t, store); len(got.Backups) != 2 {
					t.Errorf("%s: %+v", store.Name, got)
				}
				if !tn.whole(t, store, *old.SnapshotStart, old.SHA256) || !tn.whole(t, store, *newer.SnapshotStart, newer.SHA256) {
					t.Errorf("%s: a copy is another", store.Name)
				}
			}
		})
	}
}

func TestABackupThatMayStillBeOnItsWayIsNotMended(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 3)
	now := time.Now()
	tn.at(now.Add(-time.Hour))
	result := tn.run(t)
	must(t, tn.stores[1].Objects(t).DeleteAll(t.Context(), tn.schema+"/"))
	tn.at(now)
	mended, err := tn.expire(t)
	must(t, err)
	if mended.Stores[1].Mended != 0 {
		t.Errorf("the copy of %s was mended while its run may be at work", result.SnapshotStart)
	}
}

func TestACopyThatIsNoLongerWhatItsManifestSaysIsNotSpread(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 3), 3)
	now := time.Now()
	tn.at(now.Add(-6 * time.Hour))
	result := tn.run(t)
	key := objectstore.Key(tn.schema+"/", *result.SnapshotStart, objectstore.KindDump)
	must(t, tn.stores[0].Objects(t).PutBytes(t.Context(), key, []byte("something else")))
	must(t, tn.stores[1].Objects(t).DeleteAll(t.Context(), tn.schema+"/"))
	tn.at(now)
	mended, err := tn.expire(t)
	must(t, err)
	if mended.Stores[1].Mended != 1 || !tn.whole(t, tn.stores[1], *result.SnapshotStart, result.SHA256) {
		t.Errorf("%+v", mended.Stores)
	}
}

func TestACopyThatIsGoodIsNotMadeOnceMoreSinceTheRecordOfItsUploadStays(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 3), 3)
	now := time.Now()
	tn.at(now.Add(-6 * time.Hour))
	result := tn.run(t)
	key := objectstore.Key(tn.schema+"/", *result.SnapshotStart, objectstore.KindDump)
	must(t, tn.stores[0].Objects(t).DeleteAll(t.Context(), tn.schema+"/"))
	behind := func(n int, fault s3test.Fault) {
		liar := tn.stores[n].Behind(t, fault)
		tn.options.Settings.Stores[n].Endpoint, tn.options.Settings.Stores[n].CABundle = liar.Endpoint, liar.CABundle
	}
	var read atomic.Int32
	behind(0, s3test.Fault{Answer: func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, string(objectstore.KindUpload)) {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}})
	for n := 1; n < 3; n++ {
		behind(n, s3test.Fault{Answer: func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, key) {
				read.Add(1)
			}
			return false
		}})
	}
	tn.at(now)
	if mended, err := tn.expire(t); err == nil || mended.Stores[0].MendError != objectstore.ClassAccessDenied {
		t.Errorf("that the record stays is not told: %+v, %v", mended.Stores[0], err)
	}
	if n := read.Load(); n != 1 || !tn.whole(t, tn.stores[0], *result.SnapshotStart, result.SHA256) {
		t.Errorf("the backup was read %d times to be copied", n)
	}
}

func TestMendingALargeCopyLeavesNoRecordOfItsUpload(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 1)
	tn.dumping(t, "head -c 12000000 /dev/urandom\n")
	now := time.Now()
	tn.at(now.Add(-9 * time.Hour)) // by such a clock nothing is locked, and the record of this run is old
	taken := tn.run(t)
	for _, kind := range []objectstore.Kind{objectstore.KindDump, objectstore.KindManifest} {
		must(t, tn.stores[0].Objects(t).DeleteAll(t.Context(), objectstore.Key(tn.schema+"/", *taken.SnapshotStart, kind)))
	}
	tn.at(now)
	result, err := tn.expire(t)
	must(t, err)
	if result.Stores[0].Mended != 1 {
		t.Errorf("%+v", result.Stores)
	}
	tn.nothingLeft(t)
}
