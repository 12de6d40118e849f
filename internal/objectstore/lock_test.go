// SPDX-License-Identifier: Apache-2.0

package objectstore_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// Acceptance: an administrator's attempt to delete before the lock ends fails, expiry afterwards succeeds.
func TestWhatIsLockedNobodyDeletesBeforeTheLockEndsAndAnybodyEntitledAfter(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	must(t, newIdentities(t, store).Ensure(t.Context(), "ta", pair("ta", "secret")))
	admin, writer, keeper := store.Objects(t), as(t, store, "ta-writer", "secret"), as(t, store, "ta", "secret")
	until := time.Now().Add(15 * time.Second).Truncate(time.Second)
	for name, size := range map[string]int{"ta/small": 10, "ta/large": objectstore.PartSize + 1} {
		upload := writer.NewUpload(name, "", objectstore.Lock{Until: until})
		must(t, upload.From(t.Context(), bytes.NewReader(content(size))))
		info, err := writer.Stat(t.Context(), name, upload.VersionID())
		must(t, err)
		if !info.Lock.Until.Equal(until) || info.Size != int64(size) {
			t.Errorf("%s: the store shows %+v, want a lock until %s", name, info, until)
		}
		for who, client := range map[string]*objectstore.Client{"the administrator": admin, "the keeper": keeper} {
			if err := client.DeleteVersion(t.Context(), name, upload.VersionID()); objectstore.ClassOf(err) != objectstore.ClassAccessDenied {
				t.Errorf("%s: %s could delete it: %v", name, who, err)
			}
		}
		shorter, version := time.Now().Add(time.Second), upload.VersionID()
		_, err = store.Admin().PutObjectRetention(t.Context(), &s3.PutObjectRetentionInput{
			Bucket: &store.Bucket, Key: &name, VersionId: &version,
			Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeCompliance, RetainUntilDate: &shorter},
		})
		if err == nil {
			t.Errorf("%s: the administrator could shorten the lock", name)
		}
	}
	put(t, admin, "ta/unlocked", "content")
	locked, err := admin.DeleteUnlocked(t.Context(), "ta/")
	must(t, err)
	if left := versions(t, admin, "ta/"); !locked.Equal(until) || len(left) != 2 {
		t.Errorf("locked until %s, want %s; left are %+v", locked, until, left)
	}
	if err := admin.DeleteAll(t.Context(), "ta/"); objectstore.ClassOf(err) != objectstore.ClassAccessDenied {
		t.Errorf("the error is %v", err)
	}
	// The store's own clock ends the lock.
	for deadline := time.Now().Add(time.Minute); ; {
		locked, err := keeper.DeleteUnlocked(t.Context(), "ta/")
		must(t, err)
		if locked.IsZero() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the lock never ends")
		}
	}
	if left := versions(t, admin, "ta/"); len(left) != 0 {
		t.Errorf("left are %+v", left)
	}
}

func TestWhetherABucketLocksAndWhatTimeItIsThereIsAskedOfTheStore(t *testing.T) {
	for want, store := range map[bool]*s3test.Store{true: s3test.Start(t, 1)[0], false: s3test.StartUnlocked(t, 1)[0]} {
		must(t, newIdentities(t, store).Ensure(t.Context(), "ta", pair("ta", "secret")))
		writer := as(t, store, "ta-writer", "secret")
		if _, told := writer.Clock(); told {
			t.Error("a store that was not asked has told its time")
		}
		locks, err := writer.Locks(t.Context())
		must(t, err)
		if locks != want {
			t.Errorf("the bucket locks: %t, want %t", locks, want)
		}
		if now, told := writer.Clock(); !told || time.Since(now).Abs() > time.Minute {
			t.Errorf("the store's clock shows %s, %t", now, told)
		}
	}
}
