// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"time"

	"filippo.io/age"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/postgres"
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
		exported := from.fetchExport(ctx, key, identity)

		By("taking it in in the other region")
		fresh := to.create(ctx, "site")
		eventually(ctx, fresh, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
		to.takeIn(ctx, fresh, exported)
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

// fetchExport does what the authority does: it fetches the object and opens it with its own key.
func (w *world) fetchExport(ctx context.Context, key string, identity age.Identity) []byte {
	GinkgoHelper()
	content, err := w.storeAdmin(stores[1].Name).Get(ctx, key)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = content.Close() }()
	opened, err := export.Open(content, identity)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = opened.Close() }()
	var raw bytes.Buffer
	_, err = raw.ReadFrom(opened)
	Expect(err).NotTo(HaveOccurred())
	return raw.Bytes()
}

// takeIn imports as `termintreu import` does, by the login that lives as long as the import.
func (w *world) takeIn(ctx context.Context, tenant *v1alpha1.BookingTenant, exported []byte) {
	GinkgoHelper()
	database, err := postgres.Open(ctx, postgres.Server{
		Name: "test", Host: server.Host, Port: server.Port, CABundle: server.CABundle, Username: server.AdminUser, Password: server.AdminPassword,
	}, w.database())
	Expect(err).NotTo(HaveOccurred())
	defer database.Close()
	dataID, password := dataIDOf(tenant), rand.Text()
	Expect(database.OpenImport(ctx, dataID, password)).To(Succeed())
	conn, err := connectAs(ctx, settings.Database{Host: server.Host, Port: server.Port, Name: w.database(), Schema: dataID, CABundle: server.CABundle},
		map[string][]byte{settings.UsernameKey: []byte(postgres.RolesOf(dataID).Import), settings.PasswordKey: []byte(password)})
	Expect(err).NotTo(HaveOccurred())
	_, err = export.Import(ctx, conn, bytes.NewReader(exported), []string{string(tenant.Spec.Catalogue.Offices[0].Name)})
	Expect(err).NotTo(HaveOccurred())
	Expect(conn.Close(ctx)).To(Succeed())
	Expect(database.CloseImport(ctx, dataID)).To(Succeed())
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
