// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
)

// D4, invariant 10: leaving is one field.
var _ = Describe("Offboarding", func() {
	It("closes the site, exports, deletes after the period, certifies, though the operator is killed on the way", func(ctx SpecContext) {
		w := newWorld(ctx)
		first := startOperator()
		tenant, _ := w.recoverable(ctx)
		want := value[int64](ctx, w, "SELECT count(*) FROM "+dataIDOf(tenant)+".appointment")

		By("closing: nothing is booked, the site still answers, and it can be taken back")
		update(ctx, tenant, func(t *v1alpha1.BookingTenant) {
			t.Spec.Offboarding = &v1alpha1.Offboarding{ContractEnd: metav1.NewTime(time.Now().Add(24 * time.Hour))}
		})
		claim := eventually(ctx, tenant, v1alpha1.ConditionOffboarded, metav1.ConditionFalse)
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonContractEnds))
		Expect(w.siteSettings(ctx, tenant).Closing).To(BeTrue())
		update(ctx, tenant, func(t *v1alpha1.BookingTenant) { t.Spec.Offboarding = nil })
		Eventually(func() bool { return w.siteSettings(ctx, tenant).Closing }).Should(BeFalse())

		By("the contract ending")
		instance := &corev1.Secret{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: "site-booking"}, instance)).To(Succeed())
		w.endContract(ctx, tenant)
		offboarded(ctx, tenant, v1alpha1.ReasonExporting)
		Expect(w.login(ctx, dataIDOf(tenant), instance.Data)).NotTo(Succeed())
		Eventually(func() int32 { return *deployment(ctx, tenant).Spec.Replicas }).Should(BeZero())
		err := admin.Patch(ctx, tenant, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"offboarding":null}}`)))
		Expect(err).To(MatchError(ContainSubstring("go on in a new tenant")))

		By("the operator being killed while the Job works")
		first.kill()
		killedTrial(ctx, w, tenant)
		delivered := w.playExport(ctx, tenant)
		second := startOperator()
		offboarded(ctx, tenant, v1alpha1.ReasonExported)
		status := get(ctx, tenant).Status.Offboarding
		Expect(status.Export.Stores).To(HaveLen(3))
		Expect(string(status.Export.Objects[0].SHA256)).To(Equal(delivered.Objects[0].SHA256))
		Expect(time.Until(status.Until.Time).Hours()).To(BeNumerically("~", 30*24, 1))
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		Eventually(func() []string { return objectsOf(ctx, tenant) }).ShouldNot(ContainElements("Secret DATA-export", "Secret DATA-backup"))
		Eventually(func() int64 { return scratchesOf(ctx, w, tenant) }).Should(BeZero(), "no backup follows that would take it away")
		w.purge(ctx, tenant)

		By("the period ending")
		second.kill()
		Expect(value[int64](ctx, w, "SELECT count(*) FROM "+dataIDOf(tenant)+".appointment")).To(Equal(want))
		live := get(ctx, tenant)
		before := live.DeepCopy()
		live.Status.Offboarding.Until = &metav1.Time{Time: time.Now().Add(-time.Second)}
		Expect(admin.Status().Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
		startOperator()
		offboarded(ctx, tenant, v1alpha1.ReasonCertified)
		Expect(schemasOf(ctx, w, tenant)).To(BeZero())
		Expect(rolesOf(ctx, w, tenant)).To(BeZero())
		cert := certificateOf(ctx, tenant)
		expectSigned(ctx, cert, cert.Status.Deletion)
		Expect(cert.Status.Deletion.Text).To(ContainSubstring("export: " + delivered.Objects[0].Key + ", "))
		Expect(cert.Status.Deletion.Text).To(ContainSubstring("SHA-256 " + delivered.Objects[0].SHA256))
		Expect(cert.Status.Deletion.Text).To(ContainSubstring(stores[0].Name + " holds"))
		Expect(w.commandOf(ctx, tenant, "expiry")).To(Equal("expire"), "backups and exports are left, so expiry must go on")

		By("the BookingTenant going")
		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		expectReleased(ctx, tenant)
		for _, store := range stores {
			Expect(w.storeAdmin(store.Name).DeleteAll(ctx, dataIDOf(tenant)+"/")).To(Succeed())
		}
		w.expectGone(ctx, tenant)
	})

	It("deletes nothing while a store lacks the export, says which, and goes on by itself", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant, _ := w.recoverable(ctx)
		w.endContract(ctx, tenant)
		offboarded(ctx, tenant, v1alpha1.ReasonExporting)
		job := w.exportJob(ctx, tenant)
		o := w.exportOptions(ctx, tenant)
		o.Settings.Stores = o.Settings.Stores[:2]
		_, err := export.Deliver(ctx, o)
		Expect(err).NotTo(HaveOccurred())
		endJob(ctx, job, false)
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionFalse, saying("without the export at store "+stores[2].Name, "nothing is deleted"))
		offboarded(ctx, tenant, v1alpha1.ReasonExportFailed)
		Expect(schemasOf(ctx, w, tenant)).To(BeEquivalentTo(1))

		Expect(admin.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
		Eventually(func() bool {
			again := &batchv1.Job{}
			err := admin.Get(ctx, client.ObjectKeyFromObject(job), again)
			return err == nil && again.UID != job.UID || apierrors.IsNotFound(err)
		}, "40s").Should(BeTrue())
		w.playExport(ctx, tenant)
		offboarded(ctx, tenant, v1alpha1.ReasonExported)
	})
})

// endContract lets it end a moment ago.
func (w *world) endContract(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	update(ctx, tenant, func(t *v1alpha1.BookingTenant) {
		t.Spec.Offboarding = &v1alpha1.Offboarding{ContractEnd: metav1.NewTime(time.Now().Add(-time.Second))}
	})
}

// offboarded waits until the end of the contract has come to a step.
func offboarded(ctx context.Context, tenant *v1alpha1.BookingTenant, reason string) {
	GinkgoHelper()
	status := metav1.ConditionFalse
	if reason == v1alpha1.ReasonCertified {
		status = metav1.ConditionTrue
	}
	eventually(ctx, tenant, v1alpha1.ConditionOffboarded, status, func(g Gomega, c *metav1.Condition) {
		g.Expect(c.Reason).To(Equal(reason), c.Message)
	})
}

// siteSettings are those the instance reads.
func (w *world) siteSettings(ctx context.Context, tenant *v1alpha1.BookingTenant) (document settings.Instance) {
	GinkgoHelper()
	made := &corev1.ConfigMap{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: tenant.Name + "-booking"}, made)).To(Succeed())
	Expect(json.Unmarshal([]byte(made.Data[settings.FileKey]), &document)).To(Succeed())
	return document
}

func (w *world) exportJob(ctx context.Context, tenant *v1alpha1.BookingTenant) *batchv1.Job {
	GinkgoHelper()
	job := &batchv1.Job{}
	Eventually(func() error {
		return admin.Get(ctx, client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-export"}, job)
	}, "40s").Should(Succeed())
	return job
}

// exportOptions are those the export Job runs with: what the operator made for it and nothing else.
func (w *world) exportOptions(ctx context.Context, tenant *v1alpha1.BookingTenant) export.Options {
	GinkgoHelper()
	secret, raw := w.jobFiles(ctx, tenant, "export")
	o := export.Options{Keys: keysIn(secret)}
	Expect(json.Unmarshal(raw, &o.Settings)).To(Succeed())
	o.Connect = func(ctx context.Context) (*pgx.Conn, error) {
		return connectAs(ctx, o.Settings.Database, secret)
	}
	return o
}

func connectAs(ctx context.Context, database settings.Database, secret map[string][]byte) (*pgx.Conn, error) {
	config, err := postgres.OperandConfig(database, settings.Credentials{Username: string(secret[settings.UsernameKey]), Password: string(secret[settings.PasswordKey])})
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config)
}

// playExport does what kubelet and Job controller do.
func (w *world) playExport(ctx context.Context, tenant *v1alpha1.BookingTenant) *export.Delivered {
	GinkgoHelper()
	job := w.exportJob(ctx, tenant)
	delivered, err := export.Deliver(ctx, w.exportOptions(ctx, tenant))
	Expect(err).NotTo(HaveOccurred())
	endJob(ctx, job, true)
	return delivered
}

// endJob plays the Job controller.
func endJob(ctx context.Context, job *batchv1.Job, well bool) {
	GinkgoHelper()
	Expect(tryEndJob(ctx, job, well)).To(Succeed())
}

func tryEndJob(ctx context.Context, job *batchv1.Job, well bool) error {
	before := job.DeepCopy()
	now := metav1.Now()
	job.Status.StartTime = &now
	kinds := []batchv1.JobConditionType{batchv1.JobFailureTarget, batchv1.JobFailed}
	if well {
		kinds = []batchv1.JobConditionType{batchv1.JobSuccessCriteriaMet, batchv1.JobComplete}
		job.Status.CompletionTime = &now
	}
	for _, kind := range kinds {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	return admin.Status().Patch(ctx, job, client.MergeFrom(before))
}
