// SPDX-License-Identifier: Apache-2.0

// Package operator_test runs the operator in process against a real API server, a real PostgreSQL and real object
// stores. What envtest lacks, kubelets and built-in controllers, the suite plays.
package operator_test

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/termintreu/termintreu/internal/operator"
	"github.com/termintreu/termintreu/internal/testing/manifests"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

const (
	// system is the operator's namespace, as config/default names it.
	system = "termintreu-system"
	// patience is generous, since the machine of a test is shared; nothing waits that long unless it is broken.
	patience = 2 * time.Minute
)

var (
	cluster    *rest.Config
	kubeconfig []byte
	admin      client.WithWatch
	server     *pgtest.Server
	stores     []*s3test.Store
	statuses   *statusWatch
)

func TestOperator(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(50 * time.Millisecond)
	RunSpecs(t, "The operator")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		Fail("KUBEBUILDER_ASSETS is not set: run `export KUBEBUILDER_ASSETS=$(go run ./hack/local assets)` first, or `make test`")
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(logTo(), &slog.HandlerOptions{Level: slog.LevelInfo})))
	server = pgtest.Start(GinkgoTB())
	stores = s3test.Start(GinkgoTB(), 3)

	environment := &envtest.Environment{
		CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd", "bases")}, ErrorIfCRDPathMissing: true,
	}
	var err error
	cluster, err = environment.Start()
	Expect(err).NotTo(HaveOccurred())
	kubeconfig = environment.KubeConfig
	DeferCleanup(environment.Stop)
	// The suite's own client must never be slower than what it watches.
	cluster.QPS, cluster.Burst = -1, -1
	admin, err = client.NewWithWatch(cluster, client.Options{Scheme: operator.Scheme()})
	Expect(err).NotTo(HaveOccurred())

	grantRights(ctx)
	putWallsUp(ctx)
	createSystem(ctx)
	statuses = watchStatuses(admin)
	DeferCleanup(statuses.stop)
})

var _ = AfterEach(func() {
	Expect(statuses.violations()).To(BeEmpty(), "a status was seen that contradicts itself")
})

// grantRights gives the operator and the sentinel the rights of config/rbac, so that a right they lack fails here.
func grantRights(ctx SpecContext) {
	scheme := operator.Scheme()
	Expect(rbacv1.AddToScheme(scheme)).To(Succeed())
	for _, name := range []string{"role.yaml", "sentinel_role.yaml", "metrics.yaml"} {
		file, err := os.Open(filepath.Join("..", "..", "config", "rbac", name))
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = file.Close() }()
		decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
		for {
			raw := runtime.RawExtension{}
			if err := decoder.Decode(&raw); errors.Is(err, io.EOF) {
				break
			} else {
				Expect(err).NotTo(HaveOccurred())
			}
			object := rbacObject(raw.Raw)
			Expect(admin.Create(ctx, object)).To(Succeed())
		}
	}
}

// putWallsUp applies config/admission, without which nothing is Compliant.
func putWallsUp(ctx SpecContext) {
	for _, object := range manifests.Walls(GinkgoTB(), filepath.Join("..", "..")) {
		Expect(admin.Create(ctx, object)).To(Succeed())
	}
}

// rbacObject reads a cluster role or binding; the binding's subject is the account config/default makes.
func rbacObject(raw []byte) client.Object {
	kind := metav1.TypeMeta{}
	Expect(yaml.Unmarshal(raw, &kind)).To(Succeed())
	switch kind.Kind {
	case "ClusterRole":
		role := &rbacv1.ClusterRole{}
		Expect(yaml.UnmarshalStrict(raw, role)).To(Succeed())
		return role
	case "ClusterRoleBinding":
		binding := &rbacv1.ClusterRoleBinding{}
		Expect(yaml.UnmarshalStrict(raw, binding)).To(Succeed())
		for i := range binding.Subjects {
			binding.Subjects[i].Namespace = system
		}
		return binding
	}
	Fail("config/rbac holds a " + kind.Kind + ", which this suite does not know")
	return nil
}

// as is a configuration with the rights of one of the platform's service accounts.
func as(account string) *rest.Config {
	config := rest.CopyConfig(cluster)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + system + ":" + account,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + system, "system:authenticated"},
	}
	return config
}

// createSystem makes the operator's namespace with the admin Secrets of the server and the stores.
func createSystem(ctx SpecContext) {
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system}})).To(Succeed())
	secret := func(name string, data map[string]string) {
		Expect(admin.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: name}, StringData: data,
		})).To(Succeed())
	}
	secret("database", map[string]string{"username": server.AdminUser, "password": server.AdminPassword})
	for _, store := range stores {
		secret(store.Name, map[string]string{"accessKeyID": store.AdminKeyID, "secretAccessKey": store.AdminSecret})
	}
}
