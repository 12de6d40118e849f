// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Acceptance 1: what `make demo` ends with.
var _ = Describe("The demo", func() {
	It("ends with four tenants that are ready, and compliant on evidence that was measured", func(ctx SpecContext) {
		Expect(samples(ctx)).To(HaveLen(4))
		for _, tenant := range samples(ctx) {
			settled(ctx, client.ObjectKeyFromObject(&tenant))
			measured(tenantOf(ctx, client.ObjectKeyFromObject(&tenant)))
		}
		table := &bytes.Buffer{}
		w := tabwriter.NewWriter(table, 0, 4, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "NAMESPACE\tNAME\tREGION\tREADY\tCOMPLIANT\tOVERDUE\tLAST-BACKUP\tURL")
		for _, t := range samples(ctx) {
			status := func(kind string) metav1.ConditionStatus {
				return meta.FindStatusCondition(t.Status.Conditions, kind).Status
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", t.Namespace, t.Name, t.Spec.RegionRef.Name, status(v1alpha1.ConditionReady),
				status(v1alpha1.ConditionCompliant), *t.Status.Retention.Overdue, time.Since(t.Status.Backup.Last.Time).Round(time.Second), t.Status.URL)
		}
		Expect(w.Flush()).To(Succeed())
		_, _ = fmt.Fprintln(os.Stderr, table.String())
	})
})

// measured holds a compliant status to what it must rest on: numbers, each with a time, none of them stale.
func measured(tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	status := tenant.Status
	Expect(status.Compliance.ValidUntil.Time).To(BeTemporally(">", time.Now()))
	Expect(status.Compliance.CheckedAt).NotTo(BeNil())

	Expect(status.Residency.MeasuredAt).NotTo(BeNil())
	Expect(status.Residency.Nodes).NotTo(BeEmpty())
	for _, node := range status.Residency.Nodes {
		Expect(node.Trusted).To(Equal(metav1.ConditionTrue), node.Name)
	}
	Expect(status.Retention.MeasuredAt).NotTo(BeNil())
	Expect(*status.Retention.Overdue).To(BeZero())
	for _, category := range []v1alpha1.Category{v1alpha1.CategoryContact, v1alpha1.CategoryAppointment, v1alpha1.CategoryHold} {
		Expect(slices.ContainsFunc(status.Retention.Categories, func(c v1alpha1.CategoryEvidence) bool {
			return c.Category == category && c.Overdue != nil && c.Period != ""
		})).To(BeTrue(), "%s of %s", category, tenant.Name)
	}
	Expect(status.Backup.Last).NotTo(BeNil())
	Expect(status.Backup.Stores).To(HaveLen(int(tenant.Spec.Backup.Copies)))
	for _, store := range status.Backup.Stores {
		Expect(store.MeasuredAt).NotTo(BeNil(), store.Name)
		Expect(store.Backups).To(BeNumerically(">", 0), store.Name)
	}
}
