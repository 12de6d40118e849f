// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
)

// Acceptance 7 and invariant 9. Each write is the last one of some operator: the API server has done it, the operator
// never learns of it and is gone.
var _ = Describe("An operator killed while it provisions", func() {
	It("is followed by one that brings about the same, whichever write was the last", func(ctx SpecContext) {
		w := newWorld(ctx)
		writes := provisionUntilKilled(ctx, w, "whole", 0)
		Expect(writes).To(BeNumerically(">=", len(wholeTenant)))
		for n := 1; n <= writes; n++ {
			provisionUntilKilled(ctx, w, fmt.Sprintf("write %d of %d", n, writes), n)
		}
		AddReportEntry("killed", fmt.Sprintf("at each of %d writes", writes), ReportEntryVisibilityAlways)
	})

	It("leaves nothing behind when the tenant is deleted before anybody came after it", func(ctx SpecContext) {
		w := newWorld(ctx)
		tenant := w.create(ctx, "site", func(t *v1alpha1.BookingTenant) { t.Spec.DeletionPolicy = v1alpha1.DeletionDelete })
		// The finalizer, then the first object: schema and roles stand, status does not say so.
		runUntilKilled(ctx, w, tenant, 2, func(q request) bool { return q.write() && !strings.HasSuffix(q.Path, "/status") })
		Expect(get(ctx, tenant).Status.Database).To(BeNil())
		Expect(schemasOf(ctx, w, tenant)).To(BeEquivalentTo(1))

		Expect(admin.Delete(ctx, tenant)).To(Succeed())
		startOperator()
		w.expectGone(ctx, tenant)
	})
})

// provisionUntilKilled provisions a tenant with an operator that dies at its n-th write, none for 0, then with one
// that lives; it gives the number of writes the first one made.
func provisionUntilKilled(ctx SpecContext, w *world, what string, n int) int {
	GinkgoHelper()
	By(what)
	tenant := w.create(ctx, "site")
	writes := runUntilKilled(ctx, w, tenant, n, request.write)
	successor := startOperator()
	eventually(ctx, tenant, v1alpha1.ConditionRetentionEnforced, metav1.ConditionTrue)
	Eventually(func() []string { return objectsOf(ctx, tenant) }).Should(Equal(wholeTenant), what)
	w.expectWhole(ctx, tenant)
	successor.kill()

	w.discard(ctx, tenant)
	discardObjects(ctx, tenant)
	return writes
}

// runUntilKilled runs an operator until its n-th write that is counted and concerns the tenant; with 0, until the tenant
// stands.
func runUntilKilled(ctx SpecContext, w *world, tenant *v1alpha1.BookingTenant, n int, counted func(request) bool) int {
	GinkgoHelper()
	killed := make(chan struct{})
	concerns := func(q request) bool {
		return counted(q) && !q.event() && (strings.Contains(q.Path, "/namespaces/"+w.namespace+"/") || strings.Contains(q.Path, dataIDOf(tenant)))
	}
	record := &requests{left: n, counts: concerns, cut: func() { close(killed) }}
	mortal := startOperatorOn(record.wrap(as("termintreu-operator")))
	if n == 0 {
		eventually(ctx, tenant, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
	} else {
		Eventually(killed).Should(BeClosed())
	}
	mortal.kill()
	return len(record.matching(concerns))
}

// expectWhole looks for one schema, one set of roles, and credentials that all open what they should.
func (w *world) expectWhole(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	dataID := dataIDOf(tenant)
	Expect(schemasOf(ctx, w, tenant)).To(BeEquivalentTo(1))
	Expect(rolesOf(ctx, w, tenant)).To(BeEquivalentTo(5))
	Expect(value[int64](ctx, w, "SELECT count(*) FROM termintreu.tenant WHERE data_id = $1", dataID)).To(BeEquivalentTo(1))
	instance := &corev1.Secret{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: tenant.Namespace, Name: "site-booking"}, instance)).To(Succeed())
	purge, _ := w.jobFiles(ctx, tenant, "retention")
	backup, _ := w.jobFiles(ctx, tenant, "backup")
	for _, secret := range []map[string][]byte{instance.Data, purge, backup} {
		Eventually(func() error { return w.login(ctx, dataID, secret) }).Should(Succeed())
	}
	Eventually(func(g Gomega) { w.keeperLists(ctx, g, tenant) }).Should(Succeed())
}

// schemasOf counts the tenant's schemas, of which there may be one.
func schemasOf(ctx context.Context, w *world, tenant *v1alpha1.BookingTenant) int64 {
	GinkgoHelper()
	return value[int64](ctx, w, "SELECT count(*) FROM pg_namespace WHERE nspname = $1", dataIDOf(tenant))
}

// killedTrial leaves what a backup that is killed over its restore test does.
func killedTrial(ctx context.Context, w *world, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	execute(ctx, w, fmt.Sprintf(`DO $$ BEGIN
		EXECUTE format('CREATE SCHEMA %%I AUTHORIZATION %%s', '%s', (SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'termintreu_scratch'));
	END $$`, postgres.ScratchOf(dataIDOf(tenant))))
}

func scratchesOf(ctx context.Context, w *world, tenant *v1alpha1.BookingTenant) int64 {
	GinkgoHelper()
	return value[int64](ctx, w, "SELECT count(*) FROM pg_namespace WHERE nspname = $1", postgres.ScratchOf(dataIDOf(tenant)))
}

func rolesOf(ctx context.Context, w *world, tenant *v1alpha1.BookingTenant) int64 {
	GinkgoHelper()
	return value[int64](ctx, w, "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, $1)", dataIDOf(tenant)+"_")
}
