// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/controllers"
	"github.com/termintreu/termintreu/internal/operator"
	"github.com/termintreu/termintreu/internal/testing/manifests"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// workers write at the same time, as the operator's do.
const workers = 16

// cluster is a real API server without controllers, a region with a real PostgreSQL and real stores, and nothing else.
type cluster struct {
	client     client.WithWatch
	config     *rest.Config
	kubeconfig string
	server     *pgtest.Server
	database   string
	stores     []*s3test.Store
	region     *v1alpha1.DataRegion
	policy     *v1alpha1.RetentionPolicy
	// token may read metrics.
	token string
}

// newCluster makes one. change adjusts the region before it is created.
func newCluster(tb testing.TB, change func(*v1alpha1.DataRegion)) *cluster {
	tb.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		tb.Fatal("KUBEBUILDER_ASSETS is not set: run `make bench`, or `export KUBEBUILDER_ASSETS=$(go run ./hack/local assets)` first")
	}
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(io.Discard, nil)))
	c := &cluster{server: pgtest.Start(tb), stores: s3test.Start(tb, 3), policy: newPolicy()}
	c.database = c.server.NewDatabase(tb)
	c.region = newRegion(c.server, c.database, c.stores)
	change(c.region)
	environment := &envtest.Environment{
		CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd", "bases")}, ErrorIfCRDPathMissing: true,
	}
	// The range envtest comes with has room for 254 Services; clusters have room for thousands.
	environment.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.96.0.0/12")
	config, err := environment.Start()
	must(tb, err)
	tb.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			tb.Errorf("stopping the API server: %v", err)
		}
	})
	// The floor's client must never be slower than the API server.
	config.QPS, config.Burst = -1, -1
	c.config = config
	c.client, err = client.NewWithWatch(config, client.Options{Scheme: operator.Scheme()})
	must(tb, err)
	c.kubeconfig = filepath.Join(tb.TempDir(), "kubeconfig")
	must(tb, os.WriteFile(c.kubeconfig, environment.KubeConfig, 0o600))
	c.putWallsUp(tb)
	c.furnish(tb)
	return c
}

// putWallsUp applies config/admission, without which ResidencyEnforced is never True; but for the policy that lets the
// operator's account alone bind namespaces, since the operator runs as an administrator here.
func (c *cluster) putWallsUp(tb testing.TB) {
	tb.Helper()
	for _, object := range manifests.Walls(tb, filepath.Join("..", "..")) {
		if object.GetKind() != "ValidatingAdmissionPolicyBinding" || object.GetName() != "termintreu-namespaces" {
			c.create(tb, object)
		}
	}
}

// furnish creates what an engineer would before the first tenant.
func (c *cluster) furnish(tb testing.TB) {
	tb.Helper()
	names := []string{system, platform, floorPlatform}
	for n := range namespaces {
		names = append(names, namespaceOf("authority", n), namespaceOf(floorPrefix, n))
	}
	for _, name := range names {
		c.create(tb, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	secret := func(name string, data map[string]string) {
		c.create(tb, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: name}, StringData: data})
	}
	secret("database", map[string]string{"username": c.server.AdminUser, "password": c.server.AdminPassword})
	for _, store := range c.stores {
		secret(store.Name, map[string]string{"accessKeyID": store.AdminKeyID, "secretAccessKey": store.AdminSecret})
	}
	c.create(tb, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "trusted", Labels: map[string]string{nodeLabel: regionName}}})
	c.create(tb, c.region)
	c.create(tb, c.policy)
	c.allowScraping(tb)
}

func (c *cluster) allowScraping(tb testing.TB) {
	tb.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "scraper"}}
	c.create(tb, account)
	rbac, err := client.New(c.config, client.Options{})
	must(tb, err)
	must(tb, rbac.Create(tb.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper"}, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics", controllers.TenantMetricsPath}}},
	}))
	must(tb, rbac.Create(tb.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "scraper"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "scraper"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: system, Name: "scraper"}},
	}))
	day := int64(24 * 60 * 60)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}
	must(tb, c.client.SubResource("token").Create(tb.Context(), account, request))
	c.token = request.Status.Token
}

func (c *cluster) create(tb testing.TB, object client.Object) {
	tb.Helper()
	must(tb, c.client.Create(tb.Context(), object))
}

// each runs work for 0 to n-1, by as many workers as the operator has.
func each(ctx context.Context, n int, work func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range n {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return work(ctx, i)
		})
	}
	return group.Wait()
}

// createTenants creates tenants from first on.
func (c *cluster) createTenants(tb testing.TB, key v1alpha1.AgeRecipient, first, n int) {
	tb.Helper()
	must(tb, each(tb.Context(), n, func(ctx context.Context, i int) error {
		return c.client.Create(ctx, newTenant(namespaceOf("authority", first+i), fmt.Sprintf("site-%d", first+i), key))
	}))
}
