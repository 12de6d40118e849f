// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"strings"

	"filippo.io/age"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/cluster"
	"github.com/termintreu/termintreu/internal/resources"
)

const (
	// extraPrefix marks everything tests make for themselves, so that the next run finds what a killed one left.
	extraPrefix = "e2e-"
	// extraLabel marks nodes of extra regions, beside the label of their real region: admission sees no label but
	// region and zone.
	extraLabel = cluster.ZoneLabel
)

// extra is a tenant of a test's own in a region of its own, on servers of region ch.
type extra struct {
	name      string
	tenant    types.NamespacedName
	spec      v1alpha1.BookingTenantSpec
	region    v1alpha1.DataRegion
	policy    v1alpha1.RetentionPolicy
	namespace string
}

// newExtra plans a tenant like the fast lane's, whose backups live for three minutes. Nothing exists before create.
func newExtra(ctx context.Context, name string) *extra {
	GinkgoHelper()
	full := extraPrefix + name
	e := &extra{name: full, tenant: types.NamespacedName{Namespace: full, Name: name}, namespace: full}
	like := tenantOf(ctx, fastLane)
	e.spec = *like.Spec.DeepCopy()
	e.spec.RegionRef.Name, e.spec.RetentionPolicyRef.Name = full, full
	e.spec.Instance.Hosts = []v1alpha1.Host{v1alpha1.Host(full + ".localhost")}
	e.spec.Backup.Schedule = "* * * * *"
	identity, err := age.GenerateX25519Identity()
	Expect(err).NotTo(HaveOccurred())
	e.spec.Backup.Recipients = []v1alpha1.AgeRecipient{v1alpha1.AgeRecipient(identity.Recipient().String())}

	e.region.Name = full
	e.region.Spec = *regionOf(ctx, like.Spec.RegionRef.Name).Spec.DeepCopy()
	e.region.Spec.Nodes = v1alpha1.NodeTrust{Label: extraLabel, Values: []string{full}}
	e.region.Spec.Namespaces = v1alpha1.NamespaceAccess{Names: []string{full}}
	e.region.Spec.PlatformNamespace = full + "-platform"
	// The ingress they share runs on nodes of region ch, which this region does not trust: to it, it is one outside the
	// cluster, whose place is declared. It connects from the range of pods.
	e.region.Spec.Ingress.PodSelector = metav1.LabelSelector{MatchLabels: map[string]string{"e2e": "outside"}}
	e.region.Spec.Ingress.EndpointCIDRs = []v1alpha1.CIDR{v1alpha1.CIDR(ends.PodRange)}

	policy := &v1alpha1.RetentionPolicy{}
	Expect(kube.Get(ctx, client.ObjectKey{Name: like.Spec.RetentionPolicyRef.Name}, policy)).To(Succeed())
	e.policy.Name, e.policy.Spec = full, *policy.Spec.DeepCopy()
	e.policy.Spec.Backup.Period, e.policy.Spec.Backup.MaximumAge = "3m", "3m"
	return e
}

// create brings the extra tenant about and removes everything of it after the test.
func (e *extra) create(ctx context.Context) {
	GinkgoHelper()
	DeferCleanup(func(ctx SpecContext) { remove(ctx, e.name) })
	for _, name := range []string{e.namespace, e.region.Spec.PlatformNamespace} {
		Expect(kube.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
		}})).To(Succeed())
	}
	Expect(kube.Create(ctx, &e.region)).To(Succeed())
	Expect(kube.Create(ctx, &e.policy)).To(Succeed())
	tenant := &v1alpha1.BookingTenant{ObjectMeta: metav1.ObjectMeta{Namespace: e.tenant.Namespace, Name: e.tenant.Name}, Spec: e.spec}
	certificate, err := installation.Certificate(tenant)
	Expect(err).NotTo(HaveOccurred())
	Expect(kube.Create(ctx, certificate)).To(Succeed())
	Expect(kube.Create(ctx, tenant)).To(Succeed())
}

// trust makes a node one of the extra region's.
func (e *extra) trust(ctx context.Context, node string) { labelNode(ctx, node, extraLabel, e.name) }

// zoneOf a node before a test took it.
func zoneOf(node string) string {
	for _, n := range cluster.DefaultSpec(*dir).Nodes {
		if n.Name == node {
			return n.Labels[cluster.ZoneLabel]
		}
	}
	return ""
}

// sweep removes what an earlier run left and lets go what it held.
func sweep(ctx context.Context) {
	GinkgoHelper()
	crons := &batchv1.CronJobList{}
	Expect(kube.List(ctx, crons, client.MatchingLabels{resources.LabelManagedBy: resources.Manager})).To(Succeed())
	for _, cron := range crons.Items {
		if cron.Spec.Suspend != nil && *cron.Spec.Suspend {
			before := cron.DeepCopy()
			cron.Spec.Suspend = new(false)
			Expect(kube.Patch(ctx, &cron, client.MergeFrom(before))).To(Succeed())
		}
	}
	regions := &v1alpha1.DataRegionList{}
	Expect(kube.List(ctx, regions)).To(Succeed())
	for _, region := range regions.Items {
		if strings.HasPrefix(region.Name, extraPrefix) {
			remove(ctx, region.Name)
		}
	}
}

// remove takes an extra region away with all it holds: its tenants first, then what namespaces deleted behind a
// tenant's back left retained, whose end is brought forward.
func remove(ctx context.Context, name string) {
	GinkgoHelper()
	tenants := &v1alpha1.BookingTenantList{}
	Expect(kube.List(ctx, tenants, client.InNamespace(name))).To(Succeed())
	for _, tenant := range tenants.Items {
		before := tenant.DeepCopy()
		tenant.Spec.DeletionPolicy = v1alpha1.DeletionDelete
		Expect(client.IgnoreNotFound(kube.Patch(ctx, &tenant, client.MergeFrom(before)))).To(Succeed())
		Expect(client.IgnoreNotFound(kube.Delete(ctx, &tenant))).To(Succeed())
	}
	Eventually(func(g Gomega) {
		g.Expect(kube.List(ctx, tenants, client.InNamespace(name))).To(Succeed())
		g.Expect(tenants.Items).To(BeEmpty())
	}).WithContext(ctx).Should(Succeed())
	endRetained(ctx, name)
	nodes := &corev1.NodeList{}
	Expect(kube.List(ctx, nodes, client.MatchingLabels{extraLabel: name})).To(Succeed())
	for _, node := range nodes.Items {
		labelNode(ctx, node.Name, extraLabel, zoneOf(node.Name))
	}
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name + "-platform"}},
		&v1alpha1.DataRegion{ObjectMeta: metav1.ObjectMeta{Name: name}}, &v1alpha1.RetentionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}},
	} {
		Expect(client.IgnoreNotFound(kube.Delete(ctx, object))).To(Succeed())
	}
	// A namespace of this name can be made again only once it is gone.
	for _, namespace := range []string{name, name + "-platform"} {
		Eventually(func() error {
			return kube.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{})
		}).WithContext(ctx).Should(MatchError(ContainSubstring("not found")))
	}
}

// endRetained brings the end of retained data forward and waits until the operator has dropped it.
func endRetained(ctx context.Context, namespace string) {
	GinkgoHelper()
	for _, server := range ends.Postgres {
		for _, database := range server.Databases {
			conn := superuser(ctx, server.Name, database)
			if !value[bool](ctx, conn, `SELECT to_regclass('termintreu.tenant') IS NOT NULL`) {
				continue
			}
			run(ctx, conn, `UPDATE termintreu.tenant SET retained_until = now() WHERE namespace = $1 AND retained_since IS NOT NULL`, namespace)
			Eventually(func() (left int64, err error) {
				err = conn.QueryRow(ctx, `SELECT count(*) FROM termintreu.tenant WHERE namespace = $1`, namespace).Scan(&left)
				return left, err
			}).WithContext(ctx).Should(BeZero(), "data of %s in %s of %s", namespace, database, server.Name)
		}
	}
}
