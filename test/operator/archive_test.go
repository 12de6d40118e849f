// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/archive"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
)

// archiving declares an archive in another bucket of the first store's gateway, and a rule that hands attachments over.
func archiving(ctx context.Context) func(*v1alpha1.DataRegion, *v1alpha1.RetentionPolicy) {
	return func(region *v1alpha1.DataRegion, policy *v1alpha1.RetentionPolicy) {
		_, err := stores[0].Admin().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("archive-" + region.Name), ObjectLockEnabledForBucket: aws.Bool(true)})
		Expect(err).NotTo(HaveOccurred())
		statutory := *region.Spec.BackupStores[0].DeepCopy()
		statutory.Name, statutory.Bucket, statutory.ObjectLock = "statutory", "archive-"+region.Name, v1alpha1.ObjectLockRequired
		region.Spec.Archives = []v1alpha1.BackupStore{statutory}
		policy.Spec.Rules = append(policy.Spec.Rules, v1alpha1.RetentionRule{
			Category: v1alpha1.CategoryAttachment, StartEvent: v1alpha1.StartAppointmentEnd, Period: "30d", Action: v1alpha1.ActionArchive,
			Archive:       &v1alpha1.ArchiveRule{Period: "3650d", LegalBasis: "§ 5 ArchG BS"},
			DeletionClass: "K", Justification: "Decisions are kept.", Responsible: "Einwohneramt", ApprovedOn: "2026-03-02",
		})
	}
}

// attach stores an attachment of an appointment that ended forty days ago.
func (w *world) attach(ctx context.Context, schema string) {
	GinkgoHelper()
	execute(ctx, w, `WITH a AS (
		INSERT INTO `+schema+`.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		VALUES ('hall', 1, 'passport', 'OnSite', now() - interval '40 days', now() - interval '40 days' + interval '15 min', 'confirmed', 'de', '\x01')
		RETURNING id)
		INSERT INTO `+schema+`.attachment (appointment_id, file_name, media_type, content) SELECT id, 'Geheimnis.pdf', 'application/pdf', 'Vreni' FROM a`)
}

// removeOwing deletes a tenant with one document that is not due yet, which keeps the schema.
func (w *world) removeOwing(ctx SpecContext) *v1alpha1.BookingTenant {
	GinkgoHelper()
	tenant := w.create(ctx, "site", func(t *v1alpha1.BookingTenant) { t.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
	w.settle(ctx, tenant)
	schema := dataIDOf(tenant)
	w.attach(ctx, schema)
	execute(ctx, w, `UPDATE `+schema+`.appointment SET starts_at = now() - interval '2 days', ends_at = now() - interval '1 day'`)

	By("a document that is not due yet keeping the schema")
	Expect(admin.Delete(ctx, tenant)).To(Succeed())
	Eventually(func(g Gomega) {
		c := meta.FindStatusCondition(get(ctx, tenant).Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(c).NotTo(BeNil())
		g.Expect(c.Message).To(ContainSubstring("1 documents of schema " + schema + " wait to be handed over"))
	}).Should(Succeed())
	Expect(value[int64](ctx, w, "SELECT count(*) FROM "+schema+".attachment")).To(BeEquivalentTo(1))
	return tenant
}

// handOver runs the tenant's archive job.
func (w *world) handOver(ctx context.Context, tenant *v1alpha1.BookingTenant) (archive.Report, error) {
	GinkgoHelper()
	var secret map[string][]byte
	var raw []byte
	Eventually(func(g Gomega) {
		secret, raw = w.jobFiles(ctx, tenant, "archive")
		g.Expect(secret["statutory.accessKeyID"]).NotTo(BeEmpty())
	}).Should(Succeed())
	o := archive.Options{Keys: keysIn(secret)}
	Expect(json.Unmarshal(raw, &o.Settings)).To(Succeed())
	config, err := postgres.OperandConfig(o.Settings.Database, settings.Credentials{
		Username: string(secret[settings.UsernameKey]), Password: string(secret[settings.PasswordKey]),
	})
	Expect(err).NotTo(HaveOccurred())
	o.Config = config
	return archive.Run(ctx, o)
}

// listArchive tries the archive with what a Secret of the tenant's jobs holds.
func (w *world) listArchive(ctx context.Context, tenant *v1alpha1.BookingTenant, secret map[string][]byte) error {
	keys := stores[0].As(string(secret["statutory.accessKeyID"]), string(secret["statutory.secretAccessKey"]))
	_, err := keys.ListObjectVersions(ctx, versionsOf("archive-"+w.name, dataIDOf(tenant)+"/"))
	return err
}

// inArchive are the keys that lie at the archive for a tenant.
func (w *world) inArchive(ctx context.Context, tenant *v1alpha1.BookingTenant) (keys []string) {
	GinkgoHelper()
	listed, err := stores[0].Admin().ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("archive-" + w.name), Prefix: aws.String(dataIDOf(tenant) + "/")})
	Expect(err).NotTo(HaveOccurred())
	for _, object := range listed.Contents {
		keys = append(keys, aws.ToString(object.Key))
	}
	return keys
}

// T8: documents under a statutory period go to the archive, and status says what went, or why not.
var _ = Describe("The archive", func() {
	It("gets what is due before it is deleted, and the status says until when it stays", func(ctx SpecContext) {
		w := newWorld(ctx, archiving(ctx))
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		By("an attachment outliving its period, which a purge leaves alone")
		schema := dataIDOf(tenant)
		w.attach(ctx, schema)
		w.purge(ctx, tenant)
		claim := eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionFalse, saying("Attachment: 1 overdue, which wait to be handed over"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonOverdue))

		By("an archive that is down")
		stores[0].Stop()
		DeferCleanup(func() { stores[0].Restart(GinkgoTB()) })
		_, err := w.handOver(ctx, tenant)
		Expect(err).To(MatchError(archive.ErrUnfinished))
		stores[0].Restart(GinkgoTB())
		eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionFalse, saying("an archive did not take them: statutory: Unreachable"))
		Expect(value[int64](ctx, w, "SELECT count(*) FROM "+schema+".attachment")).To(BeEquivalentTo(1))

		By("the hand-over")
		report, err := w.handOver(ctx, tenant)
		Expect(err).NotTo(HaveOccurred())
		Expect(report.Categories).To(ConsistOf(archive.Category{Name: v1alpha1.CategoryAttachment, HandedOver: 1, Removed: 1}))
		Expect(value[int64](ctx, w, "SELECT count(*) FROM "+schema+".attachment")).To(BeZero())
		eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		Eventually(func(g Gomega) {
			text := asAuditor(ctx, g, tenant)
			g.Expect(text).NotTo(Or(ContainSubstring("Geheimnis"), ContainSubstring("Vreni")))
			for _, category := range get(ctx, tenant).Status.Retention.Categories {
				if category.Category != v1alpha1.CategoryAttachment {
					g.Expect(category.Archived).To(BeNil())
					continue
				}
				g.Expect(category.Archived).NotTo(BeNil())
				g.Expect(category.Archived.Records).To(HaveValue(BeEquivalentTo(1)))
				g.Expect(category.Archived.LastRun).NotTo(BeNil())
				g.Expect(category.Archived.Until).NotTo(BeNil())
				g.Expect(category.Archived.Failure).To(BeEmpty())
			}
		}).WithContext(ctx).Should(Succeed())

		By("the archive showing it, locked, under the prefix of the tenant")
		archived := w.inArchive(ctx, tenant)
		Expect(archived).To(HaveLen(1))
		_, named := objectstore.ParseArchiveKey(archived[0])
		Expect(named).To(BeTrue())
	})

	It("has every document before the schema is dropped, and the certificate tells of them", func(ctx SpecContext) {
		w := newWorld(ctx, archiving(ctx))
		startOperator()
		tenant := w.removeOwing(ctx)
		schema := dataIDOf(tenant)
		keeper := w.secretOf(ctx, tenant, "expiry").Data
		Expect(w.listArchive(ctx, tenant, keeper)).To(Succeed())

		By("the hand-over, which lets it go")
		_, err := w.handOver(ctx, tenant)
		Expect(err).NotTo(HaveOccurred())
		certificate := certificateOf(ctx, tenant)
		Expect(certificate.Status.Deletion).NotTo(BeNil())
		Expect(certificate.Spec.Archived).To(HaveLen(1))
		Expect(certificate.Spec.Archived[0].Count).To(BeEquivalentTo(1))
		Expect(certificate.Status.Deletion.Text).To(ContainSubstring("archived: 1 records of Attachment at statutory, the last lock ends 20"))
		Expect(value[bool](ctx, w, "SELECT to_regnamespace('"+schema+"') IS NULL")).To(BeTrue())
		Expect(w.inArchive(ctx, tenant)).To(HaveLen(1))
		expectReleased(ctx, tenant)
		Expect(w.listArchive(ctx, tenant, keeper)).NotTo(Succeed(), "the tenant's identity at the archive is still good")
	})

	It("goes on getting what a removed tenant keeps, even when somebody deletes expiry's Secret", func(ctx SpecContext) {
		w := newWorld(ctx, archiving(ctx))
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		w.attach(ctx, dataIDOf(tenant))
		writer := w.secretOf(ctx, tenant, "archive").Data
		keeper := w.secretOf(ctx, tenant, "expiry").Data
		Expect(writer["statutory.secretAccessKey"]).NotTo(BeEmpty())
		Expect(keeper["statutory.secretAccessKey"]).NotTo(BeEmpty())

		By("the tenant being removed")
		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		expectReleased(ctx, tenant)
		w.retained(ctx, ContainElement(HaveField("Jobs", metav1.ConditionTrue)))
		Expect(w.secretOf(ctx, tenant, "expiry").Data).To(HaveKeyWithValue("statutory.secretAccessKey", keeper["statutory.secretAccessKey"]))
		Expect(w.secretOf(ctx, tenant, "archive").Data).To(Equal(writer))

		By("the hand-over being deleted, which is made again")
		gone := w.cronOf(ctx, tenant, "archive")
		Expect(admin.Delete(ctx, gone)).To(Succeed())
		w.expectKeptIncident(ctx, v1alpha1.ReasonJobMissing, true)
		Expect(w.cronOf(ctx, tenant, "archive").UID).NotTo(Equal(gone.UID))

		By("the Secret of expiry being deleted, which takes nothing from the hand-over")
		Expect(admin.Delete(ctx, w.secretOf(ctx, tenant, "expiry"))).To(Succeed())
		Eventually(func(g Gomega) { w.keeperLists(ctx, g, tenant) }).Should(Succeed())
		// A round tells what it did once it has applied everything.
		for _, store := range stores {
			Eventually(func() string { return w.regionEvents(ctx) }).Should(ContainSubstring("made the keeper at store " + store.Name + " anew"))
		}
		Expect(w.secretOf(ctx, tenant, "archive").Data).To(Equal(writer))
		report, err := w.handOver(ctx, tenant)
		Expect(err).NotTo(HaveOccurred())
		Expect(report.Categories).To(ConsistOf(archive.Category{Name: v1alpha1.CategoryAttachment, HandedOver: 1, Removed: 1}))

		By("schema and backups reaching their end, after which nobody reaches the archive for the tenant")
		Expect(w.listArchive(ctx, tenant, keeper)).To(Succeed())
		execute(ctx, w, "UPDATE termintreu.tenant SET retained_until = now() - interval '1 second' WHERE data_id = $1", dataIDOf(tenant))
		for _, store := range stores {
			Expect(w.storeAdmin(store.Name).DeleteAll(ctx, dataIDOf(tenant)+"/")).To(Succeed())
		}
		w.expectGone(ctx, tenant)
		Expect(w.listArchive(ctx, tenant, keeper)).NotTo(Succeed(), "the tenant's identity at the archive is still good")
	})

	It("is given up by the region while a document waits, which goes unarchived with its schema", func(ctx SpecContext) {
		w := newWorld(ctx, archiving(ctx))
		startOperator()
		tenant := w.removeOwing(ctx)
		schema := dataIDOf(tenant)

		w.declare(ctx, func(region *v1alpha1.DataRegionSpec) { region.Archives = nil })
		certificate := certificateOf(ctx, tenant)
		Expect(certificate.Status.Deletion).NotTo(BeNil())
		Expect(certificate.Spec.Archived).To(BeEmpty())
		Expect(value[bool](ctx, w, "SELECT to_regnamespace('"+schema+"') IS NULL")).To(BeTrue())
		Expect(w.inArchive(ctx, tenant)).To(BeEmpty())
	})

	It("is handed nothing by a removed tenant while the region has given it up, and what there is once it is declared again", func(ctx SpecContext) {
		w := newWorld(ctx, archiving(ctx))
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		w.attach(ctx, dataIDOf(tenant))
		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		expectReleased(ctx, tenant)
		w.retained(ctx, ContainElement(HaveField("Jobs", metav1.ConditionTrue)))
		archives := w.live(ctx).Spec.Archives
		Expect(objectsOf(ctx, tenant)).To(ContainElement("CronJob DATA-archive"))

		w.declare(ctx, func(region *v1alpha1.DataRegionSpec) { region.Archives = nil })
		Eventually(func() []string { return objectsOf(ctx, tenant) }).Should(And(
			Not(ContainElement("CronJob DATA-archive")), ContainElements("CronJob DATA-retention", "CronJob DATA-expiry")))

		w.declare(ctx, func(region *v1alpha1.DataRegionSpec) { region.Archives = archives })
		w.cronOf(ctx, tenant, "archive")
		report, err := w.handOver(ctx, tenant)
		Expect(err).NotTo(HaveOccurred())
		Expect(report.Categories).To(ConsistOf(archive.Category{Name: v1alpha1.CategoryAttachment, HandedOver: 1, Removed: 1}))
	})

	It("is asked for by a policy and missing in the region, so that the tenant is refused with the mend", func(ctx SpecContext) {
		w := newWorld(ctx, archiving(ctx), func(region *v1alpha1.DataRegion, _ *v1alpha1.RetentionPolicy) { region.Spec.Archives = nil })
		startOperator()
		tenant := w.create(ctx, "site")
		stalled := eventually(ctx, tenant, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying("hands Attachment over", "spec.archives"))
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonNoArchive))
	})
})
