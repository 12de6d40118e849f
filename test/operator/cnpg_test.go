// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// cnpgModule holds the definitions of CloudNativePG's kinds, at the version of hack/cnpg.
const cnpgModule = "github.com/cloudnative-pg/cloudnative-pg"

// A database server may be a CloudNativePG Cluster: the real definitions are installed, and a real PostgreSQL answers
// in the Cluster's place, at its own address, since nothing here resolves the names of Services.
var _ = Describe("A CloudNativePG Cluster as database server", Ordered, func() {
	BeforeAll(func(ctx SpecContext) {
		module := filepath.Join("..", "..", "hack", "cnpg")
		download := exec.CommandContext(ctx, "go", "mod", "download")
		download.Dir = module
		Expect(download.Run()).To(Succeed())
		list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", cnpgModule)
		list.Dir = module
		found, err := list.Output()
		Expect(err).NotTo(HaveOccurred())
		crds := filepath.Join(strings.TrimSpace(string(found)), "config", "crd", "bases")
		_, err = envtest.InstallCRDs(cluster, envtest.CRDInstallOptions{ErrorIfPathMissing: true, Paths: []string{
			filepath.Join(crds, "postgresql.cnpg.io_clusters.yaml"), filepath.Join(crds, "postgresql.cnpg.io_scheduledbackups.yaml"),
		}})
		Expect(err).NotTo(HaveOccurred())
	})

	// based makes a world whose server is a Cluster with an archive of the given retention.
	based := func(ctx SpecContext, retention string) *world {
		w := newWorld(ctx, func(r *v1alpha1.DataRegion, _ *v1alpha1.RetentionPolicy) {
			s := &r.Spec.DatabaseServers[0]
			s.ClusterRef = &v1alpha1.ClusterReference{Namespace: r.Name + "-db", Name: "pg"}
			s.CABundle, s.AdminSecretRef.Name, s.EndpointCIDRs = "", "", nil
		})
		namespace := w.name + "-db"
		createNamespace(ctx, namespace)
		create := func(text string) {
			object := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal([]byte(text), &object.Object)).To(Succeed())
			object.SetNamespace(namespace)
			Expect(admin.Create(ctx, object)).To(Succeed())
		}
		create(`{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, metadata: {name: pg}, spec: {instances: 3, storage: {size: 1Gi},
			backup: {` + retention + ` barmanObjectStore: {destinationPath: 's3://wal', s3Credentials: {inheritFromIAMRole: true}}}}}`)
		create(`{apiVersion: postgresql.cnpg.io/v1, kind: ScheduledBackup, metadata: {name: daily}, spec: {schedule: '0 0 2 * * *', cluster: {name: pg}}}`)
		for name, data := range map[string]map[string]string{
			"pg-ca": {"ca.crt": server.CABundle}, "pg-app": {"username": server.AdminUser, "password": server.AdminPassword},
		} {
			Expect(admin.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: data})).To(Succeed())
		}
		w.instance(ctx, "pg-1", w.name+"-trusted")
		return w
	}

	It("is reached by its CA and Secret, by its pods alone, and the nodes of its pods are evidence", func(ctx SpecContext) {
		w := based(ctx, "retentionPolicy: 30d,")
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		Eventually(func(g Gomega) {
			g.Expect(get(ctx, tenant).Status.Evidence).To(ContainElement(And(
				HaveField("What", ContainSubstring("database server pg-1, Pod "+w.name+"-db/pg-1")), HaveField("Where", w.name+"-trusted"))))
		}).Should(Succeed())
		policy := &networkingv1.NetworkPolicy{}
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: w.namespace, Name: "site-booking"}, policy)).To(Succeed())
		Expect(policy.Spec.Egress).To(ContainElement(HaveField("To", ContainElement(HaveField("PodSelector",
			HaveValue(HaveField("MatchLabels", HaveKeyWithValue("cnpg.io/cluster", "pg"))))))))

		replica := w.instance(ctx, "pg-2", w.node(ctx, "foreign", "elsewhere").Name)
		claim := eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionFalse, saying(w.name+"-db/pg-2", w.name+"-foreign"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonForeignNode))
		Expect(admin.Delete(ctx, replica, client.GracePeriodSeconds(0))).To(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
	})

	It("is what the documentation shows", func(ctx SpecContext) {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", "tasks", "use-cloudnative-pg.md"))
		Expect(err).NotTo(HaveOccurred())
		createNamespace(ctx, "databases")
		strict := client.WithFieldValidation(admin, metav1.FieldValidationStrict)
		var kinds []string
		for _, match := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllSubmatch(page, -1) {
			object := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal(match[1], &object.Object)).To(Succeed())
			Expect(strict.Create(ctx, object, client.DryRunAll)).To(Succeed())
			kinds = append(kinds, object.GetKind())
		}
		Expect(kinds).To(Equal([]string{"Cluster", "ScheduledBackup"}))
	})

	It("refuses tenants whose backup period its archive outlives, until it is shortened (B2)", func(ctx SpecContext) {
		w := based(ctx, "")
		startOperator()
		// Nobody knows what the Cluster keeps before it was seen, and nobody is placed before.
		Eventually(func(g Gomega) {
			live := &v1alpha1.DataRegion{}
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(w.region), live)).To(Succeed())
			g.Expect(live.Status.Databases).To(ContainElement(HaveField("Reachable", metav1.ConditionTrue)))
		}).Should(Succeed())
		tenant := w.create(ctx, "site")
		stalled := eventually(ctx, tenant, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying("no spec.backup.retentionPolicy", "let", "90d"))
		Expect(stalled.Reason).To(Equal(v1alpha1.ReasonOtherCopiesTooLong))
		Expect(schemasOf(ctx, w, tenant)).To(BeZero())

		postgres := &unstructured.Unstructured{}
		postgres.SetAPIVersion("postgresql.cnpg.io/v1")
		postgres.SetKind("Cluster")
		postgres.SetNamespace(w.name + "-db")
		postgres.SetName("pg")
		patch := func(retention string) {
			Expect(admin.Patch(ctx, postgres, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"backup":{"retentionPolicy":"`+retention+`"}}}`)))).To(Succeed())
		}
		// The window and the day between two base backups are longer than the period.
		patch("90d")
		eventually(ctx, tenant, v1alpha1.ConditionStalled, metav1.ConditionTrue, saying("the time between two base backups"))
		patch("60d")
		eventually(ctx, tenant, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
	})
})

// instance makes a pod of the world's Cluster.
func (w *world) instance(ctx SpecContext, name, node string) *corev1.Pod {
	GinkgoHelper()
	made := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.name + "-db", Name: name, Labels: map[string]string{"cnpg.io/cluster": "pg"}},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "postgres", Image: "registry.example/postgresql"}}},
	}
	Expect(admin.Create(ctx, made)).To(Succeed())
	return made
}
