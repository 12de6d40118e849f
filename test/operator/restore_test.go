// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"filippo.io/age"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"

	"time"
)

// recoverable makes a tenant whose backups the identity opens.
func (w *world) recoverable(ctx context.Context) (*v1alpha1.BookingTenant, *age.X25519Identity) {
	GinkgoHelper()
	identity, err := age.GenerateX25519Identity()
	Expect(err).NotTo(HaveOccurred())
	tenant := w.create(ctx, "site", func(t *v1alpha1.BookingTenant) {
		t.Spec.Backup.Recipients = []v1alpha1.AgeRecipient{v1alpha1.AgeRecipient(identity.Recipient().String())}
	})
	w.settle(ctx, tenant)
	execute(ctx, w, `INSERT INTO `+dataIDOf(tenant)+`.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		SELECT 'hall', 1, 'passport', 'OnSite', now() + n * interval '1 hour', now() + (n + 1) * interval '1 hour', 'confirmed', 'de', sha256(convert_to(n::text, 'UTF8'))
		FROM generate_series(1, 50) AS n`)
	return tenant, identity
}

// askFor makes a TenantRestore.
func (w *world) askFor(ctx context.Context, name, tenant string, secret *v1alpha1.ObjectReference) *v1alpha1.TenantRestore {
	GinkgoHelper()
	made := &v1alpha1.TenantRestore{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       v1alpha1.TenantRestoreSpec{TenantRef: v1alpha1.ObjectReference{Name: tenant}, IdentitySecretRef: secret},
	}
	Expect(admin.Create(ctx, made)).To(Succeed())
	return made
}

// keep puts a secret key into the cluster, the weaker way.
func (w *world) keep(ctx context.Context, identity *age.X25519Identity) *v1alpha1.ObjectReference {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "key"}, StringData: map[string]string{"identity": identity.String()}})).To(Succeed())
	return &v1alpha1.ObjectReference{Name: "key"}
}

// playRestore does what kubelet and Job controller do, with what the operator made for the job and nothing else.
func (w *world) playRestore(ctx context.Context, tenant *v1alpha1.BookingTenant) error {
	GinkgoHelper()
	secret, raw := w.jobFiles(ctx, tenant, "restore")
	job := &batchv1.Job{}
	Eventually(func() error {
		return admin.Get(ctx, client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-restore"}, job)
	}).Should(Succeed())
	o := restore.Options{
		Credentials: settings.Credentials{Username: string(secret[settings.UsernameKey]), Password: string(secret[settings.PasswordKey])},
		Stores:      keysIn(secret),
		Keys:        restore.Challenge{}, Program: filepath.Join(server.Binaries, "pg_restore"),
	}
	Expect(json.Unmarshal(raw, &o.Settings)).To(Succeed())
	if !o.Settings.Offline {
		identity, err := age.ParseX25519Identity(string(secret[settings.IdentityKey]))
		Expect(err).NotTo(HaveOccurred())
		o.Keys = restore.Identity{identity}
	}
	_, runErr := restore.Run(ctx, o)
	endJob(ctx, job, runErr == nil)
	return runErr
}

// restored waits until a restore has a condition, and gives it.
func restored(ctx context.Context, of *v1alpha1.TenantRestore, kind string, status metav1.ConditionStatus, words ...string) *v1alpha1.TenantRestore {
	GinkgoHelper()
	live := &v1alpha1.TenantRestore{}
	Eventually(func(g Gomega) {
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(of), live)).To(Succeed())
		found := meta.FindStatusCondition(live.Status.Conditions, kind)
		g.Expect(found).NotTo(BeNil(), "%v", live.Status)
		g.Expect(found.Status).To(Equal(status), "%v", live.Status.Conditions)
		for _, word := range words {
			g.Expect(found.Message).To(ContainSubstring(word))
		}
	}).Should(Succeed())
	return live
}

// Invariant 5, acceptance 1: a restore never resurrects.
var _ = Describe("A restore", func() {
	It("brings a dropped schema back, says so meanwhile, and lets the site serve again", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant, identity := w.recoverable(ctx)
		w.backUp(ctx, tenant, time.Minute)
		dataID := dataIDOf(tenant)
		want := value[string](ctx, w, "SELECT md5(string_agg(a::text, '|' ORDER BY id)) FROM "+dataID+".appointment AS a WHERE counter = 1 AND starts_at > now() + interval '2 hours'")
		erased := value[string](ctx, w, "SELECT id::text FROM "+dataID+".appointment ORDER BY starts_at LIMIT 1")
		execute(ctx, w, "DROP SCHEMA "+dataID+" CASCADE")
		execute(ctx, w, "DELETE FROM termintreu.tenant WHERE data_id = $1", dataID)
		Eventually(func(g Gomega) {
			// The operator makes an empty one, in which somebody is erased.
			g.Expect(value[bool](ctx, w, "SELECT to_regclass($1) IS NOT NULL", dataID+".erasure_journal")).To(BeTrue())
		}).Should(Succeed())
		execute(ctx, w, "INSERT INTO "+dataID+".erasure_journal (subject_hmac) VALUES ($1)", booking.ErasureMark(erased))

		asked := w.askFor(ctx, "after-the-fire", tenant.Name, w.keep(ctx, identity))
		secret, _ := w.jobFiles(ctx, tenant, "restore")
		Expect(secret).To(HaveKey(settings.IdentityKey))
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionFalse, saying("after-the-fire"))
		Expect(w.playRestore(ctx, tenant)).To(Succeed())

		live := restored(ctx, asked, v1alpha1.ConditionReady, metav1.ConditionTrue, "1 erased again")
		Expect(live.Status.Step).To(Equal(v1alpha1.RestoreSwapped))
		Expect(live.Status.Result.Overdue + live.Status.Result.JournalHits).To(BeZero())
		Expect(value[string](ctx, w, "SELECT md5(string_agg(a::text, '|' ORDER BY id)) FROM "+dataID+".appointment AS a WHERE counter = 1 AND starts_at > now() + interval '2 hours'")).To(Equal(want))
		Expect(value[int64](ctx, w, "SELECT count(*) FROM "+dataID+".appointment WHERE id::text = $1", erased)).To(BeZero())
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		w.purge(ctx, tenant)
		w.backUp(ctx, tenant, 0)
		By("leaving no key in the cluster but the one it was given")
		for _, object := range []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}, &batchv1.Job{}} {
			err := admin.Get(ctx, client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataID + "-restore"}, object)
			Expect(err == nil && object.GetDeletionTimestamp() != nil || apierrors.IsNotFound(err)).To(BeTrue(), "%T is left: %v", object, err)
		}
	})

	It("goes on by an answer given offline, after one that was wrong", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant, identity := w.recoverable(ctx)
		w.backUp(ctx, tenant, time.Minute)
		eventually(ctx, tenant, v1alpha1.ConditionRecoveryKeyProven, metav1.ConditionUnknown, saying("answer the challenge"))
		asked := w.askFor(ctx, "offline", tenant.Name, nil)
		done := make(chan error, 1)
		go func() {
			defer GinkgoRecover()
			done <- w.playRestore(ctx, tenant)
		}()
		live := restored(ctx, asked, v1alpha1.ConditionReconciling, metav1.ConditionTrue, "status.challenge")
		Expect(live.Status.Step).To(Equal(v1alpha1.RestoreWaitingForKey))
		annotate(ctx, asked, "nonsense")
		restored(ctx, asked, v1alpha1.ConditionReconciling, metav1.ConditionTrue, "does not fit the challenge")
		answer, err := restore.Answer(live.Status.Challenge, []age.Identity{identity})
		Expect(err).NotTo(HaveOccurred())
		annotate(ctx, asked, answer)
		Eventually(done).Should(Receive(BeNil()))
		live = restored(ctx, asked, v1alpha1.ConditionReady, metav1.ConditionTrue)
		Expect(live.Status.Challenge).To(BeEmpty())
		eventually(ctx, tenant, v1alpha1.ConditionRecoveryKeyProven, metav1.ConditionTrue)
		update(ctx, tenant, func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Recipients = []v1alpha1.AgeRecipient{recipient()} })
		eventually(ctx, tenant, v1alpha1.ConditionRecoveryKeyProven, metav1.ConditionUnknown)
	})

	It("that fails leaves what is in use as it was, says why, and lets the next one through", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant, identity := w.recoverable(ctx)
		w.backUp(ctx, tenant, time.Minute)
		dataID := dataIDOf(tenant)
		before := value[string](ctx, w, "SELECT md5(string_agg(a::text, '|' ORDER BY id)) FROM "+dataID+".appointment AS a")
		other, err := age.GenerateX25519Identity()
		Expect(err).NotTo(HaveOccurred())
		key := w.keep(ctx, other)
		asked := w.askFor(ctx, "wrong-key", tenant.Name, key)
		Expect(w.playRestore(ctx, tenant)).NotTo(Succeed())
		live := restored(ctx, asked, v1alpha1.ConditionStalled, metav1.ConditionTrue, "not the secret key of any recipient", "as it was")
		Expect(meta.FindStatusCondition(live.Status.Conditions, v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonRestoreFailed))
		Expect(value[string](ctx, w, "SELECT md5(string_agg(a::text, '|' ORDER BY id)) FROM "+dataID+".appointment AS a")).To(Equal(before))
		Expect(value[bool](ctx, w, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", dataID+"_restore")).To(BeFalse())
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)

		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: key.Name}}
		Expect(admin.Patch(ctx, secret, client.RawPatch("application/merge-patch+json", []byte(`{"stringData":{"identity":"`+identity.String()+`"}}`)))).To(Succeed())
		again := w.askFor(ctx, "right-key", tenant.Name, key)
		Eventually(func() error {
			_, raw := w.jobFiles(ctx, tenant, "restore")
			job := &batchv1.Job{}
			err := admin.Get(ctx, client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataID + "-restore"}, job)
			if err == nil && (job.Annotations["booking.termintreu.dev/restore-name"] != "right-key" || len(raw) == 0) {
				err = errors.New("the job of before is still there")
			}
			return err
		}).Should(Succeed())
		Expect(w.playRestore(ctx, tenant)).To(Succeed())
		restored(ctx, again, v1alpha1.ConditionReady, metav1.ConditionTrue)
	})
})

// annotate answers a challenge as kubectl annotate does.
func annotate(ctx context.Context, of *v1alpha1.TenantRestore, answer string) {
	GinkgoHelper()
	live := &v1alpha1.TenantRestore{}
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(of), live)).To(Succeed())
	before := live.DeepCopy()
	metav1.SetMetaDataAnnotation(&live.ObjectMeta, v1alpha1.AnnotationAnswer, answer)
	Expect(admin.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
}
