// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// at moves the clock of the job.
func (tn *tenant) at(moment time.Time) { tn.options.Now = func() time.Time { return moment } }

// B1: at most 90 days in backups, every version, at every store.
func TestWhatIsPastItsPeriodIsDeletedWithAllVersionsAtEveryStore(t *testing.T) {
	tn := newTenant(t, s3test.StartUnlocked(t, 2), 3)
	first := tn.run(t)
	key := objectstore.Key(tn.schema+"/", *first.SnapshotStart, objectstore.KindDump)
	for _, store := range tn.stores {
		admin := store.Objects(t)
		must(t, admin.PutBytes(t.Context(), key, []byte("a second version")))
		_, err := store.Admin().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &store.Bucket, Key: &key})
		must(t, err)
		must(t, admin.PutBytes(t.Context(), tn.schema+"/stray", []byte("a key that is none of ours")))
		if got := tn.inventory(t, store); got.Versions != 5 {
			t.Fatalf("%s: %+v", store.Name, got)
		}
	}
	for _, step := range []struct {
		after   time.Duration
		expired int
	}{
		{90*24*time.Hour - time.Minute, 0}, // but the marker over a live backup is taken away
		{90*24*time.Hour + time.Minute, 4},
		{91 * 24 * time.Hour, 0},
	} {
		tn.at(first.SnapshotStart.Add(step.after))
		result, err := tn.expire(t)
		must(t, err)
		for _, store := range result.Stores {
			if store.Expired != step.expired {
				t.Errorf("after %s: %s expired %d, want %d", step.after, store.Name, store.Expired, step.expired)
			}
		}
	}
	for _, store := range tn.stores {
		if got := tn.inventory(t, store); got.Versions != 0 {
			t.Errorf("%s: %+v", store.Name, got)
		}
	}
}

func TestWhatFallsDueBeforeTheNextRunGoesInThisOne(t *testing.T) {
	tn := newTenant(t, s3test.StartUnlocked(t, 1), 3)
	first := tn.run(t)
	tn.options.Settings.Period, tn.options.Settings.ExpireAhead = "10m", "2m"
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{7 * time.Minute, 2}, {8 * time.Minute, 0}} {
		tn.at(first.SnapshotStart.Add(step.after))
		_, err := tn.expire(t)
		must(t, err)
		if got := tn.inventory(t, tn.stores[0]); got.Versions != step.left {
			t.Errorf("after %s: %+v", step.after, got)
		}
	}
}

func TestAPeriodThatWouldKeepNothingIsRefused(t *testing.T) {
	for _, c := range []struct{ period, ahead, want string }{
		{"12h", "12h", "none would ever be kept"}, {"", "", "is no period"}, {"0d", "", "is no period"}, {"1d", "0h", "is no period"},
	} {
		tn := backup.Options{}
		tn.Settings.Period, tn.Settings.ExpireAhead = v1alpha1.Period(c.period), v1alpha1.Period(c.ahead)
		if _, err := backup.Expire(t.Context(), tn); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestOneStoreThatIsDownKeepsNoOtherFromExpiring(t *testing.T) {
	tn := newTenant(t, s3test.StartUnlocked(t, 2), 3)
	first := tn.run(t)
	tn.stores[0].Stop()
	tn.at(first.SnapshotStart.Add(91 * 24 * time.Hour))
	result, err := tn.expire(t)
	if err == nil || !strings.Contains(err.Error(), "store-1") {
		t.Errorf("the error is %v", err)
	}
	if result.Stores[0].ExpiryError != objectstore.ClassUnreachable || result.Stores[1].Expired != 2 {
		t.Errorf("%+v", result)
	}
}

func TestAVersionThatCannotBeDeletedIsReportedAndTheOthersGo(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 1), 3)
	tn.at(time.Now().Add(-time.Hour)) // by a clock so wrong that nothing is locked
	first := tn.run(t)
	store := tn.stores[0]
	key := objectstore.Key(tn.schema+"/", *first.SnapshotStart, objectstore.KindDump)
	_, err := store.Admin().PutObjectLegalHold(t.Context(), &s3.PutObjectLegalHoldInput{
		Bucket: &store.Bucket, Key: &key, LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOn},
	})
	must(t, err)
	tn.at(first.SnapshotStart.Add(91 * 24 * time.Hour))
	result, err := tn.expire(t)
	if err == nil || result.Stores[0].ExpiryError != objectstore.ClassAccessDenied || result.Stores[0].Expired != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestWhatAKilledRunLeftUnfinishedIsEnded(t *testing.T) {
	tn := newTenant(t, s3test.StartUnlocked(t, 1), 3)
	store := tn.stores[0]
	start := time.Now().UTC().Truncate(time.Second)
	prefix := tn.schema + "/"
	killed := store.Objects(t).NewUpload(objectstore.Key(prefix, start, objectstore.KindDump), objectstore.Key(prefix, start, objectstore.KindUpload), objectstore.Lock{})
	must(t, killed.Part(t.Context(), make([]byte, objectstore.PartSize)))
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{time.Hour, 1}, {7 * time.Hour, 0}} {
		tn.at(start.Add(step.after))
		_, err := tn.expire(t)
		must(t, err)
		uploads, err := store.Admin().ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(store.Bucket)})
		must(t, err)
		if got := tn.inventory(t, store); len(uploads.Uploads) != step.left || got.Versions != step.left {
			t.Errorf("after %s: %d uploads, %+v", step.after, len(uploads.Uploads), got)
		}
	}
}
