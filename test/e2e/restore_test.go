// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"filippo.io/age"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Invariant 5: a restore never resurrects.
var _ = Describe("A tenant whose schema was dropped", func() {
	It("comes back from a backup, without whoever was erased or fell due since, and books again", func(ctx SpecContext) {
		e := newExtra(ctx, "zurueck")
		identity, err := age.GenerateX25519Identity()
		Expect(err).NotTo(HaveOccurred())
		e.spec.Backup.Recipients = []v1alpha1.AgeRecipient{v1alpha1.AgeRecipient(identity.Recipient().String())}
		// Long enough that the backup from before the erasure is still there.
		e.policy.Spec.Backup.Period = "6m"
		e.policy.Spec.Rules = append(e.policy.Spec.Rules, journalRule(ctx))
		e.create(ctx)
		e.trust(ctx, "ch-2")
		settled(ctx, e.tenant)
		tenant, kept, erased, due := tenantOf(ctx, e.tenant), somebody(), somebody(), somebody()
		dataID, conn := tenant.Status.DataID, home(ctx, tenant)

		By("a backup that holds one who will be erased, and one who is due while the purge is held")
		hold(ctx, tenant, "retention")
		citizen := open(ctx, tenant)
		// The ingress finds a site a moment after it answers.
		Eventually(func() int { return citizen.get(ctx, flash.path()).status }).WithContext(ctx).Should(Equal(http.StatusOK))
		citizen.book(ctx, flash, kept)
		link := citizen.book(ctx, flash, erased)
		appointmentOf(ctx, conn, due.family, 3*time.Minute)
		runNow(ctx, tenant, "backup")
		backup := time.Now()
		Expect(contacts(ctx, conn, due.family) + contacts(ctx, conn, erased.family)).To(Equal(int64(2)))

		// The time to restore to is of whole seconds, and so are backups': the next one must not be of the same.
		Eventually(time.Now).WithContext(ctx).Should(BeTemporally(">=", backup.Truncate(time.Second).Add(time.Second)))

		By("an erasure, whose rows go once a store has shown its journal")
		citizen.follow(ctx, link+"/erase", url.Values{})
		runNow(ctx, tenant, "backup")
		Eventually(func() int64 { return contacts(ctx, conn, erased.family) }).WithContext(ctx).Should(BeZero())
		before := value[string](ctx, conn, `SELECT md5(string_agg(c::text, '|')) FROM contact AS c WHERE family_name = $1`, kept.family)

		By("the schema being dropped, journal included")
		run(ctx, conn, "DROP SCHEMA "+dataID+" CASCADE")
		run(ctx, conn, "DELETE FROM termintreu.tenant WHERE data_id = $1", dataID)
		Eventually(func() int64 {
			return value[int64](ctx, conn, "SELECT count(*) FROM termintreu.tenant WHERE data_id = $1 AND spec_hash <> ''", dataID)
		}).WithContext(ctx).Should(Equal(int64(1)), "the operator makes an empty one")
		start := time.Now()
		asked := e.restore(ctx, identity, backup)
		eventually(ctx, e.tenant, v1alpha1.ConditionReady, metav1.ConditionFalse, asked.Name)
		noticed("from asking for a restore to the tenant saying so", start)
		result := restored(ctx, asked)
		noticed("from asking for a restore to its proof and swap", start)

		Expect(result.SnapshotStart.Time).To(BeTemporally("<", backup))
		Expect(result.Erased).To(Equal(int64(1)))
		Expect(result.Purged).To(BeNumerically(">", 0))
		Expect(result.Overdue + result.JournalHits).To(BeZero())
		Expect(tablesHolding(ctx, erased.family)).To(BeEmpty())
		Expect(tablesHolding(ctx, due.family)).To(BeEmpty())
		Expect(value[string](ctx, conn, `SELECT md5(string_agg(c::text, '|')) FROM contact AS c WHERE family_name = $1`, kept.family)).To(Equal(before))
		eventually(ctx, e.tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		// Until the node has brought the settings of after the restore, the site may still say that one is under way.
		var again person
		Eventually(func() error {
			again = somebody()
			return InterceptGomegaFailure(func() { citizen.book(ctx, flash, again) })
		}).WithContext(ctx).Should(Succeed())
		Expect(contacts(ctx, conn, again.family)).To(Equal(int64(1)))
		noticed("from asking for a restore to a new booking", start)
	})
})

// journalRule is the rule of the Basel sample's policy for the erasure journal, which the fast lane does without.
func journalRule(ctx context.Context) v1alpha1.RetentionRule {
	GinkgoHelper()
	policy := &v1alpha1.RetentionPolicy{}
	Expect(kube.Get(ctx, client.ObjectKey{Name: tenantOf(ctx, basel).Spec.RetentionPolicyRef.Name}, policy)).To(Succeed())
	i := slices.IndexFunc(policy.Spec.Rules, func(r v1alpha1.RetentionRule) bool { return r.Category == v1alpha1.CategoryErasureJournal })
	Expect(i).To(BeNumerically(">=", 0))
	return policy.Spec.Rules[i]
}

// runNow begins a job of a tenant as `kubectl create job --from` does, and waits until it has succeeded.
func runNow(ctx context.Context, tenant *v1alpha1.BookingTenant, component string) {
	GinkgoHelper()
	cron := cronJob(ctx, tenant, component)
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: cron.Namespace, GenerateName: cron.Name + "-now-",
			Labels: cron.Spec.JobTemplate.Labels, Annotations: cron.Spec.JobTemplate.Annotations,
		},
		Spec: *cron.Spec.JobTemplate.Spec.DeepCopy(),
	}
	Expect(kube.Create(ctx, job)).To(Succeed())
	Eventually(func(g Gomega) {
		g.Expect(kube.Get(ctx, client.ObjectKeyFromObject(job), job)).To(Succeed())
		g.Expect(job.Status.Succeeded).To(BeNumerically(">", 0), "job %s: %v", job.Name, job.Status)
	}).WithContext(ctx).Should(Succeed())
}

// restore asks for the backup of a moment with the key in a Secret.
func (e *extra) restore(ctx context.Context, identity *age.X25519Identity, at time.Time) *v1alpha1.TenantRestore {
	GinkgoHelper()
	inNamespace := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: e.tenant.Namespace, Name: name}
	}
	Expect(kube.Create(ctx, &corev1.Secret{ObjectMeta: inNamespace("recovery"), StringData: map[string]string{"identity": identity.String()}})).To(Succeed())
	asked := &v1alpha1.TenantRestore{ObjectMeta: inNamespace("after-the-fire"), Spec: v1alpha1.TenantRestoreSpec{
		TenantRef: v1alpha1.ObjectReference{Name: e.tenant.Name}, At: new(metav1.NewTime(at)),
		IdentitySecretRef: &v1alpha1.ObjectReference{Name: "recovery"},
	}}
	Expect(kube.Create(ctx, asked)).To(Succeed())
	return asked
}

// restored waits for the end of a restore and gives its proof.
func restored(ctx context.Context, asked *v1alpha1.TenantRestore) *v1alpha1.RestoreResult {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		g.Expect(kube.Get(ctx, client.ObjectKeyFromObject(asked), asked)).To(Succeed())
		g.Expect(meta.IsStatusConditionTrue(asked.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue(), "%v", asked.Status)
	}).WithContext(ctx).Should(Succeed())
	Expect(asked.Status.Result).NotTo(BeNil())
	return asked.Status.Result
}
