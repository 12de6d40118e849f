// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"net/url"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

var flash = offer{"de", "blitz", "schalter"}

// early are bookings made before the first spec, so that periods and schedules run while others work: one was
// cancelled, one is kept until a backup holds it.
var early struct {
	who       person
	id        string
	cancelled time.Time

	kept   person
	booked time.Time
}

func bookEarly(ctx context.Context) {
	tenant := tenantOf(ctx, fastLane)
	citizen := open(ctx, tenant)
	early.who = somebody()
	link := citizen.book(ctx, flash, early.who)
	early.id = value[string](ctx, home(ctx, tenant), `SELECT appointment_id::text FROM contact WHERE family_name = $1`, early.who.family)
	citizen.follow(ctx, link+"/cancel", url.Values{})
	early.cancelled = time.Now()
	early.kept = somebody()
	kept := citizen.book(ctx, flash, early.kept)
	early.booked = time.Now()
	DeferCleanup(func(ctx SpecContext) { citizen.follow(ctx, kept+"/cancel", url.Values{}) })
}

// Acceptance 4: what is past its period goes, and what does not go is told.
var _ = Describe("A cancelled booking on the fast lane", func() {
	It("is gone by the first scheduled purge after its period, without anybody doing anything", func(ctx SpecContext) {
		conn := home(ctx, tenantOf(ctx, fastLane))
		Eventually(func() int64 { return contacts(ctx, conn, early.who.family) }).WithContext(ctx).WithTimeout(6 * time.Minute).Should(BeZero())
		noticed("from cancelling to no name left (period 2 minutes, purge each minute)", early.cancelled)
		Eventually(func() int64 {
			return value[int64](ctx, conn, `SELECT count(*) FROM appointment WHERE id = $1::uuid`, early.id)
		}).WithContext(ctx).WithTimeout(6 * time.Minute).Should(BeZero())
		noticed("from cancelling to no appointment left (period 3 minutes, purge each minute)", early.cancelled)
		Expect(tablesHolding(ctx, early.who.family)).To(BeEmpty())
	})
})

var _ = Describe("A purge that is held", func() {
	It("turns RetentionEnforced and Compliant False naming category and number, and going on turns them True, with nothing restarted", func(ctx SpecContext) {
		tenant, who := tenantOf(ctx, fastLane), somebody()
		before := operatorPods(ctx)
		DeferCleanup(func(ctx SpecContext) {
			suspend(ctx, tenant, "retention", false)
			settled(ctx, fastLane)
		})
		hold(ctx, tenant, "retention")
		conn := home(ctx, tenant)
		appointmentOf(ctx, conn, who.family, time.Hour)
		start := time.Now()
		failed := eventually(ctx, fastLane, v1alpha1.ConditionRetentionEnforced, metav1.ConditionFalse, "Contact: 1 overdue", "Appointment: 1 overdue")
		noticed("from an overdue row to RetentionEnforced=False", start)
		Expect(failed.Reason).To(Equal(v1alpha1.ReasonOverdue))
		Expect(failed.Message).NotTo(ContainSubstring(who.family))
		eventually(ctx, fastLane, v1alpha1.ConditionCompliant, metav1.ConditionFalse, "Contact: 1 overdue")
		Expect(*tenantOf(ctx, fastLane).Status.Retention.Overdue).To(Equal(int64(2)))
		eventually(ctx, fastLane, v1alpha1.ConditionReady, metav1.ConditionTrue)

		suspend(ctx, tenant, "retention", false)
		start = time.Now()
		Eventually(func() int64 { return contacts(ctx, conn, who.family) }).WithContext(ctx).Should(BeZero())
		eventually(ctx, fastLane, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
		eventually(ctx, fastLane, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		noticed("from the purge going on to Compliant=True", start)
		Expect(operatorPods(ctx)).To(Equal(before), "the operator was restarted")
	})
})

// operatorPods gives the operator's and the sentinel's pods with their restarts.
func operatorPods(ctx context.Context) map[string]int32 {
	GinkgoHelper()
	pods := &corev1.PodList{}
	Expect(kube.List(ctx, pods, client.InNamespace(operatorNamespace))).To(Succeed())
	restarts := map[string]int32{}
	for _, pod := range pods.Items {
		for _, container := range pod.Status.ContainerStatuses {
			restarts[string(pod.UID)] += container.RestartCount
		}
	}
	return restarts
}
