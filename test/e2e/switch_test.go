// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/restore"
)

// Acceptance 5 and D4, as docs/tasks/switch-provider.md walks it: export, import in another region, equality, deletion at
// the old place, proof.
var _ = Describe("Switching the provider", func() {
	It("takes everything along to another region but what is due, and leaves a proof at the old place", func(ctx SpecContext) {
		identity, err := age.GenerateX25519Identity()
		Expect(err).NotTo(HaveOccurred())
		from, to := newMove(ctx, "auszug"), newMove(ctx, "einzug")
		from.create(ctx)
		from.trust(ctx, "ch-2")
		eventually(ctx, from.tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		old, stays, gone := tenantOf(ctx, from.tenant), somebody(), somebody()
		link := open(ctx, old).book(ctx, flash, stays)
		appointmentOf(ctx, home(ctx, old), gone.family, time.Hour)

		By("ending the contract at the old place")
		began := time.Now()
		before := old.DeepCopy()
		old.Spec.Offboarding = &v1alpha1.Offboarding{
			ContractEnd: metav1.NewTime(time.Now().Truncate(time.Second)),
			Export:      v1alpha1.ExportSpec{Recipients: []v1alpha1.AgeRecipient{v1alpha1.AgeRecipient(identity.Recipient().String())}},
		}
		Expect(kube.Patch(ctx, old, client.MergeFrom(before))).To(Succeed())
		Eventually(func(g Gomega) {
			old = tenantOf(ctx, from.tenant)
			g.Expect(old.Status.Offboarding).NotTo(BeNil())
			g.Expect(old.Status.Offboarding.Export).NotTo(BeNil())
		}).WithContext(ctx).Should(Succeed())
		noticed("from the end of the contract to the export at every store", began)
		exported := old.Status.Offboarding.Export
		Expect(exported.Stores).To(HaveLen(3))
		raw := fetched(ctx, exported.Stores[0], exported.Objects[0].Key)
		whatWas := digestOf(ctx, old)

		By("beginning with it in the other region")
		began = time.Now()
		to.spec.Bootstrap = &v1alpha1.Bootstrap{Import: v1alpha1.ImportSpec{
			File: v1alpha1.ExportFile(path.Base(exported.Objects[0].Key)), SHA256: exported.Objects[0].SHA256,
		}}
		to.create(ctx)
		to.trust(ctx, "ch-1")
		importing(ctx, to.tenant, v1alpha1.ReasonAwaitingExport)
		fresh := tenantOf(ctx, to.tenant)
		put(ctx, fresh.Status.Import.Store, fresh.Status.Import.Key, raw)
		Eventually(func() string {
			fresh = tenantOf(ctx, to.tenant)
			return fresh.Status.Import.Challenge
		}).WithContext(ctx).ShouldNot(BeEmpty())
		movingIn(ctx, fresh)
		answer, err := restore.Answer(fresh.Status.Import.Challenge, []age.Identity{identity})
		Expect(err).NotTo(HaveOccurred())
		before = fresh.DeepCopy()
		metav1.SetMetaDataAnnotation(&fresh.ObjectMeta, v1alpha1.AnnotationAnswer, answer)
		Expect(kube.Patch(ctx, fresh, client.MergeFrom(before))).To(Succeed())
		Eventually(func() *metav1.Time { return tenantOf(ctx, to.tenant).Status.Import.FinishedAt }).WithContext(ctx).ShouldNot(BeNil())
		eventually(ctx, to.tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		noticed("from asking for the new tenant to its site serving what was taken in", began)

		By("comparing")
		fresh = tenantOf(ctx, to.tenant)
		Expect(fresh.Status.Import.Result.Records).To(Equal(exported.Records))
		Expect(fresh.Status.Import.Result.SHA256).To(Equal(exported.Objects[0].SHA256))
		Expect(fresh.Status.Import.Result.Overdue).To(BeZero())
		Expect(digestOf(ctx, fresh)).To(Equal(whatWas))
		Expect(contacts(ctx, home(ctx, fresh), gone.family)).To(BeZero(), "what was due came along")
		citizen := open(ctx, fresh)
		Eventually(func() page { return citizen.get(ctx, link) }).WithContext(ctx).Should(shows(stays.given + " " + stays.family))

		By("proving the deletion at the old place")
		Eventually(func() string { return tenantOf(ctx, from.tenant).Status.Offboarding.Certificate }).WithContext(ctx).ShouldNot(BeEmpty())
		cert := &v1alpha1.DeletionCertificate{}
		Expect(kube.Get(ctx, client.ObjectKey{Name: tenantOf(ctx, from.tenant).Status.Offboarding.Certificate}, cert)).To(Succeed())
		conn := superuser(ctx, old.Status.Database.Server, old.Status.Database.Name)
		Expect(value[bool](ctx, conn, `SELECT to_regnamespace($1) IS NULL`, old.Status.Database.Schema)).To(BeTrue(), "the old schema is still there")
		Expect(cert.Status.Deletion.Text).To(And(ContainSubstring("export: "+exported.Objects[0].Key), ContainSubstring("region: "+from.name)))
		verify(ctx, cert)
		citizen.follow(ctx, link+"/cancel", url.Values{})
	})
})

// newMove is an extra tenant for a move: its data is deleted a minute after the export, while exports outlive the test.
func newMove(ctx context.Context, name string) *extra {
	GinkgoHelper()
	e := newExtra(ctx, name)
	e.spec.Backup.Schedule = "0 * * * *"
	e.policy.Spec.Backup.Period, e.policy.Spec.Backup.MaximumAge = "6h", "2h"
	for i := range e.policy.Spec.Rules {
		if rule := &e.policy.Spec.Rules[i]; rule.Category == v1alpha1.CategoryTenantData {
			rule.Period = "1m"
		}
	}
	return e
}

func importing(ctx context.Context, name types.NamespacedName, reason string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		tenant := tenantOf(ctx, name)
		ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(ready).NotTo(BeNil())
		g.Expect(ready.Reason).To(Equal(reason), ready.Message)
		g.Expect(tenant.Status.Import).NotTo(BeNil())
	}).WithContext(ctx).Should(Succeed())
}

// movingIn waits until the new site tells citizens so.
func movingIn(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	citizen := open(ctx, tenant)
	Eventually(func(g Gomega) {
		got, err := citizen.try(ctx, http.MethodGet, "/de/", nil)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.status).To(Equal(http.StatusServiceUnavailable))
		g.Expect(got).To(shows("Diese Seite zieht gerade um"))
	}).WithContext(ctx).Should(Succeed())
}

// digestOf what lies ahead in a tenant's schema, whatever the order of its rows.
func digestOf(ctx context.Context, tenant *v1alpha1.BookingTenant) string {
	GinkgoHelper()
	return value[string](ctx, home(ctx, tenant), `SELECT count(*) || ' ' || md5(string_agg(a::text || c::text, '|' ORDER BY a.id))
		FROM appointment AS a JOIN contact AS c ON c.appointment_id = a.id WHERE a.cancelled_at IS NULL`)
}

func put(ctx context.Context, store, key string, raw []byte) {
	GinkgoHelper()
	objects, bucket := storeOf(store)
	_, err := objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(raw)})
	Expect(err).NotTo(HaveOccurred())
}

// verify runs the one command of docs/tasks/verify-a-certificate.md on the files the platform hands over.
func verify(ctx context.Context, cert *v1alpha1.DeletionCertificate) {
	GinkgoHelper()
	published := &corev1.ConfigMap{}
	Expect(kube.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "termintreu-signing-key"}, published)).To(Succeed())
	folder := GinkgoT().TempDir()
	for name, content := range map[string]string{
		"statement.txt": cert.Status.Deletion.Text, "signature.txt": cert.Status.Deletion.Signature, "key.pem": published.Data[cert.Status.KeyID+".pem"],
	} {
		Expect(os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600)).To(Succeed())
	}
	raw, err := os.ReadFile(filepath.Join(root, "docs", "tasks", "verify-a-certificate.md"))
	Expect(err).NotTo(HaveOccurred())
	shell(ctx, folder, "", shellBlock.FindAllStringSubmatch(string(raw), -1)[1][1])
}
