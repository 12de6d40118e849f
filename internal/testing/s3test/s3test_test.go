// SPDX-License-Identifier: Apache-2.0

package s3test_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/termintreu/termintreu/internal/testing/s3test"
)

func TestStoresAnswerAndKeepTheirBucketOverARestart(t *testing.T) {
	for _, store := range s3test.Start(t, 2) {
		store.Restart(t)
		if _, err := store.Admin().HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String(store.Bucket)}); err != nil {
			t.Errorf("%s: %v", store.Name, err)
		}
	}
}
