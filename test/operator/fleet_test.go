// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/operator"
)

// A small fleet shows what a node costs that loses its trust; test/bench measures a thousand tenants.
var _ = Describe("A node relabelled under a part of the fleet", func() {
	const nodes, tenants = 3, 9

	It("costs requests for the pods on it alone, and is told of their tenants alone", func(ctx SpecContext) {
		w := newWorld(ctx)
		record := &requests{}
		// No verdict is renewed while this test looks.
		startOperatorOn(record.wrap(as("termintreu-operator")), func(o *operator.Options) { o.MaxEvidenceAge = time.Hour })
		for n := range nodes {
			w.node(ctx, fmt.Sprint(n), w.name)
		}
		var affected, others []*v1alpha1.BookingTenant
		for i := range tenants {
			tenant := w.create(ctx, fmt.Sprintf("site-%d", i), func(t *v1alpha1.BookingTenant) { t.Spec.Instance.Replicas = 1 })
			w.serve(ctx, tenant, fmt.Sprintf("%s-%d", w.name, i%nodes))
			w.backUp(ctx, tenant, 2*time.Hour)
			if i%nodes == 0 {
				affected = append(affected, tenant)
			} else {
				others = append(others, tenant)
			}
		}
		for _, tenant := range slices.Concat(affected, others) {
			eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
			eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		}

		record.forget()
		w.relabel(ctx, w.name+"-0", "elsewhere")
		for _, tenant := range affected {
			eventually(ctx, tenant, v1alpha1.ConditionResidencyEnforced, metav1.ConditionFalse, saying(w.name+"-0"))
			expectIncident(ctx, tenant, "Pod "+w.namespace+"/"+tenant.Name+"-booking-0", v1alpha1.IncidentEvicted, false)
		}
		mine := func(q request) bool {
			return slices.ContainsFunc(affected, func(t *v1alpha1.BookingTenant) bool { return strings.Contains(q.Path+"/", "/"+t.Name) })
		}
		evictions := record.matching(func(q request) bool { return strings.HasSuffix(q.Path, "/eviction") })
		Expect(evictions).To(HaveLen(len(affected)), "one pod each is evicted once:\n%s", table(evictions))
		writes := record.matching(func(q request) bool { return q.write() && !q.event() && !strings.Contains(q.Path, "/dataregions/") })
		Expect(writes).To(HaveEach(Satisfy(mine)), "a tenant with no pod on the node was touched")
		// Measurements cost what their interval says, however many pods are affected, and more of them on a slow machine.
		measured := func(q request) bool {
			return q.Method == trial || strings.Contains(q.Path, "/namespaces/"+system+"/secrets/") || strings.HasSuffix(q.Path, "/secrets/"+siteSecret) ||
				strings.HasSuffix(q.Path, "/namespaces/ingress/pods")
		}
		all := record.matching(func(q request) bool { return !measured(q) })
		AddReportEntry("requests per affected pod", fmt.Sprintf("%.1f", float64(len(all))/float64(len(affected))), ReportEntryVisibilityAlways)
		// Its eviction, three statuses (the verdict turns, what was done, the pod goes), and the events of each.
		Expect(len(all)).To(BeNumerically("<=", 8*len(affected)), table(all))
		for _, tenant := range others {
			eventually(ctx, tenant, v1alpha1.ConditionCompliant, metav1.ConditionTrue)
		}
	})
})
