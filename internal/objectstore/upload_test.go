// SPDX-License-Identifier: Apache-2.0

package objectstore_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

func TestWhatIsPutIsReadBackWhateverItsSize(t *testing.T) {
	client := s3test.Start(t, 1)[0].Objects(t)
	for name, size := range map[string]int{
		"nothing":                  0,
		"less than a part":         1000,
		"exactly one part":         objectstore.PartSize,
		"exactly two parts":        2 * objectstore.PartSize,
		"two parts and a half one": 5 * objectstore.PartSize / 2,
	} {
		t.Run(name, func(t *testing.T) {
			want := content(size)
			must(t, client.Put(t.Context(), "a/object", "a/record", bytes.NewReader(want)))
			if !bytes.Equal(get(t, client, "a/object"), want) {
				t.Error("what was read differs from what was written")
			}
			// Its record stays for whoever may delete.
			must(t, client.EndUpload(t.Context(), "a/record", "a/object"))
			if left := versions(t, client, "a/record"); len(left) != 0 || !bytes.Equal(get(t, client, "a/object"), want) {
				t.Errorf("%d versions of the record are left", len(left))
			}
		})
	}
}

func TestAProducerThatFailsLeavesNothing(t *testing.T) {
	client := s3test.Start(t, 1)[0].Objects(t)
	failure := errors.New("the producer failed")
	for name, before := range map[string]int{"in the first part": 10, "in the third part": 2*objectstore.PartSize + 10} {
		t.Run(name, func(t *testing.T) {
			broken := io.MultiReader(bytes.NewReader(content(before)), iotest.ErrReader(failure))
			if err := client.Put(t.Context(), "a/object", "a/record", broken); !errors.Is(err, failure) {
				t.Fatalf("the error is %v", err)
			}
			if left := versions(t, client, "a/object"); len(left) != 0 {
				t.Errorf("%d versions are left", len(left))
			}
			aborted, err := client.AbortUploads(t.Context(), "a/", time.Now().Add(time.Hour))
			must(t, err)
			if aborted != 0 {
				t.Errorf("%d uploads were unfinished", aborted)
			}
		})
	}
}

func TestAnUnfinishedUploadIsFoundByItsRecordAndEnded(t *testing.T) {
	client := s3test.Start(t, 1)[0].Objects(t)
	upload := client.NewUpload("a/object", "a/record", objectstore.Lock{})
	must(t, upload.Part(t.Context(), content(objectstore.PartSize)))
	must(t, client.EndUpload(t.Context(), "a/record", "a/object"))
	if left := versions(t, client, "a/"); len(left) != 0 {
		t.Errorf("%d versions are left", len(left))
	}
	if err := upload.Complete(t.Context(), nil); err == nil {
		t.Error("an upload that was ended could be completed")
	}
}

func TestAnAdministratorEndsUploadsOlderThanAMoment(t *testing.T) {
	client := s3test.Start(t, 1)[0].Objects(t)
	must(t, client.NewUpload("a/object", "", objectstore.Lock{}).Part(t.Context(), content(objectstore.PartSize)))
	for _, step := range []struct {
		before time.Time
		want   int
	}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), 1}, {time.Now().Add(time.Hour), 0}} {
		aborted, err := client.AbortUploads(t.Context(), "a/", step.before)
		must(t, err)
		if aborted != step.want {
			t.Errorf("%d uploads were ended, want %d", aborted, step.want)
		}
	}
}

func TestErrorsNameTheStoreAndTheirClass(t *testing.T) {
	stores := s3test.Start(t, 2)
	good := stores[0].Config()
	wrongCA, wrongSecret, noBucket := good, good, good
	wrongCA.CABundle = stores[1].CABundle
	wrongSecret.SecretAccessKey = "wrong"
	noBucket.Bucket = "nowhere"
	down := stores[1].Config()
	stores[1].Stop()
	for name, c := range map[string]struct {
		config objectstore.Config
		want   objectstore.Class
	}{
		"down": {down, objectstore.ClassUnreachable}, "another CA": {wrongCA, objectstore.ClassCertificateInvalid},
		"wrong secret": {wrongSecret, objectstore.ClassAccessDenied}, "no bucket": {noBucket, objectstore.ClassNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newClient(t, c.config).Inventory(t.Context())
			if objectstore.ClassOf(err) != c.want || !strings.Contains(err.Error(), c.config.Name) {
				t.Errorf("class %s, want %s: %v", objectstore.ClassOf(err), c.want, err)
			}
			if strings.Contains(err.Error(), c.config.SecretAccessKey) {
				t.Error("the error shows the secret")
			}
		})
	}
}

func TestAStoreThatAnswersNothingIsATimeout(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	hasty := store.Config()
	hasty.Timeout = 300 * time.Millisecond
	store.Suspend(t)
	t.Cleanup(func() { store.Resume(t) })
	err := newClient(t, hasty).Put(t.Context(), "a/object", "", strings.NewReader("content"))
	if objectstore.ClassOf(err) != objectstore.ClassTimeout {
		t.Errorf("the error is %v", err)
	}
}

func TestAConnectionWithoutEncryptionIsRefused(t *testing.T) { // B4
	c := (&s3test.Store{Name: "plain", Endpoint: "http://localhost:1", Bucket: "b", AdminKeyID: "k", AdminSecret: "s"}).Config()
	if _, err := objectstore.New(c); err == nil || !strings.Contains(err.Error(), "https://") {
		t.Errorf("the error is %v", err)
	}
}
