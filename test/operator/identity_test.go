// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

const systemIdentifier = "SELECT system_identifier::text FROM pg_control_system()"

// D2: a name stands for one server and one bucket, whatever somebody makes it lead to.
var _ = Describe("The identity of a server", func() {
	It("that leads to another PostgreSQL is a finding; nothing is written there, and the site stays where it is", func(ctx SpecContext) {
		w := newWorld(ctx)
		foreign := w.foreignServer(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		home, elsewhere := value[string](ctx, w, systemIdentifier), w.ask(ctx, foreign, systemIdentifier)
		Eventually(func() []v1alpha1.ServerStatus { return w.live(ctx).Status.Servers }).Should(ContainElement(
			And(HaveField("SystemIdentifier", home), HaveField("Connection.Key", Not(BeEmpty())))))
		document := w.settingsOf(ctx, tenant)

		By("host and Secret being pointed at it")
		honest := w.live(ctx).Spec.DatabaseServers[0]
		w.declare(ctx, func(spec *v1alpha1.DataRegionSpec) {
			spec.DatabaseServers[0].Port, spec.DatabaseServers[0].AdminSecretRef.Name = foreign.Port, w.name+"-foreign"
		})
		claim := eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionFalse, saying(elsewhere, home, "systemIdentifier"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonServerReplaced))
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionFalse)
		expectIncident(ctx, tenant, "database server pg-1", v1alpha1.IncidentReported, false)
		Expect(w.ask(ctx, foreign, "SELECT count(*)::text FROM pg_namespace WHERE nspname IN ('termintreu', 'extensions')")).To(Equal("0"))
		Expect(w.settingsOf(ctx, tenant)).To(Equal(document), "the site was pointed at the other server")

		By("being pointed back")
		w.declare(ctx, func(spec *v1alpha1.DataRegionSpec) { spec.DatabaseServers[0] = honest })
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
		expectIncident(ctx, tenant, "database server pg-1", v1alpha1.IncidentReported, true)
	})

	It("is known from the tenants' data when the region's status was lost", func(ctx SpecContext) {
		w := newWorld(ctx)
		foreign := w.foreignServer(ctx)
		first := startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		home := value[string](ctx, w, systemIdentifier)
		first.kill()
		w.loseStatus(ctx)
		honest := w.live(ctx).Spec.DatabaseServers[0]
		w.declare(ctx, func(spec *v1alpha1.DataRegionSpec) {
			spec.DatabaseServers[0].Port, spec.DatabaseServers[0].AdminSecretRef.Name = foreign.Port, w.name+"-foreign"
		})
		second := startOperator()
		Eventually(func() []v1alpha1.DatabaseStatus { return w.live(ctx).Status.Databases }).Should(ContainElement(
			HaveField("Message", ContainSubstring("holds none of the 1 tenants"))))
		Expect(w.ask(ctx, foreign, "SELECT count(*)::text FROM pg_namespace WHERE nspname IN ('termintreu', 'extensions')")).To(Equal("0"))
		second.kill()

		w.declare(ctx, func(spec *v1alpha1.DataRegionSpec) { spec.DatabaseServers[0] = honest })
		w.loseStatus(ctx)
		startOperator()
		Eventually(func() []v1alpha1.ServerStatus { return w.live(ctx).Status.Servers }).Should(ContainElement(HaveField("SystemIdentifier", home)))
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
	})

	It("is asked for anew when its region was removed and declared again", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		home := HaveField("SystemIdentifier", value[string](ctx, w, systemIdentifier))
		shown := func() []v1alpha1.ServerStatus { return w.live(ctx).Status.Servers }
		Eventually(shown).Should(ContainElement(home))
		again := &v1alpha1.DataRegion{ObjectMeta: metav1.ObjectMeta{Name: w.region.Name}, Spec: *w.live(ctx).Spec.DeepCopy()}
		Expect(admin.Delete(ctx, w.live(ctx))).To(Succeed())
		Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(w.region), &v1alpha1.DataRegion{}) }).Should(MatchError(ContainSubstring("not found")))
		// Long enough for the operator to have forgotten it: it measures the others meanwhile.
		other := newWorld(ctx)
		Eventually(func() []v1alpha1.ServerStatus { return other.live(ctx).Status.Servers }).Should(ContainElement(home))
		Expect(admin.Create(ctx, again)).To(Succeed())
		Eventually(shown).Should(ContainElement(home))
	})

	It("raises no alarm for a new certificate of the same authority, and one when a certificate ends", func(ctx SpecContext) {
		server := pgtest.Another(GinkgoTB())
		w := newWorld(ctx, func(r *v1alpha1.DataRegion, _ *v1alpha1.RetentionPolicy) {
			server.CreateDatabase(GinkgoTB(), r.Spec.DatabaseServers[0].Databases[0])
			r.Spec.DatabaseServers[0].Port, r.Spec.DatabaseServers[0].AdminSecretRef.Name = server.Port, r.Name+"-own"
		})
		w.secret(ctx, "own", server)
		startOperator()
		tenant := w.create(ctx, "site")
		w.serve(ctx, tenant, w.name+"-trusted")
		eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionTrue)
		key := func() string { return w.live(ctx).Status.Servers[0].Connection.Key }
		Eventually(func() *v1alpha1.ConnectionStatus { return w.live(ctx).Status.Servers[0].Connection }).ShouldNot(BeNil())
		before := key()
		server.Certify(GinkgoTB(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		Eventually(key).ShouldNot(Equal(before))
		eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionTrue)
		Expect(get(ctx, tenant).Status.Residency.Incidents).To(BeEmpty())

		By("a certificate that has ended")
		server.Certify(GinkgoTB(), time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
		claim := eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionFalse, saying("database server pg-1"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonCertificateExpired))
		expectIncident(ctx, tenant, "database server pg-1", v1alpha1.IncidentReported, false)

		server.Certify(GinkgoTB(), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		eventually(ctx, tenant, v1alpha1.ConditionTransportEncrypted, metav1.ConditionTrue)
		expectIncident(ctx, tenant, "database server pg-1", v1alpha1.IncidentReported, true)
	})
})

var _ = Describe("The identity of a bucket", func() {
	It("of another one under the store's name is a finding, even when it holds a copy of every object", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		store := stores[1]
		Eventually(func() []v1alpha1.StoreStatus { return w.live(ctx).Status.Stores }).Should(HaveEach(HaveField("BucketMark", Not(BeEmpty()))))
		other := w.name + "-other"
		_, err := store.Admin().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(other), ObjectLockEnabledForBucket: aws.Bool(true)})
		Expect(err).NotTo(HaveOccurred())
		listed, err := store.Admin().ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(store.Bucket)})
		Expect(err).NotTo(HaveOccurred())
		for _, object := range listed.Contents {
			_, err := store.Admin().CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String(other), Key: object.Key, CopySource: aws.String(store.Bucket + "/" + *object.Key)})
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(listed.Contents).To(ContainElement(HaveField("Key", HaveValue(Equal(objectstore.MarkKey)))))

		w.declare(ctx, func(spec *v1alpha1.DataRegionSpec) { spec.BackupStores[1].Bucket = other })
		claim := eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionFalse, saying("backup store "+store.Name))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonStoreReplaced))
		expectIncident(ctx, tenant, "backup store "+store.Name, v1alpha1.IncidentReported, false)

		w.declare(ctx, func(spec *v1alpha1.DataRegionSpec) { spec.BackupStores[1].Bucket = store.Bucket })
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		expectIncident(ctx, tenant, "backup store "+store.Name, v1alpha1.IncidentReported, true)
	})
})

// foreignServer is another PostgreSQL with an empty database of the world's name, and a Secret that logs in there.
func (w *world) foreignServer(ctx context.Context) *pgtest.Server {
	GinkgoHelper()
	foreign := pgtest.Another(GinkgoTB())
	foreign.CreateDatabase(GinkgoTB(), w.database())
	w.secret(ctx, "foreign", foreign)
	return foreign
}

// secret puts a server's login into the operator's namespace; its name is prefixed with the world's.
func (w *world) secret(ctx context.Context, name string, server *pgtest.Server) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: w.name + "-" + name},
		StringData: map[string]string{"username": server.AdminUser, "password": server.AdminPassword},
	})).To(Succeed())
}

// ask asks the database of the world's name at another server.
func (w *world) ask(ctx context.Context, server *pgtest.Server, sql string) (answer string) {
	GinkgoHelper()
	conn := server.Superuser(GinkgoTB(), w.database())
	defer func() { _ = conn.Close(ctx) }()
	Expect(conn.QueryRow(ctx, sql).Scan(&answer)).To(Succeed())
	return answer
}

// live reads the region anew.
func (w *world) live(ctx context.Context) *v1alpha1.DataRegion {
	GinkgoHelper()
	live := &v1alpha1.DataRegion{}
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(w.region), live)).To(Succeed())
	return live
}

// declare changes the region as its administrators would.
func (w *world) declare(ctx context.Context, change func(*v1alpha1.DataRegionSpec)) {
	GinkgoHelper()
	live := w.live(ctx)
	before := live.DeepCopy()
	change(&live.Spec)
	Expect(admin.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
}

// loseStatus leaves nothing of the region's status, as a restore of the declaration alone does.
func (w *world) loseStatus(ctx context.Context) {
	GinkgoHelper()
	live := w.live(ctx)
	before := live.DeepCopy()
	live.Status = v1alpha1.DataRegionStatus{}
	Expect(admin.Status().Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
}

// settingsOf is the document the tenant's site reads.
func (w *world) settingsOf(ctx context.Context, tenant *v1alpha1.BookingTenant) map[string]string {
	GinkgoHelper()
	document := &corev1.ConfigMap{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: tenant.Namespace, Name: tenant.Name + "-booking"}, document)).To(Succeed())
	return document.Data
}
