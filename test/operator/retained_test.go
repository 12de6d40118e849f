// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// Invariants 1 and 4: what is kept of a removed tenant is as well guarded as a living one.
var _ = Describe("The jobs of a removed tenant", func() {
	It("are made again when somebody deletes, suspends or changes them, which is told, and their pods leave foreign nodes", func(ctx SpecContext) {
		w := newWorld(ctx)
		first := startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		application := instanceSecret(ctx, tenant).Data
		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		expectReleased(ctx, tenant)
		w.retained(ctx, ContainElement(HaveField("Jobs", metav1.ConditionTrue)))

		By("the purge being deleted, with its login")
		purge := w.cronOf(ctx, tenant, "retention")
		Expect(admin.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: purge.Namespace, Name: purge.Name}})).To(Succeed())
		Expect(admin.Delete(ctx, purge)).To(Succeed())
		w.expectKeptIncident(ctx, v1alpha1.ReasonJobMissing, true)
		Expect(w.cronOf(ctx, tenant, "retention").UID).NotTo(Equal(purge.UID))
		w.purge(ctx, tenant) // with the login that was made anew
		Expect(w.login(ctx, dataIDOf(tenant), application)).NotTo(Succeed(), "the application was let in again")

		By("expiry being suspended and losing its affinity and its keys")
		expiry := w.cronOf(ctx, tenant, "expiry")
		before := expiry.DeepCopy()
		expiry.Spec.Suspend, expiry.Spec.JobTemplate.Spec.Template.Spec.Affinity = new(true), nil
		Expect(admin.Patch(ctx, expiry, client.MergeFrom(before))).To(Succeed())
		Expect(admin.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: expiry.Namespace, Name: expiry.Name}})).To(Succeed())
		w.expectKeptIncident(ctx, v1alpha1.ReasonJobSuspended, true)
		w.expectKeptIncident(ctx, v1alpha1.ReasonPlacementUnenforced, true)
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(expiry), expiry)).To(Succeed())
			g.Expect(expiry.Spec.Suspend).To(HaveValue(BeFalse()))
			g.Expect(expiry.Spec.JobTemplate.Spec.Template.Spec.Affinity).NotTo(BeNil())
			w.keeperLists(ctx, g, tenant)
		}).Should(Succeed())

		By("the node under a running purge losing its trust")
		node := w.node(ctx, "moving", w.name)
		stray := w.jobPod(ctx, tenant, "retention", node.Name)
		w.relabel(ctx, node.Name, "elsewhere")
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(stray), stray)).To(Succeed())
			g.Expect(stray.DeletionTimestamp).NotTo(BeNil())
		}).Should(Succeed())
		w.expectKeptIncident(ctx, v1alpha1.ReasonForeignNode, false)
		w.retained(ctx, ContainElement(HaveField("Jobs", metav1.ConditionFalse)))
		Eventually(func() string { return w.regionEvents(ctx) }).Should(And(
			ContainSubstring("JobMissing"), ContainSubstring("JobSuspended"), ContainSubstring("runs on node "+node.Name), ContainSubstring("(Evicted)")))

		By("the operator starting again, which forgets nothing, and the pod being gone")
		first.kill()
		startOperator()
		Expect(admin.Delete(ctx, stray, client.GracePeriodSeconds(0))).To(Succeed())
		w.expectKeptIncident(ctx, v1alpha1.ReasonForeignNode, true)
		w.expectKeptIncident(ctx, v1alpha1.ReasonJobSuspended, true)
		w.retained(ctx, ContainElement(HaveField("Jobs", metav1.ConditionTrue)))

		By("the schema reaching its end, after which expiry alone is kept")
		execute(ctx, w, "UPDATE termintreu.tenant SET retained_until = now() - interval '1 second' WHERE data_id = $1", dataIDOf(tenant))
		w.retained(ctx, BeEmpty())
		gone := w.cronOf(ctx, tenant, "expiry")
		Expect(admin.Delete(ctx, gone)).To(Succeed())
		Eventually(func(g Gomega) {
			made := &batchv1.CronJob{}
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(gone), made)).To(Succeed())
			g.Expect(made.UID).NotTo(Equal(gone.UID))
		}).Should(Succeed())
		Expect(objectsOf(ctx, tenant)).NotTo(ContainElement("CronJob DATA-retention"))

		By("the last backup expiring")
		for _, store := range stores {
			Expect(w.storeAdmin(store.Name).DeleteAll(ctx, dataIDOf(tenant)+"/")).To(Succeed())
		}
		w.expectGone(ctx, tenant)
	})

	It("keep their keys at the stores while no audit tells what is left of the tenant", func(ctx SpecContext) {
		w := newWorld(ctx)
		first := startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		expectReleased(ctx, tenant)
		w.retained(ctx, ContainElement(HaveField("Jobs", metav1.ConditionTrue)))
		first.kill()
		secret := w.secretOf(ctx, tenant, "expiry")
		Expect(admin.Delete(ctx, secret)).To(Succeed())
		Expect(admin.Delete(ctx, w.cronOf(ctx, tenant, "expiry"))).To(Succeed())
		honest := w.live(ctx).Spec.DatabaseServers[0].AdminSecretRef.Name
		w.declare(ctx, func(spec *v1alpha1.DataRegionSpec) { spec.DatabaseServers[0].AdminSecretRef.Name = w.name + "-gone" })

		startOperator()
		Eventually(func() string { return w.regionEvents(ctx) }).Should(ContainSubstring("-expiry was deleted"))
		for _, store := range stores {
			id, key := settings.StoreKeys(store.Name)
			_, err := store.As(string(secret.Data[id]), string(secret.Data[key])).ListObjectVersions(ctx, versionsOf(store.Bucket, dataIDOf(tenant)+"/"))
			Expect(err).NotTo(HaveOccurred(), "the keeper's keys at %s were made anew for nobody", store.Name)
		}

		By("the database answering again")
		w.declare(ctx, func(spec *v1alpha1.DataRegionSpec) { spec.DatabaseServers[0].AdminSecretRef.Name = honest })
		w.expectKeptIncident(ctx, v1alpha1.ReasonJobMissing, true)
		Eventually(func(g Gomega) { w.keeperLists(ctx, g, tenant) }).Should(Succeed())
	})
})

func (w *world) cronOf(ctx context.Context, tenant *v1alpha1.BookingTenant, job string) *batchv1.CronJob {
	GinkgoHelper()
	cron := &batchv1.CronJob{}
	w.await(ctx, tenant, job, cron)
	return cron
}

// secretOf one of the tenant's jobs, once it is there.
func (w *world) secretOf(ctx context.Context, tenant *v1alpha1.BookingTenant, job string) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{}
	w.await(ctx, tenant, job, secret)
	return secret
}

// await what the tenant has of a kind for one of its jobs.
func (w *world) await(ctx context.Context, tenant *v1alpha1.BookingTenant, job string, object client.Object) {
	GinkgoHelper()
	Eventually(func() error {
		return admin.Get(ctx, client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-" + job}, object)
	}).Should(Succeed())
}

// expectKeptIncident waits until the region's status tells an incident of the only removed tenant.
func (w *world) expectKeptIncident(ctx context.Context, reason string, healed bool) {
	GinkgoHelper()
	at := BeNil()
	if healed {
		at = Not(BeNil())
	}
	w.retained(ctx, ContainElement(HaveField("Incidents", ContainElement(And(HaveField("Reason", reason), HaveField("HealedAt", at))))))
}

// jobPod plays Job controller and scheduler.
func (w *world) jobPod(ctx context.Context, tenant *v1alpha1.BookingTenant, job, node string) *corev1.Pod {
	GinkgoHelper()
	template := w.cronOf(ctx, tenant, job).Spec.JobTemplate.Spec.Template
	made := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-" + job + "-1", Labels: template.Labels, Annotations: template.Annotations},
		Spec:       *template.Spec.DeepCopy(),
	}
	Expect(admin.Create(ctx, made)).To(Succeed())
	schedule(ctx, made, node)
	return made
}

// keeperLists expects that the keys in the Secret of expiry are good at every store.
func (w *world) keeperLists(ctx context.Context, g Gomega, tenant *v1alpha1.BookingTenant) {
	secret := &corev1.Secret{}
	g.Expect(admin.Get(ctx, client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-expiry"}, secret)).To(Succeed())
	for _, store := range stores {
		id, key := settings.StoreKeys(store.Name)
		_, err := store.As(string(secret.Data[id]), string(secret.Data[key])).ListObjectVersions(ctx, versionsOf(store.Bucket, dataIDOf(tenant)+"/"))
		g.Expect(err).NotTo(HaveOccurred(), store.Name)
	}
}

// regionEvents of the world, one a line. Events of what has no namespace lie in the default one.
func (w *world) regionEvents(ctx context.Context) (told string) {
	GinkgoHelper()
	list := &eventsv1.EventList{}
	Expect(admin.List(ctx, list)).To(Succeed())
	for _, event := range list.Items {
		if event.Regarding.Kind == "DataRegion" && event.Regarding.Name == w.name {
			told += event.Type + " " + event.Reason + ": " + event.Note + "\n"
		}
	}
	return told
}
