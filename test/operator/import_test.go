// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"filippo.io/age"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"
)

// brought is an export somebody takes along, and the key to it.
type brought struct {
	identity *age.X25519Identity
	raw      []byte
	spec     v1alpha1.ImportSpec
}

// sealed makes an export of what a tenant holds, as the end of its contract would.
func (w *world) sealed(ctx context.Context, tenant *v1alpha1.BookingTenant) *brought {
	GinkgoHelper()
	identity, err := age.GenerateX25519Identity()
	Expect(err).NotTo(HaveOccurred())
	var raw bytes.Buffer
	out, err := export.Seal(&raw, []age.Recipient{identity.Recipient()})
	Expect(err).NotTo(HaveOccurred())
	_, err = out.Write(w.exportAgain(ctx, tenant))
	Expect(err).NotTo(HaveOccurred())
	Expect(out.Close()).To(Succeed())
	return newBrought(identity, raw.Bytes())
}

func newBrought(identity *age.X25519Identity, raw []byte) *brought {
	sum := sha256.Sum256(raw)
	return &brought{identity, raw, v1alpha1.ImportSpec{
		File:   v1alpha1.ExportFile(time.Now().UTC().Format(objectstore.KeyTime) + string(objectstore.KindExport)),
		SHA256: v1alpha1.SHA256(hex.EncodeToString(sum[:])),
	}}
}

// beginWith is the field.
func beginWith(spec v1alpha1.ImportSpec) func(*v1alpha1.BookingTenant) {
	return func(t *v1alpha1.BookingTenant) { t.Spec.Bootstrap = &v1alpha1.Bootstrap{Import: spec} }
}

// put does what whoever may write to the store does, at the place status tells.
func (w *world) put(ctx context.Context, tenant *v1alpha1.BookingTenant, raw []byte) {
	GinkgoHelper()
	status := get(ctx, tenant).Status.Import
	Expect(w.storeAdmin(status.Store).PutBytes(ctx, status.Key, raw)).To(Succeed())
}

// playImport does what kubelet and Job controller do with the next import Job.
func (w *world) playImport(ctx context.Context, tenant *v1alpha1.BookingTenant) error {
	GinkgoHelper()
	var (
		job     *batchv1.Job
		options restore.ImportOptions
	)
	Eventually(func() (err error) {
		job, options, err = w.importJob(ctx, tenant)
		return err
	}, "40s").Should(Succeed())
	_, runErr := restore.Import(ctx, options)
	endJob(ctx, job, runErr == nil)
	return runErr
}

// importJob gives an import Job that has not ended, and what it runs with: what the operator made for it and nothing else.
func (w *world) importJob(ctx context.Context, tenant *v1alpha1.BookingTenant) (*batchv1.Job, restore.ImportOptions, error) {
	key := client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-import"}
	job, secret, document := &batchv1.Job{}, &corev1.Secret{}, &corev1.ConfigMap{}
	o := restore.ImportOptions{Keys: restore.Challenge{}}
	if err := errors.Join(admin.Get(ctx, key, job), admin.Get(ctx, key, secret), admin.Get(ctx, key, document)); err != nil {
		return nil, o, err
	}
	if len(job.Status.Conditions) > 0 {
		return nil, o, errors.New("the job has ended")
	}
	o.Credentials = settings.Credentials{Username: string(secret.Data[settings.UsernameKey]), Password: string(secret.Data[settings.PasswordKey])}
	o.Stores = keysIn(secret.Data)
	if err := json.Unmarshal([]byte(document.Data[settings.FileKey]), &o.Settings); err != nil || o.Settings.Offline {
		return job, o, err
	}
	identity, err := age.ParseX25519Identity(string(secret.Data[settings.IdentityKey]))
	o.Keys = restore.Identity{identity}
	return job, o, err
}

// expectNoKeys: what an import was given is gone with it.
func (w *world) expectNoKeys(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	key := client.ObjectKey{Namespace: w.region.Spec.PlatformNamespace, Name: dataIDOf(tenant) + "-import"}
	for _, object := range []client.Object{&corev1.Secret{}, &corev1.ConfigMap{}} {
		Eventually(func() bool { return apierrors.IsNotFound(admin.Get(ctx, key, object)) }).Should(BeTrue(), "%T is left", object)
	}
	Expect(value[bool](ctx, w, "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) OR to_regnamespace($2) IS NOT NULL",
		dataIDOf(tenant)+"_restore", "q"+dataIDOf(tenant))).To(BeFalse(), "the quarantine is left")
}

// because expects a reason.
func because(reason string) func(Gomega, *metav1.Condition) {
	return func(g Gomega, c *metav1.Condition) { g.Expect(c.Reason).To(Equal(reason), c.Message) }
}

// lateBy gives a tenant appointments that were due before it left, which a purge would have deleted.
func (w *world) lateBy(ctx context.Context, tenant *v1alpha1.BookingTenant, n int) {
	GinkgoHelper()
	execute(ctx, w, fmt.Sprintf(`WITH a AS (INSERT INTO %[1]s.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, created_at)
		SELECT 'hall', 1, 'passport', 'OnSite', now() - interval '40 days' - n * interval '1 hour', now() - interval '40 days' - n * interval '1 hour' + interval '15 min',
			'confirmed', 'de', sha256(convert_to('late' || n, 'UTF8')), now() - interval '60 days' FROM generate_series(1, %[2]d) AS n RETURNING id)
		INSERT INTO %[1]s.contact (appointment_id, given_name, family_name, notice_date) SELECT id, 'Vreni', 'Geheim', '2026-01-01' FROM a`, dataIDOf(tenant), n))
}

// D4, invariants 3, 5 and 10: moving in is one field.
var _ = Describe("A tenant that begins with an export", func() {
	It("waits for it, says so, takes it in with the key offline, serves, and never takes it in again", func(ctx SpecContext) {
		from, to := newWorld(ctx), newWorld(ctx)
		startOperator()
		old := from.create(ctx, "site")
		from.settle(ctx, old)
		from.book(ctx, old, 9)
		from.lateBy(ctx, old, 4)
		export := from.sealed(ctx, old)

		By("waiting for it")
		fresh := to.create(ctx, "site", beginWith(export.spec))
		key := dataIDOf(fresh) + "/" + string(export.spec.File)
		eventually(ctx, fresh, v1alpha1.ConditionReady, metav1.ConditionFalse, because(v1alpha1.ReasonAwaitingExport), saying(key, stores[0].Name))
		to.serve(ctx, fresh, to.name+"-trusted")
		Expect(to.siteSettings(ctx, fresh).Importing).To(BeTrue())
		Expect(to.siteSettings(ctx, fresh).Restoring).To(BeTrue())
		for patch, mend := range map[string]string{
			`{"spec":{"bootstrap":null}}`:                             "neither added nor removed",
			`{"spec":{"bootstrap":{"import":{"file":"export.tar"}}}}`: "keep the name the export had",
		} {
			Expect(admin.Patch(ctx, fresh.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch)))).To(MatchError(ContainSubstring(mend)))
		}

		By("asking for the key")
		to.put(ctx, fresh, export.raw)
		done := make(chan error, 1)
		go func() {
			defer GinkgoRecover()
			done <- to.playImport(ctx, fresh)
		}()
		eventually(ctx, fresh, v1alpha1.ConditionReady, metav1.ConditionFalse, because(v1alpha1.ReasonImporting), saying("status.import.challenge"))
		answer, err := restore.Answer(get(ctx, fresh).Status.Import.Challenge, []age.Identity{export.identity})
		Expect(err).NotTo(HaveOccurred())
		update(ctx, fresh, func(t *v1alpha1.BookingTenant) {
			metav1.SetMetaDataAnnotation(&t.ObjectMeta, v1alpha1.AnnotationAnswer, answer)
		})
		Eventually(done).Should(Receive(BeNil()))

		By("serving what was taken in, and nothing of what was due")
		Eventually(func() bool { return to.siteSettings(ctx, fresh).Restoring }).Should(BeFalse())
		eventually(ctx, fresh, v1alpha1.ConditionReady, metav1.ConditionTrue)
		status := get(ctx, fresh).Status.Import
		Expect(status.FinishedAt).NotTo(BeNil())
		Expect(status.Challenge).To(BeEmpty())
		Expect(status.Result.SHA256).To(Equal(export.spec.SHA256))
		Expect(status.Result.Size).To(BeEquivalentTo(len(export.raw)))
		Expect(status.Result.Purged).To(BeEquivalentTo(8), "four appointments with a contact each")
		Expect(status.Result.Overdue).To(BeZero())
		contacts := "SELECT count(*) FROM " + dataIDOf(fresh) + ".contact"
		Expect(value[int64](ctx, to, contacts)).To(BeEquivalentTo(9))
		to.expectNoKeys(ctx, fresh)
		instance := &corev1.Secret{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: to.namespace, Name: "site-booking"}, instance)).To(Succeed())
		Expect(to.login(ctx, dataIDOf(fresh), instance.Data)).To(Succeed())
		Eventually(func() error {
			return admin.Get(ctx, client.ObjectKey{Namespace: to.region.Spec.PlatformNamespace, Name: dataIDOf(fresh) + "-backup-initial"}, &batchv1.Job{})
		}).Should(Succeed(), "the first backup is of what was taken in")

		By("losing the status")
		execute(ctx, to, "DELETE FROM "+dataIDOf(fresh)+".appointment WHERE id = (SELECT id FROM "+dataIDOf(fresh)+".appointment ORDER BY id LIMIT 1)")
		live := get(ctx, fresh)
		before := live.DeepCopy()
		live.Status = v1alpha1.BookingTenantStatus{}
		Expect(admin.Status().Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
		update(ctx, fresh, func(t *v1alpha1.BookingTenant) { metav1.SetMetaDataAnnotation(&t.ObjectMeta, "look", "again") })
		eventually(ctx, fresh, v1alpha1.ConditionReady, metav1.ConditionTrue)
		Expect(get(ctx, fresh).Status.Import.Result.SHA256).To(Equal(export.spec.SHA256))
		Expect(value[int64](ctx, to, contacts)).To(BeEquivalentTo(8), "who was deleted since came back")
		Expect(admin.Patch(ctx, fresh, client.RawPatch("application/merge-patch+json",
			[]byte(`{"spec":{"bootstrap":{"import":{"sha256":"`+strings.Repeat("0", 64)+`"}}}}`)))).To(MatchError(ContainSubstring("never runs again")))
	})

	It("that cannot be taken in says why, keeps an empty schema and no key, and goes on once it is mended", func(ctx SpecContext) {
		from, to := newWorld(ctx), newWorld(ctx)
		startOperator()
		old := from.create(ctx, "site")
		from.settle(ctx, old)
		from.book(ctx, old, 5)
		export := from.sealed(ctx, old)
		other, err := age.GenerateX25519Identity()
		Expect(err).NotTo(HaveOccurred())
		export.spec.IdentitySecretRef = to.keep(ctx, other)
		fresh := to.create(ctx, "site", beginWith(export.spec), func(t *v1alpha1.BookingTenant) {
			t.Spec.Catalogue.Offices[0].Name = "tower"
		})
		eventually(ctx, fresh, v1alpha1.ConditionReady, metav1.ConditionFalse, because(v1alpha1.ReasonAwaitingExport))
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: to.namespace, Name: "key"}}
		hold := func(identity string) {
			GinkgoHelper()
			Expect(admin.Patch(ctx, secret, client.RawPatch("application/merge-patch+json", []byte(`{"data":null,"stringData":`+identity+`}`)))).To(Succeed())
		}

		By("having a Secret without a key")
		hold(`{"note":"to be filled in"}`)
		to.put(ctx, fresh, export.raw)
		eventually(ctx, fresh, v1alpha1.ConditionStalled, metav1.ConditionTrue, because(v1alpha1.ReasonImportFailed), saying("has no key identity"))

		By("having another's key")
		hold(`{"identity":"` + other.String() + `"}`)
		Expect(to.playImport(ctx, fresh)).NotTo(Succeed())
		eventually(ctx, fresh, v1alpha1.ConditionStalled, metav1.ConditionTrue, because(v1alpha1.ReasonImportFailed), saying("nothing was taken in", "does not open the export", "begins again"))
		Eventually(func(g Gomega) {
			g.Expect(value[bool](ctx, to, "SELECT to_regnamespace($1) IS NULL", "q"+dataIDOf(fresh))).To(BeTrue())
		}).Should(Succeed())
		to.expectNoKeys(ctx, fresh)

		By("having the key and another catalogue")
		hold(`{"identity":"` + export.identity.String() + `"}`)
		Expect(to.playImport(ctx, fresh)).NotTo(Succeed())
		eventually(ctx, fresh, v1alpha1.ConditionStalled, metav1.ConditionTrue, because(v1alpha1.ReasonImportFailed), saying("spec.catalogue.offices lacks hall"))
		Expect(value[int64](ctx, to, "SELECT count(*) FROM "+dataIDOf(fresh)+".appointment")).To(BeZero())
		Expect(to.siteSettings(ctx, fresh).Importing).To(BeTrue())

		By("having both")
		update(ctx, fresh, func(t *v1alpha1.BookingTenant) { t.Spec.Catalogue.Offices[0].Name = "hall" })
		Expect(to.playImport(ctx, fresh)).To(Succeed())
		Eventually(func() bool { return to.siteSettings(ctx, fresh).Importing }).Should(BeFalse())
		to.serve(ctx, fresh, to.name+"-trusted")
		eventually(ctx, fresh, v1alpha1.ConditionReady, metav1.ConditionTrue)
		Expect(value[int64](ctx, to, "SELECT count(*) FROM "+dataIDOf(fresh)+".contact")).To(BeEquivalentTo(5))
		to.expectNoKeys(ctx, fresh)
	})

	It("is deleted with what was under way", func(ctx SpecContext) {
		from, to := newWorld(ctx), newWorld(ctx)
		startOperator()
		old := from.create(ctx, "site")
		from.settle(ctx, old)
		export := from.sealed(ctx, old)
		fresh := to.create(ctx, "site", beginWith(export.spec))
		eventually(ctx, fresh, v1alpha1.ConditionReady, metav1.ConditionFalse, because(v1alpha1.ReasonAwaitingExport))
		to.put(ctx, fresh, export.raw)
		to.jobFiles(ctx, fresh, "import")
		Expect(admin.Delete(ctx, fresh)).To(Succeed())
		expectReleased(ctx, fresh)
		to.expectNoKeys(ctx, fresh)
	})

	It("ends the same whichever write of the operator was its last", func(ctx SpecContext) {
		from, to := newWorld(ctx), newWorld(ctx)
		first := startOperator()
		old := from.create(ctx, "site")
		from.settle(ctx, old)
		from.book(ctx, old, 3)
		export := from.sealed(ctx, old)
		export.spec.IdentitySecretRef = to.keep(ctx, export.identity)
		first.kill()
		writes := to.importUntilKilled(ctx, export, 0)
		Expect(writes).To(BeNumerically(">=", 6), "three objects, and their end")
		for n := 1; n <= writes; n++ {
			to.importUntilKilled(ctx, export, n)
		}
		AddReportEntry("killed", fmt.Sprintf("at each of %d writes", writes), ReportEntryVisibilityAlways)
	})
})

// importUntilKilled lets a tenant wait for its export, then take it in with an operator that dies at its n-th write, none
// for 0, and with one that lives; it gives the number of writes the first one made.
func (w *world) importUntilKilled(ctx SpecContext, export *brought, n int) int {
	GinkgoHelper()
	By(fmt.Sprintf("write %d", n))
	tenant := w.create(ctx, fmt.Sprintf("site-%d", n), beginWith(export.spec))
	Expect(w.storeAdmin(stores[0].Name).PutBytes(ctx, dataIDOf(tenant)+"/"+string(export.spec.File), export.raw)).To(Succeed())

	killed := make(chan struct{})
	// What makes the import, and what takes it away when it is done.
	concerns := func(q request) bool {
		return q.write() && strings.Contains(q.Path, "/namespaces/"+w.region.Spec.PlatformNamespace+"/") &&
			(strings.HasSuffix(q.Path, "-import") || q.Method == http.MethodDelete)
	}
	record := &requests{left: n, counts: concerns, cut: func() { close(killed) }}
	mortal := startOperatorOn(record.wrap(as("termintreu-operator")))
	played := make(chan struct{})
	playing, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer close(played)
		w.playWhatComes(playing, tenant)
	}()
	finished := func() bool {
		status := get(ctx, tenant).Status.Import
		return status != nil && status.FinishedAt != nil
	}
	// How many writes tell of steps depends on how fast these were.
	Eventually(func() bool {
		select {
		case <-killed:
			return true
		default:
			return finished() && !w.siteSettings(ctx, tenant).Importing
		}
	}).Should(BeTrue())
	mortal.kill()
	successor := startOperator()
	Eventually(finished).Should(BeTrue())
	Eventually(func() bool { return w.siteSettings(ctx, tenant).Importing }).Should(BeFalse())
	Expect(value[int64](ctx, w, "SELECT count(*) FROM "+dataIDOf(tenant)+".contact")).To(BeEquivalentTo(3))
	w.expectNoKeys(ctx, tenant)
	successor.kill()
	stop()
	Eventually(played).Should(BeClosed())
	w.discard(ctx, tenant)
	return len(record.matching(concerns))
}

// playWhatComes plays every import Job until told to stop. One that is taken away while it works has another after it.
func (w *world) playWhatComes(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
		job, options, err := w.importJob(ctx, tenant)
		if err != nil {
			continue
		}
		_, err = restore.Import(ctx, options)
		_ = tryEndJob(ctx, job, err == nil)
	}
}
