// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Acceptance 4: nobody restarts anything, and nothing but a measurement turns the verdict.
var _ = Describe("Retention", func() {
	It("turns False naming category and count while records are overdue, and True after the purge", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		By("an appointment, and its contact, outliving period and tolerance")
		schema := dataIDOf(tenant)
		execute(ctx, w, `WITH a AS (
			INSERT INTO `+schema+`.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
			VALUES ('hall', 1, 'passport', 'OnSite', now() - interval '40 days', now() - interval '40 days' + interval '15 min', 'confirmed', 'de', '\x01')
			RETURNING id)
			INSERT INTO `+schema+`.contact (appointment_id, given_name, family_name, notice_date) SELECT id, 'Vreni', 'Geheimnis', current_date FROM a`)
		claim := eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionFalse, saying("Contact: 1 overdue", "Appointment: 1 overdue"))
		Expect(claim.Reason).To(Equal(v1alpha1.ReasonOverdue))
		summary := eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionFalse, saying("Contact: 1 overdue"))
		Expect(summary.Message).NotTo(ContainSubstring("Geheimnis"))
		Expect(get(ctx, tenant).Status.Retention.Overdue).To(HaveValue(BeEquivalentTo(2)))
		eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)

		By("the purge running")
		w.purge(ctx, tenant)
		eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
		eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		Expect(get(ctx, tenant).Status.Retention.Overdue).To(HaveValue(BeZero()))
		Expect(value[int64](ctx, w, "SELECT count(*) FROM "+schema+".contact")).To(BeZero())
	})

	It("answers an auditor in one status: which revision since when, what is oldest, when checked and by what", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)
		w.purge(ctx, tenant)
		Eventually(func(g Gomega) {
			status := get(ctx, tenant).Status.Retention
			g.Expect(status.Policy).NotTo(BeNil())
			g.Expect(status.Policy.Name).To(Equal(w.policy.Name))
			g.Expect(status.Policy.Generation).To(Equal(w.policy.Generation))
			g.Expect(status.Policy.Since).NotTo(BeNil())
			g.Expect(status.MeasuredAt).NotTo(BeNil())
			g.Expect(status.MeasuredBy).To(ContainSubstring("in database"))
			g.Expect(status.Categories).NotTo(BeEmpty())
			for _, category := range status.Categories {
				g.Expect(category.Overdue).To(HaveValue(BeZero()))
				g.Expect(category.Held).To(HaveValue(BeZero()))
			}
		}).WithContext(ctx).Should(Succeed())
	})

	It("brings a changed period to the database and measures it there", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		By("the policy shortening a period")
		before := w.policy.DeepCopy()
		for i := range w.policy.Spec.Rules {
			if w.policy.Spec.Rules[i].Category == v1alpha1.CategoryContact {
				w.policy.Spec.Rules[i].Period = "7d"
			}
		}
		Expect(admin.Patch(ctx, w.policy, mergeFrom(before))).To(Succeed())
		Eventually(func(g Gomega) {
			for _, category := range get(ctx, tenant).Status.Retention.Categories {
				if category.Category == v1alpha1.CategoryContact {
					g.Expect(category.Period).To(BeEquivalentTo("7d"))
				}
			}
		}).Should(Succeed())
		eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
	})
})
