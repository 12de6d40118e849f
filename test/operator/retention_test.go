// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

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

	It("answers an auditor in one kubectl get -o yaml: which revision since when, what is oldest, when checked and by what", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		By("an appointment that ended yesterday, and a contact on hold")
		schema := dataIDOf(tenant)
		execute(ctx, w, `WITH a AS (
			INSERT INTO `+schema+`.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
			VALUES ('hall', 1, 'passport', 'OnSite', now() - interval '25 h', now() - interval '1 day', 'confirmed', 'de', '\x01')
			RETURNING id),
			c AS (INSERT INTO `+schema+`.contact (appointment_id, given_name, family_name, notice_date) SELECT id, 'Vreni', 'Geheimnis', current_date FROM a)
			INSERT INTO `+schema+`.retention_hold (category, record, kind, reference, until) SELECT 'Contact', id::text, 'Restriction', 'case-4711', now() + interval '9 days' FROM a`)
		ended := value[time.Time](ctx, w, "SELECT ends_at FROM "+schema+".appointment")
		w.purge(ctx, tenant)
		Eventually(func(g Gomega) {
			text := asAuditor(ctx, g, tenant)
			g.Expect(text).NotTo(Or(ContainSubstring("Geheimnis"), ContainSubstring("case-4711")))
			found := &v1alpha1.BookingTenant{}
			g.Expect(yaml.Unmarshal([]byte(text), found)).To(Succeed())
			status := found.Status.Retention
			g.Expect(status).NotTo(BeNil())
			g.Expect(status.Policy).NotTo(BeNil())
			g.Expect(status.Policy.Name).To(Equal(w.policy.Name))
			g.Expect(status.Policy.Generation).To(Equal(w.policy.Generation))
			g.Expect(status.Policy.Since.Time).To(BeTemporally("~", time.Now(), time.Hour))
			g.Expect(status.MeasuredAt.Time).To(BeTemporally(">", ended))
			g.Expect(status.MeasuredBy).To(ContainSubstring("in database"))
			g.Expect(status.LastPurge).NotTo(BeNil())
			oldest := map[v1alpha1.Category]time.Time{}
			for _, category := range status.Categories {
				g.Expect(category.Overdue).To(HaveValue(BeZero()), string(category.Category))
				g.Expect(category.Held).To(HaveValue(BeEquivalentTo(map[bool]int{true: 1}[category.Category == v1alpha1.CategoryContact])), string(category.Category))
				if category.Oldest != nil {
					oldest[category.Category] = category.Oldest.Time
				}
			}
			for _, rule := range w.policy.Spec.Rules {
				if rule.Category != v1alpha1.CategoryTenantData {
					g.Expect(status.Categories).To(ContainElement(HaveField("Category", rule.Category)))
				}
			}
			// Status shows whole seconds.
			g.Expect(oldest[v1alpha1.CategoryContact]).To(BeTemporally("~", ended, time.Second))
			g.Expect(oldest[v1alpha1.CategoryAppointment]).To(BeTemporally("~", ended, time.Second))
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

// asAuditor gives what kubectl prints of a tenant.
func asAuditor(ctx context.Context, g Gomega, tenant *v1alpha1.BookingTenant) string {
	file := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	g.Expect(os.WriteFile(file, kubeconfig, 0o600)).To(Succeed())
	command := exec.CommandContext(ctx, filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "--kubeconfig", file,
		"get", "bookingtenant", tenant.Name, "--namespace", tenant.Namespace, "--output", "yaml")
	output, err := command.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	return string(output)
}
