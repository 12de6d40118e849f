// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path"
	"time"

	"filippo.io/age"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/settings"
)

// D4, acceptance 5: export, import in another region, equality, deletion at the old place, proof.
var _ = Describe("Switching the provider", func() {
	It("loses nothing, adds nothing, and leaves nothing behind", func(ctx SpecContext) {
		identity, err := age.GenerateX25519Identity()
		Expect(err).NotTo(HaveOccurred())
		from, to := newWorld(ctx), newWorld(ctx)
		startOperator()
		old := from.create(ctx, "site", func(t *v1alpha1.BookingTenant) {
			t.Spec.Backup.Recipients = []v1alpha1.AgeRecipient{v1alpha1.AgeRecipient(identity.Recipient().String())}
		})
		from.settle(ctx, old)
		from.book(ctx, old, 7)
		from.endContract(ctx, old)
		offboarded(ctx, old, v1alpha1.ReasonExporting)
		from.playExport(ctx, old)
		offboarded(ctx, old, v1alpha1.ReasonExported)
		key := get(ctx, old).Status.Offboarding.Export.Objects[0].Key

		By("taking it in in the other region")
		taken := newBrought(identity, from.fetchExport(ctx, key))
		taken.spec.File = v1alpha1.ExportFile(path.Base(key))
		Expect(taken.spec.SHA256).To(Equal(get(ctx, old).Status.Offboarding.Export.Objects[0].SHA256))
		taken.spec.IdentitySecretRef = to.keep(ctx, identity)
		fresh := to.create(ctx, "site", beginWith(taken.spec))
		eventually(ctx, fresh, v1alpha1.ConditionReady, metav1.ConditionFalse, because(v1alpha1.ReasonAwaitingExport))
		to.put(ctx, fresh, taken.raw)
		Expect(to.playImport(ctx, fresh)).To(Succeed())
		Eventually(func() bool { return to.siteSettings(ctx, fresh).Importing }).Should(BeFalse())
		to.settle(ctx, fresh)
		Expect(get(ctx, fresh).Status.Import.Result.Records).To(Equal(get(ctx, old).Status.Offboarding.Export.Records))
		exported := opened(taken)
		before, err := export.Read(bytes.NewReader(exported), export.Visitor{})
		Expect(err).NotTo(HaveOccurred())
		after, err := export.Read(bytes.NewReader(to.exportAgain(ctx, fresh)), export.Visitor{})
		Expect(err).NotTo(HaveOccurred())
		Expect(export.Compare(before, after)).To(BeEmpty())
		Expect(value[int64](ctx, to, "SELECT count(*) FROM "+dataIDOf(fresh)+".contact")).To(BeEquivalentTo(7))

		By("the old place coming to its end")
		live := get(ctx, old)
		unpatched := live.DeepCopy()
		live.Status.Offboarding.Until = &metav1.Time{Time: time.Now().Add(-time.Second)}
		Expect(admin.Status().Patch(ctx, live, client.MergeFrom(unpatched))).To(Succeed())
		update(ctx, old, func(t *v1alpha1.BookingTenant) { t.Annotations = map[string]string{"look": "again"} })
		offboarded(ctx, old, v1alpha1.ReasonCertified)
		Expect(schemasOf(ctx, from, old)).To(BeZero())
		cert := certificateOf(ctx, old)
		Expect(cert.Spec.Region).To(Equal(from.name))
		Expect(cert.Status.Deletion.Text).To(ContainSubstring("export: " + key))
		Expect(cert.Spec.Records).To(ContainElement(v1alpha1.RecordCount{Category: v1alpha1.CategoryContact, Count: 7}))
		expectSigned(ctx, cert, cert.Status.Deletion)
		Expect(schemasOf(ctx, to, fresh)).To(BeEquivalentTo(1))
	})
})

// fetchExport does what the authority does at the old place.
func (w *world) fetchExport(ctx context.Context, key string) []byte {
	GinkgoHelper()
	content, err := w.storeAdmin(stores[1].Name).Get(ctx, key)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = content.Close() }()
	raw, err := io.ReadAll(content)
	Expect(err).NotTo(HaveOccurred())
	return raw
}

// opened is an export its recipient has decrypted.
func opened(b *brought) []byte {
	GinkgoHelper()
	content, err := export.Open(bytes.NewReader(b.raw), b.identity)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = content.Close() }()
	raw, err := io.ReadAll(content)
	Expect(err).NotTo(HaveOccurred())
	return raw
}

// exportAgain writes what the tenant holds now, by the login of its backup.
func (w *world) exportAgain(ctx context.Context, tenant *v1alpha1.BookingTenant) []byte {
	GinkgoHelper()
	secret, raw := w.jobFiles(ctx, tenant, "backup")
	var document settings.Backup
	Expect(json.Unmarshal(raw, &document)).To(Succeed())
	conn, err := connectAs(ctx, document.Database, secret)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = conn.Close(ctx) }()
	var written bytes.Buffer
	_, err = export.Write(ctx, conn, &written, export.Scope{})
	Expect(err).NotTo(HaveOccurred())
	return written.Bytes()
}
