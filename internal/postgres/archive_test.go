// SPDX-License-Identifier: Apache-2.0

package postgres_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

const tenYears = 3650 * day

// archiving is a tenant whose attachments are archived, and its sessions.
type archiving struct {
	postgres.Tenant
	server         *pgtest.Server
	database       string
	admin          *postgres.Admin
	super, archive *pgx.Conn
	retention      *pgx.Conn
}

func archivingTenant() postgres.Tenant {
	tenant := newTenant()
	tenant.Archive = rand.Text()
	for i := range tenant.Rules {
		if tenant.Rules[i].Category == v1alpha1.CategoryAttachment {
			tenant.Rules[i].Action, tenant.Rules[i].ArchivePeriod = v1alpha1.ActionArchive, tenYears
		}
	}
	return tenant
}

func newArchiving(t *testing.T) *archiving {
	t.Helper()
	server, database, admin := prepared(t)
	tenant := archivingTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	roles := postgres.RolesOf(tenant.DataID)
	a := &archiving{Tenant: tenant, server: server, database: database, admin: admin,
		super:     server.Superuser(t, database),
		archive:   as(t, server, database, tenant.DataID, roles.Archive, tenant.Archive),
		retention: as(t, server, database, tenant.DataID, roles.Retention, tenant.Retention)}
	exec(t, a.super, "SET search_path = "+pgx.Identifier{tenant.DataID}.Sanitize())
	return a
}

// attach stores an attachment of an appointment that ended so long ago.
func (a *archiving) attach(t *testing.T, name string, ended time.Duration) {
	t.Helper()
	exec(t, a.super, `WITH a AS (INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
			VALUES ($1, 1, 'passport', 'OnSite', now() - $2::interval - interval '15 min', now() - $2::interval, 'confirmed', 'de', convert_to($1, 'UTF8')) RETURNING id)
		INSERT INTO attachment (appointment_id, file_name, media_type, content, created_at)
			SELECT id, $1, 'application/pdf', convert_to($1, 'UTF8'), now() - interval '400 days' FROM a`, name, ended)
}

// due is what the archive role sees as due.
type due struct {
	Number int64
	Place  string
	Begun  time.Time
}

func (a *archiving) due(t *testing.T) []due {
	t.Helper()
	rows, err := a.archive.Query(t.Context(), `SELECT number, place::text, begun FROM archive_due('Attachment', 100, '-infinity'::timestamptz, 0)`)
	must(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[due])
	must(t, err)
	return found
}

// begin writes down what would be written to an archive.
func (a *archiving) begin(t *testing.T, d due) (sum []byte) {
	t.Helper()
	digest := sha256.Sum256([]byte(d.Place))
	begun := value[bool](t, a.archive, `SELECT archive_begin('Attachment', $1, $2::text::tid, (SELECT content FROM archive_take('Attachment', $1, $2::text::tid)), 100, $3)`,
		d.Number, d.Place, digest[:])
	if !begun {
		t.Fatal("the hand-over was not begun")
	}
	return digest[:]
}

func (a *archiving) confirm(t *testing.T, d due, sum []byte) bool {
	t.Helper()
	return value[bool](t, a.archive, `SELECT archive_confirm('Attachment', $1, $2::text::tid, $3, '{"statutory": "v1"}')`, d.Number, d.Place, sum)
}

func (a *archiving) purge(t *testing.T, category string) int64 {
	t.Helper()
	return value[int64](t, a.retention, `SELECT purge($1, 100, gen_random_uuid())`, category)
}

// T8: deleted is what has a receipt, and nothing else; and with it goes no more than with any purge.
func TestARecordUnderAnArchiveRuleGoesOnlyWithItsReceipt(t *testing.T) {
	a := newArchiving(t)
	a.attach(t, "due.pdf", 8*day)
	a.attach(t, "not due.pdf", 6*day)
	if n := a.purge(t, "Attachment"); n != 0 {
		t.Fatalf("%d records went without a receipt", n)
	}
	found := a.due(t)
	if len(found) != 1 {
		t.Fatalf("%d records are due, want 1", len(found))
	}
	sum := a.begin(t, found[0])
	if n := a.purge(t, "Attachment"); n != 0 {
		t.Fatalf("%d records went that were only begun", n)
	}
	if a.confirm(t, found[0], []byte(strings.Repeat("x", 32))) {
		t.Error("a receipt was taken for another object than was begun")
	}
	if !a.confirm(t, found[0], sum) || a.confirm(t, found[0], sum) {
		t.Error("the receipt was not taken exactly once")
	}
	if len(a.due(t)) != 0 {
		t.Error("what was handed over is due again")
	}
	if n := a.purge(t, "Attachment"); n != 1 {
		t.Errorf("%d records went, want the one with a receipt", n)
	}
	if left := value[string](t, a.super, `SELECT string_agg(file_name, ',') FROM attachment`); left != "not due.pdf" {
		t.Errorf("left is %q", left)
	}
	if named := value[bool](t, a.super, `SELECT bool_or(record IS NOT NULL OR content IS NOT NULL) FROM archive_receipt`); named {
		t.Error("the receipt still names the record, or a digest of it")
	}
	audit, err := a.admin.Audit(t.Context())
	must(t, err)
	for _, c := range audit.Tenants[0].Categories {
		if c.Category == v1alpha1.CategoryAttachment && (c.Archived == nil || c.Archived.Records != 1 || c.Archived.Period != tenYears || c.Archived.Until == nil) {
			t.Errorf("the audit says %+v", c.Archived)
		}
	}
}

// What was changed after it was handed over, by whoever, is not what the archive has.
func TestARecordThatWasChangedSinceIsHandedOverAgain(t *testing.T) {
	a := newArchiving(t)
	a.attach(t, "one.pdf", 8*day)
	first := a.due(t)[0]
	sum := a.begin(t, first)
	exec(t, a.super, `UPDATE attachment SET content = 'changed'`)
	if a.confirm(t, first, sum) {
		t.Error("the receipt was taken for a record that is another by now")
	}
	second := a.due(t)[0]
	sum = a.begin(t, second)
	if !a.confirm(t, second, sum) {
		t.Fatal("the receipt was not taken")
	}
	exec(t, a.super, `UPDATE attachment SET content = 'changed again'`)
	if n := a.purge(t, "Attachment"); n != 0 || len(a.due(t)) != 1 {
		t.Errorf("%d records went that no archive has as they are", n)
	}
}

// An appointment takes what hangs on it along, so it waits; and what waits is counted as overdue, truthfully.
func TestAnAppointmentWaitsForTheHandOverOfWhatHangsOnIt(t *testing.T) {
	a := newArchiving(t)
	a.attach(t, "one.pdf", 40*day)
	if n := a.purge(t, "Appointment"); n != 0 {
		t.Fatal("the appointment took an attachment along that no archive has")
	}
	overdue := func() int64 {
		return value[int64](t, a.retention, `SELECT sum(overdue)::bigint FROM retention_audit()`)
	}
	if n := overdue(); n != 2 {
		t.Errorf("%d records count as overdue, want the attachment and its appointment", n)
	}
	// A restore has no archive to hand over to, and must not be refused for it.
	if n := value[int64](t, a.super, `SELECT purgeable_overdue()`); n != 0 {
		t.Errorf("%d records would keep a restore from being proven", n)
	}
	d := a.due(t)[0]
	if !a.confirm(t, d, a.begin(t, d)) {
		t.Fatal("the receipt was not taken")
	}
	a.purge(t, "Attachment")
	if n := a.purge(t, "Appointment"); n != 1 || overdue() != 0 {
		t.Errorf("%d appointments went, %d records are overdue", n, overdue())
	}
}

// A rule that is changed to Delete deletes what nobody handed over: the policy says so, and every overdue record ends.
func TestTheRuleInForceDecides(t *testing.T) {
	a := newArchiving(t)
	a.attach(t, "one.pdf", 8*day)
	for i := range a.Rules {
		if a.Rules[i].Category == v1alpha1.CategoryAttachment {
			a.Rules[i].Action, a.Rules[i].ArchivePeriod = v1alpha1.ActionDelete, 0
		}
	}
	must(t, a.admin.Ensure(t.Context(), a.Tenant))
	if len(a.due(t)) != 0 {
		t.Error("something is due to be handed over without a rule")
	}
	if n := a.purge(t, "Attachment"); n != 1 {
		t.Errorf("%d records went", n)
	}
}

// A record can go otherwise than by the purge that follows its hand-over. Its receipt must not name it any longer then,
// and what an archive never took is not spoken of.
func TestAReceiptForgetsARecordThatIsGoneWhoeverDeletedIt(t *testing.T) {
	a := newArchiving(t)
	a.attach(t, "shown.pdf", 9*day)
	a.attach(t, "failed.pdf", 8*day)
	found := a.due(t)
	if !a.confirm(t, found[0], a.begin(t, found[0])) {
		t.Fatal("the receipt was not taken")
	}
	a.begin(t, found[1])
	exec(t, a.archive, `SELECT archive_failed('Attachment', $1, 'statutory: LockIgnored')`, found[1].Number)
	a.purge(t, "Appointment")
	if n := value[int64](t, a.super, `SELECT count(record) FROM archive_receipt`); n != 2 {
		t.Fatalf("%d receipts name a record, want both", n)
	}
	exec(t, a.super, `DELETE FROM appointment`)
	for i := range a.Rules {
		if a.Rules[i].Category == v1alpha1.CategoryAttachment {
			a.Rules[i].Action, a.Rules[i].ArchivePeriod = v1alpha1.ActionDelete, 0
		}
	}
	must(t, a.admin.Ensure(t.Context(), a.Tenant))
	a.purge(t, "Attachment")
	if left := value[string](t, a.super, `SELECT string_agg(concat_ws(' ', category, record, content, versions, failure), ',') FROM archive_receipt`); left != `Attachment {"statutory": "v1"}` {
		t.Errorf("left is %q", left)
	}
	exec(t, a.super, `UPDATE archive_receipt SET until = now() - interval '1 second'`)
	a.purge(t, "Attachment")
	if n := value[int64](t, a.super, `SELECT count(*) FROM archive_receipt`); n != 0 {
		t.Error("a receipt outlives what it is of")
	}
}

func TestWhatIsHeldOrSuspendedIsNotHandedOver(t *testing.T) {
	a := newArchiving(t)
	a.attach(t, "one.pdf", 8*day)
	appointment := value[string](t, a.super, `SELECT id::text FROM appointment`)
	exec(t, a.retention, `SELECT open_hold('Restriction', 'case-1', 'Attachment', $1, now() + interval '10 days')`, appointment)
	if len(a.due(t)) != 0 {
		t.Error("a record on hold is due")
	}
	exec(t, a.retention, `SELECT end_hold('Restriction', 'case-1')`)
	until := time.Now().Add(day)
	a.SuspendedUntil = &until
	must(t, a.admin.Ensure(t.Context(), a.Tenant))
	if len(a.due(t)) != 0 {
		t.Error("a record is due while deletion is suspended")
	}
}

// The role that hands over reads what is due and nothing else, and can delete nothing that has no receipt.
func TestTheArchiveRoleReadsOnlyWhatIsDue(t *testing.T) {
	a := newArchiving(t)
	a.attach(t, "due.pdf", 8*day)
	a.attach(t, "not due.pdf", 6*day)
	for _, table := range []string{"appointment", "contact", "message", "attachment", "consent", "archive_receipt", "retention_rule", "access_log"} {
		refused(t, a.archive, `SELECT * FROM `+table)
		refused(t, a.archive, `DELETE FROM `+table)
		refused(t, a.archive, `INSERT INTO `+table+` DEFAULT VALUES`)
	}
	for _, statement := range []string{
		`UPDATE archive_receipt SET versions = '{"x": "y"}'`, `UPDATE retention_rule SET period = '1 second'`,
		`SELECT archive_document('Attachment', '(0,1)')`, `SELECT archive_digest('Attachment', '(0,1)')`, `SELECT * FROM archive_source('Attachment')`,
		`SELECT rewrite_storage('1 day')`, `SELECT open_hold('Restriction', 'x', 'Attachment', '1', now())`,
		`CREATE TEMPORARY TABLE archive_receipt ()`, `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`SET ROLE ` + postgres.RolesOf(a.DataID).Owner,
	} {
		refused(t, a.archive, statement)
	}
	rows, err := a.super.Query(t.Context(), `SELECT id, ctid::text, now() FROM attachment WHERE file_name = 'not due.pdf'`)
	must(t, err)
	early, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[due])
	must(t, err)
	if n := value[int64](t, a.archive, `SELECT count(*) FROM archive_take('Attachment', $1, $2::text::tid)`, early.Number, early.Place); n != 0 {
		t.Error("the role reads a record that is not due")
	}
	sum := sha256.Sum256([]byte("x"))
	if value[bool](t, a.archive, `SELECT archive_begin('Attachment', $1, $2::text::tid, $3, 1, $3)`, early.Number, early.Place, sum[:]) {
		t.Error("the role begins the hand-over of a record that is not due")
	}
	// Nor does any other role hand over.
	for _, conn := range []*pgx.Conn{a.retention, as(t, a.server, a.database, a.DataID, postgres.RolesOf(a.DataID).AppA, a.AppA),
		as(t, a.server, a.database, a.DataID, postgres.RolesOf(a.DataID).Backup, a.Backup)} {
		refused(t, conn, `SELECT * FROM archive_due('Attachment', 1, now(), 0)`)
		refused(t, conn, `SELECT * FROM archive_take('Attachment', 1, '(0,1)')`)
		refused(t, conn, `SELECT archive_confirm('Attachment', 1, '(0,1)', 'x', '{}')`)
	}
	// What it says of a failure is a name and a word.
	d := a.due(t)[0]
	a.begin(t, d)
	if _, err := a.archive.Exec(t.Context(), `SELECT archive_failed('Attachment', $1, 'Ada Muster was here')`, d.Number); err == nil {
		t.Error("a failure may say anything")
	}
	exec(t, a.archive, `SELECT archive_failed('Attachment', $1, 'statutory: LockIgnored')`, d.Number)
	audit, err := a.admin.Audit(context.Background())
	must(t, err)
	for _, c := range audit.Tenants[0].Categories {
		if c.Category == v1alpha1.CategoryAttachment && c.Archived.Failure != "statutory: LockIgnored" {
			t.Errorf("the audit says %+v", c.Archived)
		}
	}
}

// The same record gives the same text whoever asks, and the same name at the archive whenever.
func TestTheDocumentDoesNotDependOnTheSession(t *testing.T) {
	a := newArchiving(t)
	a.attach(t, "one.pdf", 8*day)
	d := a.due(t)[0]
	take := func() string {
		return value[string](t, a.archive, `SELECT object || ' ' || extract(epoch FROM until) || ' ' || document FROM archive_take('Attachment', $1, $2::text::tid)`, d.Number, d.Place)
	}
	exec(t, a.archive, `SET TimeZone = 'UTC'`)
	first := take()
	exec(t, a.archive, `SET TimeZone = 'Pacific/Apia'; SET bytea_output = 'escape'; SET DateStyle = 'German'`)
	if second := take(); first != second {
		t.Errorf("%q is not %q", second, first)
	}
	if !strings.Contains(first, `"file_name": "one.pdf"`) || !strings.Contains(first, `"office"`) || !strings.Contains(first, `"content": "b25lLnBkZg=="`) {
		t.Errorf("the document is %s", first)
	}
}

// A tenant of the release before gets the column and the role, and keeps its rules.
func TestATenantWithoutAnArchiveHasNoRoleForOne(t *testing.T) {
	server, database, admin := prepared(t)
	tenant := newTenant()
	must(t, admin.Ensure(t.Context(), tenant))
	role := postgres.RolesOf(tenant.DataID).Archive
	super := server.Superuser(t, database)
	if n := value[int64](t, super, `SELECT count(*) FROM pg_roles WHERE rolname = $1`, role); n != 0 {
		t.Error("there is a role that nobody needs")
	}
	tenant.Archive = rand.Text()
	must(t, admin.Ensure(t.Context(), tenant))
	as(t, server, database, tenant.DataID, role, tenant.Archive)
	password := tenant.Archive
	tenant.Archive = ""
	must(t, admin.Ensure(t.Context(), tenant))
	if _, err := tryAs(t, server, database, tenant.DataID, role, password); err == nil {
		t.Error("the role still logs in, though nothing is handed over any more")
	}
	must(t, admin.Drop(t.Context(), tenant.DataID))
}

// When the contract ends the schema goes, so that its documents are handed over whatever is left of their period; and the
// certificate learns what the archives have.
func TestAtTheContractsEndEveryDocumentFallsDue(t *testing.T) {
	a := newArchiving(t)
	a.attach(t, "yesterday.pdf", day)
	if len(a.due(t)) != 0 {
		t.Fatal("it is due already")
	}
	must(t, a.admin.Retain(t.Context(), a.DataID, time.Now().Add(30*day)))
	for range 2 { // an operator that is killed asks again
		waiting, err := a.admin.HandOverAll(t.Context(), a.DataID)
		must(t, err)
		if waiting != 1 {
			t.Errorf("%d documents wait", waiting)
		}
	}
	// What is on hold is not due, so that it is handed over later, and must not go with the schema before.
	appointment := value[string](t, a.super, `SELECT id::text FROM appointment`)
	exec(t, a.retention, `SELECT open_hold('Restriction', 'case-1', 'Attachment', $1, now() + interval '10 days')`, appointment)
	if waiting, err := a.admin.HandOverAll(t.Context(), a.DataID); err != nil || waiting != 1 || len(a.due(t)) != 0 {
		t.Errorf("%d documents wait while one is on hold, %v", waiting, err)
	}
	exec(t, a.retention, `SELECT end_hold('Restriction', 'case-1')`)
	d := a.due(t)[0]
	if !a.confirm(t, d, a.begin(t, d)) {
		t.Fatal("the receipt was not taken")
	}
	a.purge(t, "Attachment")
	waiting, err := a.admin.HandOverAll(t.Context(), a.DataID)
	must(t, err)
	archived, err := a.admin.Archived(t.Context(), a.DataID)
	must(t, err)
	if waiting != 0 || len(archived) != 1 || archived[0].Records != 1 || archived[0].Until == nil || archived[0].Until.Before(time.Now().Add(tenYears-2*day)) {
		t.Errorf("%d wait, archived is %+v", waiting, archived)
	}
	must(t, a.admin.Drop(t.Context(), a.DataID))
	waiting, err = a.admin.HandOverAll(t.Context(), a.DataID)
	must(t, err)
	if archived, err = a.admin.Archived(t.Context(), a.DataID); err != nil || waiting != 0 || len(archived) != 0 {
		t.Errorf("of a schema that is gone: %d, %+v, %v", waiting, archived, err)
	}
}
