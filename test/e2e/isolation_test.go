// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Acceptance 6: what somebody holding a tenant's own credentials can do on the server it shares.
var _ = Describe("The database roles of the Basel tenant", func() {
	It("cannot read a row of another tenant, and see opaque names only", func(ctx SpecContext) {
		tenant := tenantOf(ctx, basel)
		neighbour := newExtra(ctx, "nachbar")
		onServerOf(&neighbour.region, tenant)
		neighbour.create(ctx)
		eventually(ctx, neighbour.tenant, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
		other, who := tenantOf(ctx, neighbour.tenant), somebody()
		Expect(other.Status.Database.Server).To(Equal(tenant.Status.Database.Server))
		Expect(other.Status.Database.Name).To(Equal(tenant.Status.Database.Name))
		appointmentOf(ctx, home(ctx, other), who.family, time.Second)

		app := as(ctx, tenant, basel.Namespace, basel.Name+"-booking")
		Expect(value[int64](ctx, app, `SELECT count(*) FROM appointment`)).To(BeNumerically(">=", 0), "its own it can read")
		schema := pgx.Identifier{other.Status.Database.Schema}.Sanitize()
		for _, statement := range []string{
			`SELECT * FROM ` + schema + `.contact`, `SELECT count(*) FROM ` + schema + `.appointment`, `SELECT * FROM ` + schema + `.retention_audit()`,
			`INSERT INTO ` + schema + `.access_log (method, route, status) VALUES ('GET', '/', 200)`,
			`SELECT * FROM termintreu.tenant`, `SET ROLE ` + pgx.Identifier{other.Status.Database.Schema + "_app_a"}.Sanitize(),
			`SET ROLE ` + pgx.Identifier{other.Status.Database.Schema + "_owner"}.Sanitize(),
		} {
			refused(ctx, app, statement)
		}
		seen := strings.ToLower(strings.Join(column(ctx, app, `
			SELECT rolname::text FROM pg_roles UNION ALL SELECT nspname FROM pg_namespace UNION ALL SELECT relname FROM pg_class
			UNION ALL SELECT datname FROM pg_database UNION ALL SELECT concat(description) FROM pg_description UNION ALL SELECT concat(description) FROM pg_shdescription
			UNION ALL SELECT concat(setconfig::text) FROM pg_db_role_setting UNION ALL SELECT concat(application_name, ' ', query) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
			UNION ALL SELECT concat(most_common_vals::text, histogram_bounds::text) FROM pg_stats WHERE schemaname <> 'pg_catalog'`), " "))
		Expect(seen).To(ContainSubstring(other.Status.Database.Schema), "the catalogue was not read")
		for _, name := range []string{"einwohneramt", "basel", "nachbar", "schnellspur", "fastlane", "quittenbaum"} {
			Expect(strings.Contains(seen, name)).To(BeFalse(), "a shared catalogue shows %s", name)
		}
	})

	It("let the purge see no name and delete nothing that is not overdue", func(ctx SpecContext) {
		tenant, who := tenantOf(ctx, basel), somebody()
		mine := home(ctx, tenant)
		DeferCleanup(func(ctx SpecContext) { forget(ctx, tenant, who) })
		appointmentOf(ctx, mine, who.family, time.Minute)
		platform := regionOf(ctx, tenant.Spec.RegionRef.Name).Spec.PlatformNamespace
		purge := as(ctx, tenant, platform, tenant.Status.DataID+"-retention")
		for _, statement := range []string{
			`SELECT * FROM contact`, `SELECT family_name FROM contact`, `SELECT count(*) FROM contact`, `DELETE FROM contact`, `DELETE FROM appointment`,
			`UPDATE retention_rule SET period = '1 second'`, `UPDATE appointment SET cancelled_at = now() - interval '1 year'`,
		} {
			refused(ctx, purge, statement)
		}
		for _, category := range []v1alpha1.Category{v1alpha1.CategoryContact, v1alpha1.CategoryAppointment} {
			run(ctx, purge, `SELECT purge($1, 100, gen_random_uuid())`, string(category))
		}
		Expect(contacts(ctx, mine, who.family)).To(Equal(int64(1)), "a contact went before its time")
	})
})

// onServerOf restricts a region to the database of a tenant.
func onServerOf(region *v1alpha1.DataRegion, tenant *v1alpha1.BookingTenant) {
	place := tenant.Status.Database
	region.Spec.DatabaseServers = slices.DeleteFunc(region.Spec.DatabaseServers, func(s v1alpha1.DatabaseServer) bool { return s.Name != place.Server })
	region.Spec.DatabaseServers[0].Databases = []string{place.Name}
}

// refused expects a statement to fail for want of a right, and for nothing else.
func refused(ctx context.Context, conn *pgx.Conn, statement string) {
	GinkgoHelper()
	_, err := conn.Exec(ctx, statement)
	var denied *pgconn.PgError
	Expect(errors.As(err, &denied)).To(BeTrue(), "%s: %v", statement, err)
	Expect(denied.Code).To(Equal("42501"), "%s: %s", statement, denied.Message)
}
