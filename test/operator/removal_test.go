// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/controllers"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/settings"
)

// Invariant 4: what a removed tenant leaves is purged, expired and audited until its end, then it is gone.
var _ = Describe("Removing a tenant", func() {
	It("retains its data without application access until the period of TenantData ends", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		instance := &corev1.Secret{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: "site-booking"}, instance)).To(Succeed())
		Expect(w.login(ctx, dataIDOf(tenant), instance.Data)).To(Succeed())
		killedTrial(ctx, w, tenant)

		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		expectReleased(ctx, tenant)
		Expect(schemasOf(ctx, w, tenant)).To(BeEquivalentTo(1))
		Expect(scratchesOf(ctx, w, tenant)).To(BeZero(), "no backup follows that would take it away")
		Expect(w.login(ctx, dataIDOf(tenant), instance.Data)).NotTo(Succeed())
		w.purge(ctx, tenant)
		Expect(w.commandOf(ctx, tenant, "retention")).To(Equal("retain"))
		Expect(w.commandOf(ctx, tenant, "expiry")).To(Equal("expire"))
		Expect(objectsOf(ctx, tenant)).NotTo(ContainElements("CronJob DATA-backup", "Secret DATA-backup"), "nothing adds to it, so nothing is copied")
		retained := w.retained(ctx, HaveLen(1))[0]
		Expect(retained.DataID).To(Equal(dataIDOf(tenant)))
		Expect(retained.Name).To(Equal("site"))
		Expect(retained.Until.Sub(retained.Since.Time).Hours()).To(BeNumerically("~", 30*24, 1))
		Expect(retained.Overdue).To(HaveValue(BeZero()))

		By("the period ending")
		execute(ctx, w, "UPDATE termintreu.tenant SET retained_until = now() - interval '1 second' WHERE data_id = $1", dataIDOf(tenant))
		Eventually(func() int64 { return schemasOf(ctx, w, tenant) }).Should(BeZero())
		Expect(rolesOf(ctx, w, tenant)).To(BeZero())
		w.retained(ctx, BeEmpty())
		Expect(w.commandOf(ctx, tenant, "expiry")).To(Equal("expire"), "a backup is left, so expiry must go on")

		By("the last backup expiring")
		for _, store := range stores {
			Expect(w.storeAdmin(store.Name).DeleteAll(ctx, dataIDOf(tenant)+"/")).To(Succeed())
		}
		discardInstance(ctx, tenant)
		w.expectGone(ctx, tenant)
	})

	It("deletes everything at once when its policy says so", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site", func(t *v1alpha1.BookingTenant) { t.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
		w.settle(ctx, tenant)
		_, _ = w.jobFiles(ctx, tenant, "backup")
		secret := &corev1.Secret{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-expiry"}, secret)).To(Succeed())

		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		w.expectGone(ctx, tenant)
		for _, store := range stores {
			id, key := settings.StoreKeys(store.Name)
			_, err := store.As(string(secret.Data[id]), string(secret.Data[key])).ListObjectVersions(ctx, versionsOf(store.Bucket, dataIDOf(tenant)+"/"))
			Expect(err).To(HaveOccurred(), "the tenant's identity at %s is still good", store.Name)
		}
	})

	It("waits and says why when its region is gone, until the region is back", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site", func(t *v1alpha1.BookingTenant) { t.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
		eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
		w.loseRegion(ctx)

		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionReconciling, metav1.ConditionTrue, saying("DataRegion "+w.name+" is gone", "create it again"))
		Expect(schemasOf(ctx, w, tenant)).To(BeEquivalentTo(1))

		w.region.ResourceVersion, w.region.UID = "", ""
		Expect(admin.Create(ctx, w.region)).To(Succeed())
		w.expectGone(ctx, tenant)
	})

	It("lets the tenant go regardless when somebody says so, and its data stays under the platform's jobs", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
		w.loseRegion(ctx)
		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionFalse, saying(controllers.AnnotationRelease))

		update(ctx, tenant, func(t *v1alpha1.BookingTenant) {
			t.Annotations = map[string]string{controllers.AnnotationRelease: "the region's provider is bankrupt"}
		})
		expectReleased(ctx, tenant)
		w.purge(ctx, tenant)
	})
})

func versionsOf(bucket, prefix string) *s3.ListObjectVersionsInput {
	return &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix}
}

// expectReleased waits until the BookingTenant itself is gone.
func expectReleased(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	Eventually(func() bool {
		return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(tenant), &v1alpha1.BookingTenant{}))
	}).Should(BeTrue(), "the BookingTenant is still there")
}

// expectGone waits until nothing of the tenant is left in database, stores and platform namespace.
func (w *world) expectGone(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	expectReleased(ctx, tenant)
	discardInstance(ctx, tenant)
	Eventually(func() []string { return objectsOf(ctx, tenant) }).Should(BeEmpty())
	Expect(schemasOf(ctx, w, tenant)).To(BeZero())
	Expect(rolesOf(ctx, w, tenant)).To(BeZero())
	for _, store := range stores {
		inventory, err := w.storeAdmin(store.Name).Inventory(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(inventory).NotTo(HaveKey(dataIDOf(tenant)))
	}
}

// discardInstance plays the garbage collector in the tenant's namespace alone.
func discardInstance(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	for _, object := range labelled(ctx, tenant) {
		if metav1.IsControlledBy(&object, tenant) {
			Expect(client.IgnoreNotFound(admin.Delete(ctx, &object))).To(Succeed())
		}
	}
}

// commandOf is the subcommand one of the tenant's CronJobs runs.
func (w *world) commandOf(ctx context.Context, tenant *v1alpha1.BookingTenant, job string) string {
	GinkgoHelper()
	cron := &batchv1.CronJob{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-" + job}, cron)).To(Succeed())
	Expect(cron.Labels).To(HaveKeyWithValue(resources.LabelRegion, w.region.Name))
	container := cron.Spec.JobTemplate.Spec.Template.Spec.Containers[0]
	return append(container.Command, container.Args...)[len(container.Command)+len(container.Args)-1]
}

// retained waits until the region's status shows what fits.
func (w *world) retained(ctx context.Context, fits OmegaMatcher) []v1alpha1.RetainedData {
	GinkgoHelper()
	region := &v1alpha1.DataRegion{}
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(w.region), region)).To(Succeed())
		g.Expect(region.Status.Retained).To(fits)
	}).Should(Succeed())
	return region.Status.Retained
}

func (w *world) loseRegion(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.Delete(ctx, w.region)).To(Succeed())
}

// storeAdmin reaches a store as its administrator.
func (w *world) storeAdmin(name string) *objectstore.Client {
	GinkgoHelper()
	for _, store := range stores {
		if store.Name != name {
			continue
		}
		return store.Objects(GinkgoTB())
	}
	Fail("no store is called " + name)
	return nil
}
