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
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

var _ = Describe("A new tenant", func() {
	It("becomes Ready and Compliant on measured evidence", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		w.settle(ctx, tenant)

		status := get(ctx, tenant).Status
		Expect(status.DataID).To(Equal(dataIDOf(tenant)))
		Expect(status.URL).To(Equal("https://site." + w.name + ".example.org"))
		Expect(status.Database).To(Equal(&v1alpha1.DatabasePlacement{Server: "pg-1", Name: w.database(), Schema: dataIDOf(tenant)}))
		Expect(status.Compliance.ValidUntil.Time).To(BeTemporally(">", status.Compliance.CheckedAt.Time))
		Expect(status.Retention.Overdue).To(HaveValue(BeZero()))
		enforced := map[v1alpha1.Category]time.Duration{}
		for _, c := range status.Retention.Categories {
			Expect(c.Overdue).To(HaveValue(BeZero()), "%s", c.Category)
			enforced[c.Category], _ = c.Period.Duration()
		}
		for _, rule := range w.policy.Spec.Rules {
			if rule.Category != v1alpha1.CategoryTenantData {
				period, err := rule.Period.Duration()
				Expect(err).NotTo(HaveOccurred())
				Expect(enforced).To(HaveKeyWithValue(rule.Category, period))
			}
		}
		Expect(status.Backup.Last).NotTo(BeNil())
		Expect(status.Backup.Stores).To(HaveLen(3))
		Expect(status.Residency.Nodes).To(Equal([]v1alpha1.NodeEvidence{{Name: w.name + "-trusted", Value: w.name, Trusted: metav1.ConditionTrue, Pods: 2}}))
		for _, kind := range []string{v1alpha1.ConditionDatabaseReady, v1alpha1.ConditionInstanceAvailable} {
			eventually(ctx, tenant, kind, metav1.ConditionTrue)
		}
		region := &v1alpha1.DataRegion{}
		Eventually(func(g Gomega) {
			g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(w.region), region)).To(Succeed())
			g.Expect(region.Status.Tenants).To(HaveValue(BeEquivalentTo(1)))
			g.Expect(region.Status.TrustedNodes).To(HaveValue(BeEquivalentTo(1)))
		}).Should(Succeed())
	})

	It("consists of the objects of its plan and of no others", func(ctx SpecContext) {
		w := newWorld(ctx)
		startOperator()
		tenant := w.create(ctx, "site")
		eventually(ctx, tenant, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
		Expect(objectsOf(ctx, tenant)).To(Equal(wholeTenant))
	})

	It("costs the API server at most one and a half requests an object", func(ctx SpecContext) {
		w := newWorld(ctx)
		record := &requests{}
		startOperatorOn(record.wrap(as("termintreu-operator")))
		// The first tenant waits for the region; the next show what one more costs. A busy machine spreads a tenant's
		// progress over more status patches than an idle one, hence the median of three.
		eventually(ctx, w.create(ctx, "first"), v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
		w.settle(ctx, w.create(ctx, "second"))
		counts, tables := []int{}, map[int]string{}
		objects := 0
		for _, name := range []string{"third", "fourth", "fifth"} {
			record.forget()
			tenant := w.create(ctx, name)
			w.serve(ctx, tenant, w.name+"-trusted")
			eventually(ctx, tenant, v1alpha1.ConditionReady, metav1.ConditionTrue)
			eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
			objects = len(objectsOf(ctx, tenant)) + 1
			// Status of region and policy is written once for all tenants that come together, and the wall is tried once
			// a region, so it is nobody's own; neither is what each measurement looks at: logins of servers and stores, certificates
			// of the sites, pods of the ingress. Renewals of the tenants before are theirs.
			own := record.matching(func(q request) bool {
				return q.Method != trial && !strings.Contains(q.Path, "/"+system+"/secrets/") && !strings.HasSuffix(q.Path, "/secrets/site-tls") && !strings.Contains(q.Path, "/namespaces/ingress/pods") && !strings.Contains(q.Path, "/dataregions/") && !strings.Contains(q.Path, "/retentionpolicies/") &&
					(!strings.Contains(q.Path, "/bookingtenants/") || strings.Contains(q.Path, "/bookingtenants/"+name))
			})
			counts = append(counts, len(own))
			tables[len(own)] = table(own)
		}
		slices.Sort(counts)
		median := counts[1]
		AddReportEntry("requests per new tenant", fmt.Sprintf("%d requests for %d objects, ratio %.2f, budget 1.5",
			median, objects, float64(median)/float64(objects)), ReportEntryVisibilityAlways)
		Expect(median).To(BeNumerically("<=", objects*3/2), tables[median])
	})
})
