// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/resources"
)

// Tenants of config/samples.
var (
	basel    = types.NamespacedName{Namespace: "basel", Name: "einwohneramt"}
	awo      = types.NamespacedName{Namespace: "awo", Name: "onlineberatung"}
	fastLane = types.NamespacedName{Namespace: "fastlane", Name: "schnellspur"}
)

func tenantOf(ctx context.Context, name types.NamespacedName) *v1alpha1.BookingTenant {
	GinkgoHelper()
	tenant := &v1alpha1.BookingTenant{}
	Expect(kube.Get(ctx, name, tenant)).To(Succeed())
	return tenant
}

func samples(ctx context.Context) []v1alpha1.BookingTenant {
	GinkgoHelper()
	tenants := &v1alpha1.BookingTenantList{}
	Expect(kube.List(ctx, tenants)).To(Succeed())
	var found []v1alpha1.BookingTenant
	for _, tenant := range tenants.Items {
		if !strings.HasPrefix(tenant.Namespace, extraPrefix) {
			found = append(found, tenant)
		}
	}
	return found
}

// eventually waits until a condition has a status and its message says what is expected, and gives it.
func eventually(ctx context.Context, name types.NamespacedName, kind string, status metav1.ConditionStatus, says ...string) metav1.Condition {
	GinkgoHelper()
	var last metav1.Condition
	Eventually(func(g Gomega) {
		tenant := &v1alpha1.BookingTenant{}
		g.Expect(kube.Get(ctx, name, tenant)).To(Succeed())
		condition := meta.FindStatusCondition(tenant.Status.Conditions, kind)
		g.Expect(condition).NotTo(BeNil(), "%s has no condition %s", name, kind)
		g.Expect(condition.Status).To(Equal(status), "%s: %s: %s", name, kind, condition.Message)
		for _, text := range says {
			g.Expect(condition.Message).To(ContainSubstring(text))
		}
		last = *condition
	}).WithContext(ctx).Should(Succeed())
	return last
}

// settled waits until a tenant is ready and compliant.
func settled(ctx context.Context, name types.NamespacedName) {
	GinkgoHelper()
	eventually(ctx, name, v1alpha1.ConditionReady, metav1.ConditionTrue)
	eventually(ctx, name, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
}

func regionOf(ctx context.Context, name string) *v1alpha1.DataRegion {
	GinkgoHelper()
	region := &v1alpha1.DataRegion{}
	Expect(kube.Get(ctx, client.ObjectKey{Name: name}, region)).To(Succeed())
	return region
}

// podsOf lists the pods of a tenant, jobs included, wherever they are.
func podsOf(ctx context.Context, tenant *v1alpha1.BookingTenant) []corev1.Pod {
	GinkgoHelper()
	pods := &corev1.PodList{}
	Expect(kube.List(ctx, pods, client.MatchingLabels{resources.LabelDataID: tenant.Status.DataID})).To(Succeed())
	return pods.Items
}

// nodeAdministrator acts as one of those whom the regions of config/samples let change what makes a node trusted.
func nodeAdministrator() client.Client {
	GinkgoHelper()
	config := rest.CopyConfig(kubeConfig)
	config.Impersonate = rest.ImpersonationConfig{UserName: "node-administrator", Groups: []string{"platform:node-administrators", "system:masters"}}
	c, err := client.New(config, client.Options{Scheme: kube.Scheme()})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// labelNode sets a label of a node, or removes it when the value is empty, as somebody who may.
func labelNode(ctx context.Context, name, key, value string) {
	GinkgoHelper()
	node := &corev1.Node{}
	Expect(kube.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
	before := node.DeepCopy()
	if value == "" {
		delete(node.Labels, key)
	} else {
		node.Labels[key] = value
	}
	Expect(nodeAdministrator().Patch(ctx, node, client.MergeFrom(before))).To(Succeed())
}

// suspend holds a CronJob of a tenant back, or lets it go on.
func suspend(ctx context.Context, tenant *v1alpha1.BookingTenant, component string, held bool) {
	GinkgoHelper()
	cron := cronJob(ctx, tenant, component)
	before := cron.DeepCopy()
	cron.Spec.Suspend = &held
	Expect(kube.Patch(ctx, cron, client.MergeFrom(before))).To(Succeed())
}

// hold suspends a job of a tenant and waits until none runs: one that had just begun may not be in the CronJob's status.
func hold(ctx context.Context, tenant *v1alpha1.BookingTenant, component string) {
	GinkgoHelper()
	suspend(ctx, tenant, component, true)
	cron := cronJob(ctx, tenant, component)
	Eventually(func(g Gomega) {
		jobs := &batchv1.JobList{}
		g.Expect(kube.List(ctx, jobs, client.InNamespace(cron.Namespace))).To(Succeed())
		for i := range jobs.Items {
			job := &jobs.Items[i]
			ended := slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
				return (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue
			})
			g.Expect(ended || !metav1.IsControlledBy(job, cron)).To(BeTrue(), job.Name)
		}
	}).WithContext(ctx).WithPolling(time.Second).MustPassRepeatedly(5).Should(Succeed())
}
