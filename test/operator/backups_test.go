// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
)

// Acceptance 5: what a store holds is looked at, never concluded from a job that succeeded.
var _ = Describe("Backups", func() {
	It("turn False naming the store that lost an object behind our back, and True when somebody has put it back", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		result := w.backUp(ctx, tenant, time.Hour)
		eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionTrue)

		key := aws.String(objectstore.Key(dataIDOf(tenant)+"/", *result.SnapshotStart, objectstore.KindDump))
		marker, err := stores[1].Admin().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(stores[1].Bucket), Key: key})
		Expect(err).NotTo(HaveOccurred())
		claim := eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionFalse, saying("store "+stores[1].Name))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonCopyMissing))
		Expect(claim.Message).NotTo(ContainSubstring("store " + stores[0].Name))
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionFalse, saying(stores[1].Name))

		_, err = stores[1].Admin().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(stores[1].Bucket), Key: key, VersionId: marker.VersionId})
		Expect(err).NotTo(HaveOccurred())
		eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionTrue)
	})

	It("turn Unknown naming the store that is down, and True when it answers again", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		DeferCleanup(func() { stores[2].Restart(GinkgoTB()) })
		stores[2].Stop()
		claim := eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionUnknown, saying("store "+stores[2].Name))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonMeasurementFailed))
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionUnknown)
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)

		stores[2].Restart(GinkgoTB())
		eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
	})

	It("turn False naming the store that refuses writes", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		o := w.backupOptions(ctx, tenant, time.Hour)

		DeferCleanup(func() { stores[0].Restart(GinkgoTB()) })
		stores[0].Restart(GinkgoTB(), "--readonly")
		result, err := backup.Run(ctx, o)
		Expect(err).To(MatchError(ContainSubstring(stores[0].Name)))
		eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionFalse, saying("store "+stores[0].Name))

		stores[0].Restart(GinkgoTB())
		w.copyBackup(ctx, tenant, *result.SnapshotStart, stores[1].Name, stores[0].Name)
		eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionTrue)
	})

	// Invariant 3: what the region requires of locks is judged by what each store shows of its newest copy.
	It("are False without the lock the region requires, True once every store shows it, and the status tells what was seen", func(ctx SpecContext) {
		w := newWorld(ctx, func(region *v1alpha1.DataRegion, _ *v1alpha1.RetentionPolicy) {
			for i := range region.Spec.BackupStores {
				region.Spec.BackupStores[i].ObjectLock = v1alpha1.ObjectLockRequired
			}
		})
		startOperator()
		tenant := w.create(ctx, "site")
		// An hour is more than clocks may differ, so that run asks for no lock.
		w.backUp(ctx, tenant, time.Hour)
		Eventually(func() string {
			return eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionFalse, saying("store "+stores[0].Name), saying("shows no lock")).Reason
		}).WithContext(ctx).Should(Equal(v1alpha1.ReasonCopyUnlocked), "once every store's copy was seen")

		result := w.backUp(ctx, tenant, 0)
		eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionTrue)
		live := &v1alpha1.BookingTenant{}
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(tenant), live)).To(Succeed())
		for i, store := range live.Status.Backup.Stores {
			Expect(store.Lock).To(Equal(v1alpha1.LockModeCompliance), store.Name)
			Expect(store.LockedUntil.Time).To(BeTemporally("==", *result.Stores[i].LockedUntil), store.Name)
			Expect(store.LockReadAt).NotTo(BeNil(), store.Name)
		}
		restorable := live.Status.Backup.LastRestorable
		Expect(restorable).NotTo(BeNil())
		Expect(restorable.Snapshot.Time).To(BeTemporally("==", *result.SnapshotStart))
		Expect(restorable.Shown).To(Equal(v1alpha1.RestoreProofListed))
		Expect(restorable.Store).To(Equal(result.Shown.Store))
		Expect(int(restorable.Tables)).To(Equal(result.Tables))
	})

	// Issue 5: copies nobody ever restored are a hope.
	It("are Unknown until one was restored on trial, and the status tells which and how much of it", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.serve(ctx, tenant, w.name+"-trusted")
		o := w.backupOptions(ctx, tenant, 2*time.Hour)
		o.Trial = nil
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		_, err := backup.Run(ctx, o)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() string {
			return eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionUnknown).Reason
		}).WithContext(ctx).Should(Equal(v1alpha1.ReasonRestoreUntested))

		result := w.backUp(ctx, tenant, time.Hour)
		Expect(result.Restored).NotTo(BeNil())
		eventually(ctx, tenant, v1alpha1.ConditionBackupsCurrent, metav1.ConditionTrue)
		shown := get(ctx, tenant).Status.Backup.RestoreTest
		Expect(shown.Snapshot.Time).To(BeTemporally("==", *result.SnapshotStart))
		Expect(shown.Rows).To(Equal(result.Restored.Rows))
		Expect(shown.At).NotTo(BeNil())

		By("a trial that was killed and left a copy")
		execute(ctx, w, "CREATE SCHEMA s"+dataIDOf(tenant)+" AUTHORIZATION "+server.AdminUser)
		left := eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionFalse, saying(dataIDOf(tenant)+"-backup"))
		Expect(left.Reason).To(Equal(v1alpha1.ReasonScratchLeft))
		w.backUp(ctx, tenant, 30*time.Minute)
		eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
	})

	// Art. 17 GDPR: hidden is not erased.
	It("that bring no erasure to a store for too long turn RetentionEnforced False, and the next one True", func(ctx SpecContext) {
		w := newWorld(ctx, func(_ *v1alpha1.DataRegion, policy *v1alpha1.RetentionPolicy) {
			journal := policy.Spec.Rules[0]
			journal.Category, journal.StartEvent, journal.Period = v1alpha1.CategoryErasureJournal, v1alpha1.StartErasure, "120d"
			policy.Spec.Rules = append(policy.Spec.Rules, journal)
		})
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		subject := value[string](ctx, w, "INSERT INTO "+dataIDOf(tenant)+".erasure_pending (subject, requested_at) VALUES (gen_random_uuid(), now() - interval '40 days') RETURNING subject::text")
		claim := eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionFalse, saying("1 erasures", "the next backup"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonErasureOverdue))
		Expect(claim.Message).NotTo(ContainSubstring(subject))
		Expect(get(ctx, tenant).Status.Retention.Erasures).To(HaveField("Overdue", int64(1)))
		w.backUp(ctx, tenant, time.Hour)
		eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
	})

	It("do not keep a site from coming up while a store is down", func(ctx SpecContext) {
		DeferCleanup(func() { stores[1].Restart(GinkgoTB()) })
		stores[1].Stop()
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.serve(ctx, tenant, w.name+"-trusted")
		eventually(ctx, tenant, v1alpha1.ConditionInstanceAvailable, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionFalse, saying(stores[1].Name))

		stores[1].Restart(GinkgoTB())
		w.backUp(ctx, tenant, 30*time.Minute)
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
	})
})

// copyBackup does what a person would do to mend a store that lacks a copy.
func (w *world) copyBackup(ctx context.Context, tenant *v1alpha1.BookingTenant, start time.Time, from, to string) {
	GinkgoHelper()
	for _, kind := range []objectstore.Kind{objectstore.KindDump, objectstore.KindManifest} {
		key := objectstore.Key(dataIDOf(tenant)+"/", start, kind)
		body, err := w.storeAdmin(from).Get(ctx, key)
		Expect(err).NotTo(HaveOccurred())
		content, err := io.ReadAll(body)
		Expect(err).NotTo(HaveOccurred())
		Expect(body.Close()).To(Succeed())
		Expect(w.storeAdmin(to).PutBytes(ctx, key, content)).To(Succeed())
	}
}
