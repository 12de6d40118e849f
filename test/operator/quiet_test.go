// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/operator"
)

// Acceptance 7 and invariant 9: in steady state one verdict renewal a tenant per half maxEvidenceAge, and nothing else.
var _ = Describe("In steady state", func() {
	const age = 8 * time.Second
	calm := func(o *operator.Options) { o.MeasureInterval, o.MaxEvidenceAge = time.Second, age }

	It("a restarted operator and touched tenants cause nothing but verdict renewals", func(ctx SpecContext) {
		w := newWorld(ctx)
		first := startOperator(calm)
		var tenants []*v1alpha1.BookingTenant
		for i := range 3 {
			tenants = append(tenants, w.create(ctx, fmt.Sprintf("site-%d", i)))
			w.settle(ctx, tenants[i])
		}
		first.kill()

		record := &requests{}
		started := time.Now()
		startOperatorOn(record.wrap(as("termintreu-operator")), calm)
		checked := func(t *v1alpha1.BookingTenant) time.Time { return get(ctx, t).Status.Compliance.CheckedAt.Time }
		By("every tenant being touched, over two renewals")
		for round := range 2 {
			for _, t := range tenants {
				before := checked(t)
				update(ctx, t, func(t *v1alpha1.BookingTenant) {
					t.Annotations = map[string]string{"example.org/touched": fmt.Sprint(round)}
				})
				Eventually(func() time.Time { return checked(t) }).Should(BeTemporally(">", before))
			}
		}
		spent := time.Since(started)
		for _, t := range tenants {
			eventually(ctx, t, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		}

		writes := record.matching(request.write)
		renewals := record.matching(func(q request) bool { return q.write() && q.status() })
		Expect(writes).To(HaveLen(len(renewals)), "something else than status was written:\n%s", table(writes))
		budget := len(tenants) * (1 + int(spent/(age/2)))
		AddReportEntry("writes in steady state", fmt.Sprintf("%d writes of %d tenants in %s, budget %d", len(writes), len(tenants), spent.Round(time.Second), budget), ReportEntryVisibilityAlways)
		Expect(len(writes)).To(BeNumerically("<=", budget), table(writes))
	})
})
