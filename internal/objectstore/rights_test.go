// SPDX-License-Identifier: Apache-2.0

package objectstore_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// B2: who takes backups, and so talks to the database, can make none go.
func TestTheWriterWritesAndReadsBackAndNeitherDeletesNorLists(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	identities := newIdentities(t, store)
	must(t, identities.Ensure(t.Context(), "ta", pair("ta", "secret")))
	must(t, identities.Ensure(t.Context(), "tb", pair("tb", "secret")))
	put(t, as(t, store, "tb", "secret"), "tb/x", "content")

	writer := as(t, store, "ta-writer", "secret")
	upload := writer.NewUpload("ta/x", "ta/record", objectstore.Lock{})
	must(t, upload.From(t.Context(), strings.NewReader(string(content(objectstore.PartSize+1)))))
	if upload.VersionID() == "" {
		t.Error("the store tells no version")
	}
	read, err := writer.GetVersion(t.Context(), "ta/x", upload.VersionID())
	must(t, err)
	must(t, read.Close())
	abandoned := writer.NewUpload("ta/y", "ta/record", objectstore.Lock{})
	must(t, abandoned.Part(t.Context(), content(objectstore.PartSize)))
	must(t, abandoned.Abort(t.Context()))

	key, version, bare := "ta/x", upload.VersionID(), store.As("ta-writer", "secret")
	for name, attempt := range map[string]func(context.Context) error{
		"deletes a version": func(ctx context.Context) error { return writer.DeleteVersion(ctx, key, version) },
		"sets a delete marker": func(ctx context.Context) error {
			_, err := bare.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &store.Bucket, Key: &key})
			return err
		},
		"lists its prefix": func(ctx context.Context) error {
			return writer.ListVersions(ctx, "ta/", func(objectstore.Version) error { return nil })
		},
		"lists uploads": func(ctx context.Context) error {
			_, err := bare.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &store.Bucket})
			return err
		},
		"reads another's": func(ctx context.Context) error { _, err := writer.Get(ctx, "tb/x"); return err },
		"writes to another's": func(ctx context.Context) error {
			return writer.PutBytes(ctx, "tb/y", []byte("y"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := attempt(t.Context()); objectstore.ClassOf(err) != objectstore.ClassAccessDenied && !strings.Contains(errorText(err), "AccessDenied") {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if left := versions(t, store.Objects(t), "ta/x"); len(left) != 1 || left[0].DeleteMarker {
		t.Errorf("left is %+v", left)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAnIdentityOfAnEarlierReleaseIsReplacedByThePair(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	identities := newIdentities(t, store)
	must(t, identities.Ensure(t.Context(), "ta", pair("ta", "old")))
	// What an earlier release left: one identity that may do everything.
	single := strings.ReplaceAll(policy(t, store), `["ta-writer","ta"]`, `["ta"]`)
	if single == policy(t, store) {
		t.Fatal("the policy is written otherwise")
	}
	_, err := store.Admin().PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &store.Bucket, Policy: &single})
	must(t, err)
	bound, err := identities.Bound(t.Context())
	must(t, err)
	if bound["ta"] {
		t.Error("one identity for everything passes for a pair")
	}
	must(t, identities.Ensure(t.Context(), "ta", pair("ta", "new")))
	bound, err = identities.Bound(t.Context())
	must(t, err)
	if !bound["ta"] {
		t.Error("the pair is not bound")
	}
	if err := as(t, store, "ta", "old").PutBytes(t.Context(), "ta/x", []byte("x")); err == nil {
		t.Error("the old secret is still good")
	}
}
