// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

const day = 24 * time.Hour

// site is a tenant in a real database, as the operator makes it.
type site struct {
	server   *pgtest.Server
	admin    *postgres.Admin
	tenant   postgres.Tenant
	database string
}

func newSite(t testing.TB, contact time.Duration) *site {
	t.Helper()
	s := &site{server: pgtest.Start(t)}
	s.database = s.server.NewDatabase(t)
	var err error
	s.admin, err = postgres.Open(t.Context(), postgres.Server{
		Name: "test", Host: s.server.Host, Port: s.server.Port, CABundle: s.server.CABundle,
		Username: s.server.AdminUser, Password: s.server.AdminPassword,
	}, s.database)
	must(t, err)
	t.Cleanup(s.admin.Close)
	must(t, s.admin.Prepare(t.Context()))
	raw := make([]byte, 10)
	_, _ = rand.Read(raw)
	s.tenant = postgres.Tenant{
		DataID: "t" + strings.ToLower(base32.StdEncoding.EncodeToString(raw))[:15], Namespace: "basel", Name: "termine", UID: "1",
		AppA: rand.Text(), Retention: rand.Text(), Backup: rand.Text(), Tolerance: time.Minute,
		Rules: []postgres.Rule{
			{Category: v1alpha1.CategoryContact, StartEvent: v1alpha1.StartAppointmentEnd, Period: contact, Action: v1alpha1.ActionDelete},
			{Category: v1alpha1.CategoryAppointment, StartEvent: v1alpha1.StartAppointmentEnd, Period: 40 * day, Action: v1alpha1.ActionAnonymize},
		},
	}
	must(t, s.admin.Ensure(t.Context(), s.tenant))
	return s
}

// as opens a session of one of the tenant's roles.
func (s *site) as(t testing.TB, role, password string) *pgx.Conn {
	t.Helper()
	return s.in(t, s.tenant.DataID, role, password)
}

func (s *site) in(t testing.TB, schema, role, password string) *pgx.Conn {
	t.Helper()
	config, err := postgres.OperandConfig(settings.Database{
		Host: s.server.Host, Port: s.server.Port, Name: s.database, Schema: schema, CABundle: s.server.CABundle,
	}, settings.Credentials{Username: role, Password: password})
	must(t, err)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// backup is the role that exports: it may read, and nothing else.
func (s *site) backup(t testing.TB) *pgx.Conn {
	return s.as(t, postgres.RolesOf(s.tenant.DataID).Backup, s.tenant.Backup)
}

// importer works as an import's job does: in a quarantine it owns, beside what is in use.
func (s *site) importer(t testing.TB) *pgx.Conn {
	t.Helper()
	q, password := postgres.QuarantineOf(s.tenant.DataID), rand.Text()
	must(t, s.admin.BeginImport(t.Context(), s.tenant.DataID, "import", password, time.Now().Add(time.Hour)))
	conn := s.in(t, q.Schema, q.Role, password)
	must(t, postgres.BuildSchema(t.Context(), conn, postgres.SchemaVersion))
	return conn
}

// use ends an import as the operator does once the job has its proof.
func (s *site) use(t testing.TB, importer *pgx.Conn) {
	t.Helper()
	_, err := importer.Exec(t.Context(), "UPDATE restore_state SET result = '{}'")
	must(t, err)
	_, err = s.admin.FinishRestore(t.Context(), s.tenant, "import")
	must(t, err)
}

// fill stores records of every kind, with what is hard to write: quotes, line ends, other scripts, formulas, bytes.
func (s *site) fill(t testing.TB) {
	t.Helper()
	conn := s.server.Superuser(t, s.database)
	_, err := conn.Exec(t.Context(), "SET search_path = "+pgx.Identifier{s.tenant.DataID}.Sanitize()+`, pg_temp;
		INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash, created_at)
			SELECT CASE WHEN n % 3 = 0 THEN 'south' ELSE 'hall' END, 1, 'passport', 'OnSite', now() + n * interval '1 h', now() + n * interval '1 h' + interval '15 min',
				'confirmed', 'de', decode(md5(n::text), 'hex'), now() - interval '1.000001 s' * n FROM generate_series(1, 50) AS n;
		INSERT INTO contact (appointment_id, given_name, family_name, email, notice_date)
			SELECT id, E'=HYPERLINK("x")\n<b>', 'Müller "Їжак" \ ' || row_number() OVER (), 'a@example.org', '2026-01-31' FROM appointment;
		INSERT INTO mail_outbox (appointment_id, kind, token) SELECT id, 'confirmed', 'x' FROM appointment LIMIT 3;
		INSERT INTO message (appointment_id, sender, body) SELECT id, 'citizen', E'one\ttwo' FROM appointment LIMIT 5;
		INSERT INTO attachment (appointment_id, file_name, media_type, content) SELECT id, 'pass.pdf', 'application/pdf', '\x00ff0a22' FROM appointment LIMIT 2;
		INSERT INTO session (user_agent) VALUES ('x'), (NULL);
		INSERT INTO session_address (address) VALUES ('2001:db8::1'), ('192.0.2.7');
		INSERT INTO signature (document_sha256, strokes) VALUES ('\x01', '\x');
		INSERT INTO consent (subject, purpose, channel) VALUES ('s', 'p', 'web');
		INSERT INTO audit_log (actor, action, object) VALUES ('citizen', 'booked', 'x');
		INSERT INTO erasure_journal (subject_hmac) VALUES (decode(repeat('ab', 32), 'hex'));
		INSERT INTO access_log (address, method, route, status) VALUES ('192.0.2.7', 'GET', '/', 200);
		INSERT INTO appointment_count VALUES ('2026-01-01', 'hall', 'passport', 'OnSite', 'confirmed', 7);
		INSERT INTO retention_hold (category, record, kind, reference, until) VALUES ('Contact', 'x', 'Restriction', '4711', now() + interval '1 day')`)
	must(t, err)
}

var catalogue = &export.Catalogue{
	Controllers: []v1alpha1.Controller{{Name: "Stadt A"}, {Name: "Stadt B"}},
	Catalogue: v1alpha1.Catalogue{Offices: []v1alpha1.Office{
		{Name: "hall", Controller: "Stadt A"}, {Name: "south", Controller: "Stadt B"},
	}},
}

var offices, services = []string{"hall", "south"}, []string{"passport"}

var here = export.Into{Offices: offices, Services: services}

func write(t testing.TB, s *site, scope export.Scope) ([]byte, *export.Manifest) {
	t.Helper()
	var out bytes.Buffer
	manifest, err := export.Write(t.Context(), s.backup(t), &out, scope)
	must(t, err)
	return out.Bytes(), manifest
}

func TestExportImportExportGivesTheSameBytes(t *testing.T) { // D4
	old, fresh := newSite(t, 30*day), newSite(t, 30*day)
	old.fill(t)
	first, manifest := write(t, old, export.Scope{Catalogue: catalogue})
	importer := fresh.importer(t)
	imported, err := export.Import(t.Context(), importer, bytes.NewReader(first), here)
	must(t, err)
	if imported.Total() != manifest.Total() || manifest.Total() < 120 {
		t.Errorf("%d records of %d", imported.Total(), manifest.Total())
	}
	fresh.use(t, importer)
	second, _ := write(t, fresh, export.Scope{Catalogue: catalogue})
	if !bytes.Equal(first, second) {
		t.Error("the second export differs from the first")
	}

	// Numbering goes on behind what was imported.
	_, err = fresh.as(t, postgres.RolesOf(fresh.tenant.DataID).AppA, fresh.tenant.AppA).Exec(t.Context(), "INSERT INTO consent (subject, purpose, channel) VALUES ('n', 'p', 'web')")
	must(t, err)
}

// Every column of the live schema is exported, or left out for a reason somebody gave.
func TestNoColumnIsForgotten(t *testing.T) {
	s := newSite(t, 30*day)
	raw, _ := write(t, s, export.Scope{})
	var head *export.Head
	_, err := export.Read(bytes.NewReader(raw), export.Visitor{Head: func(h *export.Head) error { head = h; return nil }})
	must(t, err)
	exported := map[string]bool{}
	for _, e := range head.Entities {
		for _, column := range e.Columns {
			exported[e.Name+"."+column] = true
		}
	}
	left := map[string]bool{}
	for _, l := range head.LeftOut {
		if left[l.Name] = l.Reason != ""; !left[l.Name] {
			t.Errorf("%s is left out for no reason", l.Name)
		}
	}
	conn := s.server.Superuser(t, s.database)
	rows, err := conn.Query(t.Context(), `SELECT table_name::text, column_name::text FROM information_schema.columns AS c
		WHERE table_schema = $1 AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = format('%I.%I', table_schema, table_name)::regclass)`, s.tenant.DataID)
	must(t, err)
	type column struct{ Table, Column string }
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	must(t, err)
	if len(columns) < 100 {
		t.Fatalf("only %d columns were found", len(columns))
	}
	for _, c := range columns {
		if !exported[c.Table+"."+c.Column] && !left[c.Table] {
			t.Errorf("column %s.%s is neither exported nor left out for a reason", c.Table, c.Column)
		}
	}
}

func TestARecordFitsItsSchemaAndSaysItsCategory(t *testing.T) {
	s := newSite(t, 30*day)
	s.fill(t)
	raw, _ := write(t, s, export.Scope{Catalogue: catalogue})
	files := untar(t, raw)
	var schema struct {
		Required   []string
		Properties map[string]struct {
			Category string `json:"x-termintreu-category"`
			Format   string
		}
	}
	must(t, json.Unmarshal(files["schemas/contact.schema.json"], &schema))
	if schema.Properties["email"].Category != "Contact" || schema.Properties["created_at"].Format != "date-time" {
		t.Errorf("the schema of contact is %s", files["schemas/contact.schema.json"])
	}
	line, _, _ := bytes.Cut(files["data/contact.0001.jsonl"], []byte("\n"))
	var record map[string]any
	must(t, json.Unmarshal(line, &record))
	for _, name := range schema.Required {
		if _, found := record[name]; !found {
			t.Errorf("a record lacks %s", name)
		}
	}
	if _, err := time.Parse(time.RFC3339Nano, record["created_at"].(string)); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(files["offices/hall.0001.csv"], []byte(`"'=HYPERLINK`)) || bytes.Contains(files["offices/hall.0001.csv"], []byte(`,"=`)) {
		t.Error("a formula of a citizen reaches the spreadsheet of an office")
	}
}

func TestAControllerGetsTheRecordsOfItsOwnOfficesAlone(t *testing.T) { // A2
	s := newSite(t, 30*day)
	s.fill(t)
	_, all := write(t, s, export.Scope{Catalogue: catalogue})
	rawA, a := write(t, s, catalogue.Of("Stadt A"))
	_, b := write(t, s, catalogue.Of("Stadt B"))
	for i, r := range a.Records {
		want := all.Records[slices.IndexFunc(all.Records, func(o export.Records) bool { return o.Entity == r.Entity })].Count
		if r.Count+b.Records[i].Count != want {
			t.Errorf("%s: %d and %d make not %d", r.Entity, r.Count, b.Records[i].Count, want)
		}
	}
	files := untar(t, rawA)
	if files["offices/south.0001.csv"] != nil || bytes.Contains(files["data/appointment.0001.jsonl"], []byte("south")) || bytes.Contains(files[export.CatalogueFile], []byte("Stadt B")) {
		t.Error("the export of one controller tells of another")
	}
	if !strings.Contains(string(files[export.FormatFile]), "belong to no office") {
		t.Error("the export does not say what it leaves out")
	}
	fresh := newSite(t, 30*day)
	_, err := export.Import(t.Context(), fresh.importer(t), bytes.NewReader(rawA), here)
	must(t, err)
}

func TestImportRefusesWhatDoesNotFit(t *testing.T) {
	old := newSite(t, 30*day)
	old.fill(t)
	raw, _ := write(t, old, export.Scope{Catalogue: catalogue})
	swap := func(from, to string) []byte { return bytes.Replace(slices.Clone(raw), []byte(from), []byte(to), 1) }
	for name, c := range map[string]struct {
		raw     []byte
		contact time.Duration
		into    export.Into
		want    string
	}{
		"a longer period than was promised": {raw, 31 * day, here, "RetentionPolicy with at most the former"},
		"an office nobody has":              {raw, 30 * day, export.Into{Offices: []string{"hall"}, Services: services}, "spec.catalogue.offices lacks south"},
		"a service nobody has":              {raw, 30 * day, export.Into{Offices: offices}, "spec.catalogue.services lacks passport"},
		"what the prover does not accept": {raw, 30 * day, export.Into{Offices: offices, Services: services, Prove: func(context.Context, *export.Manifest) error {
			return errors.New("not proven")
		}}, "not proven"},
		"a changed record":  {swap("a@example.org", "b@example.org"), 30 * day, here, "changed or damaged"},
		"another format":    {swap("termintreu-export/1", "termintreu-export/9"), 30 * day, here, "the release that wrote it"},
		"a newer schema":    {swap(`"schemaVersion": `, `"schemaVersion":9`), 30 * day, here, "upgrade the operator"},
		"an unknown column": {swap(`"given_name"`, `"given_nama"`), 30 * day, here, "does not know"},
		"half of it":        {raw[:len(raw)/2], 30 * day, here, "cut off"},
		"something else":    {[]byte("no tar at all"), 30 * day, here, "no tar of an export"},
	} {
		t.Run(name, func(t *testing.T) {
			fresh := newSite(t, c.contact)
			importer := fresh.importer(t)
			_, err := export.Import(t.Context(), importer, bytes.NewReader(c.raw), c.into)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "@example.org") {
				t.Fatalf("the error is %v, want it to say %q", err, c.want)
			}
			if left, err := export.Write(t.Context(), importer, io.Discard, export.Scope{}); err != nil || left.Total() != 0 {
				t.Errorf("%d records are left of an import that failed: %v", left.Total(), err)
			}
		})
	}
	used := newSite(t, 30*day)
	used.fill(t)
	err := used.admin.BeginImport(t.Context(), used.tenant.DataID, "import", rand.Text(), time.Now().Add(time.Hour))
	if !postgres.Unproven(err) || !strings.Contains(err.Error(), "already holds records") {
		t.Errorf("an import into a site that is in use gives %v", err)
	}
	must(t, used.admin.AbortRestore(t.Context(), used.tenant, "import"))
	if _, manifest := write(t, used, export.Scope{}); manifest.Total() < 120 {
		t.Errorf("only %d records are left of a site that was in use", manifest.Total())
	}
	used.as(t, postgres.RolesOf(used.tenant.DataID).AppA, used.tenant.AppA)
}

func TestARecordThatBreaksTheSchemaIsNotQuoted(t *testing.T) { // invariant 2
	old, fresh := newSite(t, 30*day), newSite(t, 30*day)
	conn := fresh.importer(t)
	old.fill(t)
	raw, _ := write(t, old, export.Scope{})
	// The new place is stricter than the old one.
	super := fresh.server.Superuser(t, fresh.database)
	_, err := super.Exec(t.Context(), "ALTER TABLE "+postgres.QuarantineOf(fresh.tenant.DataID).Schema+".contact ADD CONSTRAINT short CHECK (length(email) < 5)")
	must(t, err)
	_, err = export.Import(t.Context(), conn, bytes.NewReader(raw), here)
	if err == nil || !strings.Contains(err.Error(), "contact") || !strings.Contains(err.Error(), "short") || strings.Contains(err.Error(), "example.org") {
		t.Errorf("the error is %v", err)
	}
}

func untar(t testing.TB, raw []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(raw)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		must(t, err)
		files[header.Name], err = io.ReadAll(r)
		must(t, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
