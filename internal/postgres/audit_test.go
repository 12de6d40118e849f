// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"context"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
)

func audited(t *testing.T, admin *postgres.Admin) map[string]postgres.TenantAudit {
	t.Helper()
	audit, err := admin.Audit(t.Context())
	must(t, err)
	if audit.MeasuredAt.IsZero() {
		t.Error("no time of measurement")
	}
	tenants := map[string]postgres.TenantAudit{}
	for _, tenant := range audit.Tenants {
		tenants[tenant.DataID] = tenant
	}
	return tenants
}

func categoryOf(t *testing.T, tenant postgres.TenantAudit, name v1alpha1.Category) postgres.CategoryAudit {
	t.Helper()
	for _, category := range tenant.Categories {
		if category.Category == name {
			return category
		}
	}
	t.Fatalf("%s was not measured: %+v", name, tenant)
	return postgres.CategoryAudit{}
}

func TestTheAuditCountsWhatIsOverdueAndSeesItGone(t *testing.T) {
	server, database, admin := prepared(t)
	tenant, empty := newTenant(), newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	must(t, admin.Ensure(t.Context(), empty))
	roles := postgres.RolesOf(tenant.DataID)
	app := as(t, server, database, tenant.DataID, roles.AppA, tenant.AppA)
	book(t, app, "overdue", 31*day)
	book(t, app, "due within tolerance", 30*day+5*minute)
	book(t, app, "not due", day)
	before := audited(t, admin)[tenant.DataID]
	contacts := categoryOf(t, before, v1alpha1.CategoryContact)
	if contacts.Rows != 3 || contacts.Due != 2 || contacts.Overdue != 1 || contacts.Oldest == nil || contacts.Period != 30*day || contacts.Action != v1alpha1.ActionDelete {
		t.Errorf("contacts %+v", contacts)
	}
	if before.LastPurge != nil {
		t.Errorf("a purge at %v that never ran", before.LastPurge)
	}
	retention := as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)
	for _, category := range before.Categories {
		exec(t, retention, `SELECT purge($1, 100, gen_random_uuid())`, string(category.Category))
	}
	after := audited(t, admin)
	contacts = categoryOf(t, after[tenant.DataID], v1alpha1.CategoryContact)
	if contacts.Rows != 1 || contacts.Overdue != 0 || contacts.Removed != 2 || after[tenant.DataID].LastPurge == nil {
		t.Errorf("after the purge: %+v", after[tenant.DataID])
	}
	if other := categoryOf(t, after[empty.DataID], v1alpha1.CategoryContact); other.Rows != 0 || other.Oldest != nil || after[empty.DataID].Name != "termine" {
		t.Errorf("the empty tenant: %+v", after[empty.DataID])
	}
}

func TestASchemaThatCannotBeReadIsUnknownAndHidesNoOther(t *testing.T) {
	server, database, admin := prepared(t)
	whole, dropped, altered, unmade := newTenant(), newTenant(), newTenant(), newTenant()
	for _, tenant := range []postgres.Tenant{whole, dropped, altered} {
		must(t, admin.Ensure(t.Context(), tenant))
	}
	super := server.Superuser(t, database)
	exec1(t, super, "DROP SCHEMA "+dropped.DataID+" CASCADE; ALTER TABLE "+altered.DataID+".contact RENAME TO hidden")
	exec(t, super, `INSERT INTO termintreu.tenant (data_id, namespace, name, uid) VALUES ($1, '', '', '')`, unmade.DataID)
	tenants := audited(t, admin)
	if len(tenants) != 4 {
		t.Errorf("%d tenants, want 4", len(tenants))
	}
	for _, broken := range []postgres.Tenant{dropped, altered, unmade} {
		if found := tenants[broken.DataID]; found.Err == nil || len(found.Categories) != 0 {
			t.Errorf("a broken schema gave %+v", found)
		}
	}
	if tenants[whole.DataID].Err != nil {
		t.Error(tenants[whole.DataID].Err)
	}
}

// The audit commits after each chunk of 50, and must go on behind it.
func TestAnAuditOfSeveralChunksMissesNoTenant(t *testing.T) {
	_, _, admin := prepared(t)
	for range 60 {
		must(t, admin.Ensure(t.Context(), newTenant()))
	}
	tenants := audited(t, admin)
	if len(tenants) != 60 {
		t.Errorf("%d tenants, want 60", len(tenants))
	}
	for id, tenant := range tenants {
		if tenant.Err != nil {
			t.Errorf("%s: %v", id, tenant.Err)
		}
	}
}

func BenchmarkEnsure(b *testing.B) {
	_, _, admin := prepared(b)
	for b.Loop() {
		must(b, admin.Ensure(context.Background(), newTenant()))
	}
}

func BenchmarkAuditOfAHundredTenants(b *testing.B) {
	_, _, admin := prepared(b)
	for range 100 {
		must(b, admin.Ensure(context.Background(), newTenant()))
	}
	for b.Loop() {
		_, err := admin.Audit(context.Background())
		must(b, err)
	}
}

// Art. 17 GDPR: what waits for a store longer than stated is counted, and nothing more than counted.
func TestTheAuditCountsErasuresThatWaitTooLong(t *testing.T) {
	server, database, admin := prepared(t)
	tenant, unstated := newTenant(), newTenant()
	tenant.EraseWithin = 13 * 60 * minute
	must(t, admin.Ensure(t.Context(), tenant))
	must(t, admin.Ensure(t.Context(), unstated))
	roles := postgres.RolesOf(tenant.DataID)
	super := server.Superuser(t, database)
	exec(t, super, `INSERT INTO `+tenant.DataID+`.erasure_pending (subject, requested_at)
		SELECT gen_random_uuid(), now() - n * interval '5 hours' FROM generate_series(1, 4) AS n`)
	found := audited(t, admin)
	if waiting := found[tenant.DataID].Erasures; waiting == nil || waiting.Waiting != 4 || waiting.Overdue != 2 || waiting.Oldest == nil {
		t.Errorf("waiting %+v", waiting)
	}
	if found[unstated.DataID].Erasures != nil {
		t.Error("what nobody stated was counted")
	}
	tenant.EraseWithin = 30 * 60 * minute
	must(t, admin.Ensure(t.Context(), tenant))
	if waiting := audited(t, admin)[tenant.DataID].Erasures; waiting == nil || waiting.Overdue != 0 {
		t.Errorf("after another statement: waiting %+v", waiting)
	}
	backup := as(t, server, database, tenant.DataID, roles.Backup, tenant.Backup)
	exec(t, backup, `SELECT confirm_erasures(ARRAY(SELECT subject FROM erasure_pending), ARRAY(SELECT sha256(convert_to(subject::text, 'UTF8')) FROM erasure_pending), 'key')`)
	if waiting := audited(t, admin)[tenant.DataID].Erasures; waiting == nil || waiting.Waiting != 0 || waiting.Oldest != nil {
		t.Errorf("after a store had them: waiting %+v", waiting)
	}
	if value[bool](t, super, `SELECT has_column_privilege($1, $2::text || '.erasure_pending', 'subject', 'SELECT')`, server.AdminUser, tenant.DataID) {
		t.Error("the operator can read whom it is about")
	}
}
