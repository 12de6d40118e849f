// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
)

// D2: what a region's names lead to is somebody else's, though it answers, logs in and verifies.
var _ = Describe("Tampering", Label("tamper"), func() {
	It("with host and Secret of a database server, which then lead to another country's, is noticed within a minute", func(ctx SpecContext) {
		foreign := regionOf(ctx, "eu").Spec.DatabaseServers[0]
		diverted(ctx, "de", plan.ServerUse(regionOf(ctx, "de").Spec.DatabaseServers[0].Name), v1alpha1.ReasonServerReplaced, func(spec *v1alpha1.DataRegionSpec) {
			server := &spec.DatabaseServers[0]
			server.Host, server.Port, server.AdminSecretRef = foreign.Host, foreign.Port, foreign.AdminSecretRef
		})
	})

	It("with a store's bucket, replaced by one with a copy of its mark, is noticed within a minute", func(ctx SpecContext) {
		store := regionOf(ctx, "de").Spec.BackupStores[2]
		const other = "elsewhere"
		s3client, err := installation.Cluster.S3(store.Name)
		Expect(err).NotTo(HaveOccurred())
		_, err = s3client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(other), ObjectLockEnabledForBucket: aws.Bool(true)})
		if owned := new(types.BucketAlreadyOwnedByYou); !errors.As(err, &owned) {
			Expect(err).NotTo(HaveOccurred())
		}
		_, err = s3client.CopyObject(ctx, &s3.CopyObjectInput{
			Bucket: aws.String(other), Key: aws.String(objectstore.MarkKey), CopySource: aws.String(store.Bucket + "/" + objectstore.MarkKey),
		})
		Expect(err).NotTo(HaveOccurred())
		diverted(ctx, "de", plan.StoreUse(store.Name), v1alpha1.ReasonStoreReplaced, func(spec *v1alpha1.DataRegionSpec) {
			spec.BackupStores[2].Bucket = other
		})
	})
})

// diverted points a name of a region elsewhere, expects the tenant there to say so within a minute, points it back, and
// expects it to heal and to remember.
func diverted(ctx context.Context, region, where, reason string, divert func(*v1alpha1.DataRegionSpec)) {
	GinkgoHelper()
	settled(ctx, awo)
	honest := regionOf(ctx, region).Spec
	DeferCleanup(func(ctx SpecContext) {
		declare(ctx, region, func(spec *v1alpha1.DataRegionSpec) { *spec = honest })
		settled(ctx, awo)
	})
	declare(ctx, region, divert)
	start := time.Now()
	failed := eventually(ctx, awo, v1alpha1.ConditionResidencyEnforced, metav1.ConditionFalse, where)
	noticed("from "+where+" pointed elsewhere to ResidencyEnforced=False", start)
	Expect(time.Since(start)).To(BeNumerically("<", time.Minute))
	Expect(failed.Reason).To(Equal(reason))
	eventually(ctx, awo, v1alpha1.ConditionCompliant, metav1.ConditionFalse, where)

	declare(ctx, region, func(spec *v1alpha1.DataRegionSpec) { *spec = honest })
	start = time.Now()
	settled(ctx, awo)
	noticed("from "+where+" pointed back to Compliant=True", start)
	expectHealed(ctx, awo, where, reason, v1alpha1.IncidentReported)
}

// declare changes a region as its administrators would.
func declare(ctx context.Context, name string, change func(*v1alpha1.DataRegionSpec)) {
	GinkgoHelper()
	region := regionOf(ctx, name)
	before := region.DeepCopy()
	change(&region.Spec)
	Expect(kube.Patch(ctx, region, client.MergeFrom(before))).To(Succeed())
}
