// SPDX-License-Identifier: Apache-2.0

package objectstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

func newIdentities(t *testing.T, store *s3test.Store) objectstore.Identities {
	t.Helper()
	identities, err := objectstore.NewIdentities(v1alpha1.IdentityProviderVersityGateway, store.Objects(t))
	must(t, err)
	return identities
}

// pair of a tenant with the same secret for both.
func pair(dataID, secret string) objectstore.Pair {
	p := objectstore.PairOf(dataID)
	p.Writer.SecretAccessKey, p.Keeper.SecretAccessKey = secret, secret
	return p
}

func as(t *testing.T, store *s3test.Store, accessKeyID, secret string) *objectstore.Client {
	t.Helper()
	c := store.Config()
	c.AccessKeyID, c.SecretAccessKey = accessKeyID, secret
	return newClient(t, c)
}

func TestTheKeeperDoesAllItNeedsUnderItsOwnPrefix(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	must(t, newIdentities(t, store).Ensure(t.Context(), "ta", pair("ta", "ta-secret")))
	a := as(t, store, "ta", "ta-secret")
	must(t, a.Put(t.Context(), "ta/big", "ta/record", strings.NewReader(string(content(objectstore.PartSize+1)))))
	put(t, a, "ta/small", "content")
	if string(get(t, a, "ta/small")) != "content" {
		t.Error("what was read differs")
	}
	if found := versions(t, a, "ta/"); len(found) != 3 { // with the record of the upload
		t.Errorf("%d versions, want 3", len(found))
	}
	unfinished := a.NewUpload("ta/other", "ta/record", objectstore.Lock{})
	must(t, unfinished.Part(t.Context(), content(objectstore.PartSize)))
	must(t, a.EndUpload(t.Context(), "ta/record", "ta/other"))
	must(t, a.DeleteAll(t.Context(), "ta/"))
	if left := versions(t, a, "ta/"); len(left) != 0 {
		t.Errorf("%d versions are left", len(left))
	}
}

// Invariant 6: tenants cannot see each other.
func TestATenantsIdentityReachesNothingOfAnother(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	identities := newIdentities(t, store)
	for _, dataID := range []string{"ta", "tb", "ta2"} { // ta2: a prefix that begins like ta's
		must(t, identities.Ensure(t.Context(), dataID, pair(dataID, dataID+"-secret")))
		put(t, as(t, store, dataID, dataID+"-secret"), dataID+"/x", "content of "+dataID)
	}
	version := versions(t, store.Objects(t), "tb/")[0].VersionID
	bucket, own := aws.String(store.Bucket), store.As("ta", "ta-secret")
	list := func(prefix *string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, plain := own.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: prefix})
			_, versioned := own.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket, Prefix: prefix})
			if plain == nil || versioned == nil {
				return nil
			}
			return errors.Join(plain, versioned)
		}
	}
	for name, attempt := range map[string]func(context.Context) error{
		"list everything":           list(nil),
		"list another prefix":       list(aws.String("tb/")),
		"list a prefix of its own":  list(aws.String("ta")),
		"list a longer one's":       list(aws.String("ta2/")),
		"list with an empty prefix": list(aws.String("")),
		"list with a wildcard":      list(aws.String("*")),
		"list unfinished uploads": func(ctx context.Context) error {
			_, err := own.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: bucket, Prefix: aws.String("ta/")})
			return err
		},
		"read": func(ctx context.Context) error {
			_, err := own.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("tb/x")})
			return err
		},
		"read what begins alike": func(ctx context.Context) error {
			_, err := own.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("ta2/x")})
			return err
		},
		"read upwards": func(ctx context.Context) error {
			_, err := own.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("ta/../tb/x")})
			return err
		},
		"read a version": func(ctx context.Context) error {
			_, err := own.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("tb/x"), VersionId: &version})
			return err
		},
		"write": func(ctx context.Context) error {
			_, err := own.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("tb/y"), Body: strings.NewReader("y")})
			return err
		},
		"copy to itself": func(ctx context.Context) error {
			_, err := own.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("ta/y"), CopySource: aws.String(store.Bucket + "/tb/x")})
			return err
		},
		"delete": func(ctx context.Context) error {
			_, err := own.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("tb/x")})
			return err
		},
		"delete a version": func(ctx context.Context) error {
			_, err := own.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("tb/x"), VersionId: &version})
			return err
		},
		"read the policy": func(ctx context.Context) error {
			_, err := own.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: bucket})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := attempt(t.Context())
			var api smithy.APIError
			if !errors.As(err, &api) {
				t.Fatalf("it was not refused: %v", err)
			}
		})
	}
	// A prefix of its own that climbs out of it is allowed and finds nothing: keys are no paths.
	if found := versions(t, as(t, store, "ta", "ta-secret"), "ta/../tb/"); len(found) != 0 {
		t.Errorf("%d versions were listed", len(found))
	}
	if left := versions(t, store.Objects(t), "tb/"); len(left) != 1 {
		t.Errorf("tb has %d versions, want 1", len(left))
	}
}

func TestEnsuringAgainChangesTheSecretAndNothingElse(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	identities := newIdentities(t, store)
	must(t, identities.Ensure(t.Context(), "ta", pair("ta", "first")))
	before := policy(t, store)
	must(t, identities.Ensure(t.Context(), "ta", pair("ta", "second")))
	if after := policy(t, store); after != before {
		t.Errorf("the policy changed:\n%s\n%s", before, after)
	}
	put(t, as(t, store, "ta", "second"), "ta/x", "content")
	if err := as(t, store, "ta", "first").Put(t.Context(), "ta/x", "", strings.NewReader("x")); err == nil {
		t.Error("the first secret still opens the store")
	}
}

func TestARemovedIdentityIsRefusedAndObjectsStay(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	identities := newIdentities(t, store)
	for _, dataID := range []string{"ta", "tb"} {
		must(t, identities.Ensure(t.Context(), dataID, pair(dataID, "secret")))
		put(t, as(t, store, dataID, "secret"), dataID+"/x", "content")
	}
	must(t, identities.Remove(t.Context(), "ta"))
	must(t, identities.Remove(t.Context(), "ta")) // again: no error
	if _, err := as(t, store, "ta", "secret").Get(t.Context(), "ta/x"); err == nil {
		t.Error("the removed identity still reads")
	}
	get(t, as(t, store, "tb", "secret"), "tb/x")
	get(t, store.Objects(t), "ta/x")
	must(t, identities.Remove(t.Context(), "tb"))
	if _, err := store.Admin().GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &store.Bucket}); err == nil {
		t.Error("an empty policy was left")
	}
}

func TestAnAccountRemovedBehindOurBackBlocksNobodyElse(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	identities := newIdentities(t, store)
	must(t, identities.Ensure(t.Context(), "ta", pair("ta", "secret")))
	store.Forget(t, "ta")
	must(t, identities.Ensure(t.Context(), "tb", pair("tb", "secret")))
	put(t, as(t, store, "tb", "secret"), "tb/x", "content")
	must(t, identities.Ensure(t.Context(), "ta", pair("ta", "secret")))
	put(t, as(t, store, "ta", "secret"), "ta/x", "content")
}

func TestManyIdentitiesMadeAtOnceAllWorkAndForeignStatementsStay(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	foreign := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"Others","Effect":"Deny","Principal":"*",`+
		`"Action":"s3:PutObject","Resource":"arn:aws:s3:::%s/forbidden/*"}]}`, store.Bucket)
	_, err := store.Admin().PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &store.Bucket, Policy: &foreign})
	must(t, err)
	two := []objectstore.Identities{newIdentities(t, store), newIdentities(t, store)}
	var group errgroup.Group
	group.SetLimit(16)
	const tenants = 200 // more than the 4 KiB of attributes of an ext4 file can hold
	for i := range tenants {
		group.Go(func() error {
			return two[i%2].Ensure(t.Context(), fmt.Sprintf("t%d", i), pair(fmt.Sprintf("t%d", i), "secret"))
		})
	}
	must(t, group.Wait())
	for i := range tenants {
		put(t, as(t, store, fmt.Sprintf("t%d", i), "secret"), fmt.Sprintf("t%d/x", i), "content")
	}
	if !strings.Contains(policy(t, store), `"Others"`) {
		t.Error("the foreign statement is gone")
	}
}

func TestWhatWouldWidenAPolicyIsNoDataID(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	for _, dataID := range []string{"", "*", "a/b", "a*", "..", "A", "a?"} {
		if err := newIdentities(t, store).Ensure(t.Context(), dataID, pair("key", "secret")); err == nil {
			t.Errorf("%q was taken", dataID)
		}
	}
}

func policy(t *testing.T, store *s3test.Store) string {
	t.Helper()
	output, err := store.Admin().GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &store.Bucket})
	must(t, err)
	return aws.ToString(output.Policy)
}

func TestAnIdentityWhosePolicyWasRemovedOrWidenedIsSeenAndBoundAnew(t *testing.T) {
	store := s3test.Start(t, 1)[0]
	identities := newIdentities(t, store)
	must(t, identities.Ensure(t.Context(), "ta", pair("ta", "ta-secret")))
	bound := func(want bool, when string) {
		t.Helper()
		seen, err := identities.Bound(t.Context())
		must(t, err)
		if seen["ta"] != want {
			t.Errorf("%s the identity is bound: %t, want %t", when, seen["ta"], want)
		}
	}
	bound(true, "when made")
	_, err := store.Admin().DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: &store.Bucket})
	must(t, err)
	bound(false, "without a policy")
	must(t, identities.Ensure(t.Context(), "ta", pair("ta", "ta-secret")))
	bound(true, "when made again")

	got, err := store.Admin().GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &store.Bucket})
	must(t, err)
	widened := strings.ReplaceAll(*got.Policy, "/ta/*", "/*")
	_, err = store.Admin().PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &store.Bucket, Policy: &widened})
	must(t, err)
	bound(false, "with a policy that reaches further")
}
