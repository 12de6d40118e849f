// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"fmt"
	"net/url"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/resources"
)

var verdicts = []string{
	v1alpha1.ConditionResidencyEnforced, v1alpha1.ConditionRetentionEnforced, v1alpha1.ConditionBackupsCurrent, v1alpha1.ConditionCompliant,
}

// Acceptance 7: nothing that deletes needs the operator, and nothing claims without it.
var _ = Describe("With the operator stopped", func() {
	It("purge and backup go on, every verdict becomes Unknown, and once it is back nothing was changed but the verdicts", func(ctx SpecContext) {
		tenant := tenantOf(ctx, fastLane)
		for _, t := range samples(ctx) {
			settled(ctx, client.ObjectKeyFromObject(&t))
		}
		conn := home(ctx, tenant)
		before, start := fingerprints(ctx), time.Now()
		DeferCleanup(func(ctx SpecContext) {
			scaleOperator(ctx, 1)
			for _, t := range samples(ctx) {
				settled(ctx, client.ObjectKeyFromObject(&t))
			}
		})
		scaleOperator(ctx, 0)
		for _, t := range samples(ctx) {
			for _, verdict := range verdicts {
				eventually(ctx, client.ObjectKeyFromObject(&t), verdict, metav1.ConditionUnknown, "is the operator running?")
			}
			eventually(ctx, client.ObjectKeyFromObject(&t), v1alpha1.ConditionReady, metav1.ConditionTrue)
		}
		noticed(fmt.Sprintf("from the operator's end to Unknown everywhere (evidence stands %s)", maxEvidenceAge), start)
		stopped := time.Now()
		Eventually(func() time.Time {
			return value[time.Time](ctx, conn, `SELECT coalesce(max(finished_at), 'epoch'::timestamptz) FROM purge_run WHERE isfinite(finished_at)`)
		}).WithContext(ctx).Should(BeTemporally(">", stopped), "no purge without the operator")
		backupSince(ctx, tenant, stopped)
		Expect(fingerprints(ctx)).To(Equal(before))

		scaleOperator(ctx, 1)
		start = time.Now()
		for _, t := range samples(ctx) {
			settled(ctx, client.ObjectKeyFromObject(&t))
		}
		noticed("from the operator's start to Compliant=True everywhere", start)
		Expect(fingerprints(ctx)).To(Equal(before))
	})
})

var _ = Describe("Deleting a tenant's namespace", func() {
	It("stops neither its purge nor its expiry, and the region shows what is retained", func(ctx SpecContext) {
		e := newExtra(ctx, "ende")
		e.create(ctx)
		e.trust(ctx, "ch-2")
		settled(ctx, e.tenant)
		tenant, who := tenantOf(ctx, e.tenant), somebody()
		dataID, conn := tenant.Status.DataID, home(ctx, tenant)
		citizen := open(ctx, tenant)
		citizen.follow(ctx, citizen.book(ctx, flash, who)+"/cancel", url.Values{})
		// A purge that comes to nothing proves nothing: the booking lies in a backup too.
		backupSince(ctx, tenant, time.Now())
		Expect(contacts(ctx, conn, who.family)).To(Equal(int64(1)))

		Expect(kube.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.namespace}})).To(Succeed())
		start := time.Now()
		Eventually(func(g Gomega) {
			region := &v1alpha1.DataRegion{}
			g.Expect(kube.Get(ctx, client.ObjectKey{Name: e.name}, region)).To(Succeed())
			var retained *v1alpha1.RetainedData
			for i := range region.Status.Retained {
				if region.Status.Retained[i].DataID == dataID {
					retained = &region.Status.Retained[i]
				}
			}
			g.Expect(retained).NotTo(BeNil(), "the region does not show it")
			g.Expect(retained.Overdue).NotTo(BeNil())
			g.Expect(retained.Until).NotTo(BeNil())
			g.Expect(kube.Get(ctx, client.ObjectKey{Name: e.namespace}, &corev1.Namespace{})).To(MatchError(ContainSubstring("not found")))
		}).WithContext(ctx).Should(Succeed())
		noticed("from deleting the namespace to its end, with its data shown as retained", start)
		Eventually(func() int64 { return contacts(ctx, conn, who.family) }).WithContext(ctx).WithTimeout(6 * time.Minute).Should(BeZero())
		for _, store := range tenant.Status.Backup.Stores {
			Eventually(func() []string { return versionsUnder(ctx, store.Name, dataID+"/") }).WithContext(ctx).WithTimeout(6*time.Minute).Should(BeEmpty(), store.Name)
		}
		noticed("from deleting the namespace to the last version of the last backup gone (period 3 minutes)", start)
		logins := value[int64](ctx, conn, `SELECT count(*) FROM pg_roles WHERE rolname LIKE $1 || '\_app\_%' AND rolcanlogin`, dataID)
		Expect(logins).To(BeZero(), "the application can still log in")
	})
})

func scaleOperator(ctx context.Context, replicas int32) {
	GinkgoHelper()
	deployment := &appsv1.Deployment{}
	name := client.ObjectKey{Namespace: operatorNamespace, Name: "termintreu-operator"}
	Expect(kube.Get(ctx, name, deployment)).To(Succeed())
	before := deployment.DeepCopy()
	deployment.Spec.Replicas = &replicas
	Expect(kube.Patch(ctx, deployment, client.MergeFrom(before))).To(Succeed())
	Eventually(func(g Gomega) {
		pods := &corev1.PodList{}
		g.Expect(kube.List(ctx, pods, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/component": "operator"})).To(Succeed())
		g.Expect(pods.Items).To(HaveLen(int(replicas)))
	}).WithContext(ctx).Should(Succeed())
}

// fingerprints of everything the operator manages: UID and what tells that its spec was written.
func fingerprints(ctx context.Context) map[string]string {
	GinkgoHelper()
	prints := map[string]string{}
	for kind, list := range map[string]client.ObjectList{
		"Deployment": &appsv1.DeploymentList{}, "CronJob": &batchv1.CronJobList{}, "Secret": &corev1.SecretList{}, "ConfigMap": &corev1.ConfigMapList{},
		"Service": &corev1.ServiceList{}, "ServiceAccount": &corev1.ServiceAccountList{}, "Ingress": &networkingv1.IngressList{},
		"NetworkPolicy": &networkingv1.NetworkPolicyList{}, "PodDisruptionBudget": &policyv1.PodDisruptionBudgetList{},
	} {
		Expect(kube.List(ctx, list, client.MatchingLabels{resources.LabelManagedBy: resources.Manager})).To(Succeed())
		Expect(meta.EachListItem(list, func(item runtime.Object) error {
			o, err := meta.Accessor(item)
			if err != nil {
				return err
			}
			written := fmt.Sprint("generation ", o.GetGeneration())
			if o.GetGeneration() == 0 {
				written = "version " + o.GetResourceVersion()
			}
			prints[kind+" "+o.GetNamespace()+"/"+o.GetName()] = string(o.GetUID()) + " " + written
			return nil
		})).To(Succeed())
	}
	Expect(len(prints)).To(BeNumerically(">", 30))
	return prints
}
