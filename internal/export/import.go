// SPDX-License-Identifier: Apache-2.0

package export

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Into is where an export goes: the catalogue of the tenant, and who has the last word.
type Into struct {
	// Offices and Services of the tenant's catalogue.
	Offices, Services []string
	// Prove comes when what was stored was read back the same, in the transaction that stored it. What it returns an
	// error for is not stored. Nil means that nobody asks.
	Prove func(context.Context, *Manifest) error
}

// Import reads an export into an empty schema in one transaction, reads it back, and commits only when it is the same.
// The session's search path names the schema first. Every appointment that is left after Prove must be one of the
// tenant's catalogue. Errors say in a sentence what does not fit, and quote no record.
func Import(ctx context.Context, conn *pgx.Conn, in io.Reader, into Into) (*Manifest, error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, clean("beginning", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, sessionSQL); err != nil {
		return nil, clean("preparing the session", err)
	}
	i := &importer{ctx: ctx, tx: tx}
	if i.schema, err = readSchema(ctx, tx); err != nil {
		return nil, err
	}
	manifest, err := Read(in, Visitor{Head: i.head, Records: i.records})
	if err != nil {
		return nil, err
	}
	if err := i.restart(); err != nil {
		return nil, err
	}
	if err := i.readBack(manifest); err != nil {
		return nil, err
	}
	if into.Prove != nil {
		if err := into.Prove(ctx, manifest); err != nil {
			return nil, err
		}
	}
	if err := i.checkCatalogue(into); err != nil {
		return nil, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, clean("committing the import", err)
	}
	return manifest, nil
}

type importer struct {
	ctx    context.Context //nolint:containedctx // one import is one call
	tx     pgx.Tx
	schema *live
	from   *Head
}

// head refuses what does not fit before the first record is read.
func (i *importer) head(head *Head) error {
	i.from = head
	if head.SchemaVersion > i.schema.version {
		return fmt.Errorf("the export has schema version %d and this tenant has %d: upgrade the operator to the release that wrote the export, or a later one", head.SchemaVersion, i.schema.version)
	}
	for _, e := range head.Entities {
		t := i.schema.table(e.Name)
		if t == nil {
			return fmt.Errorf("the export holds %s, which this release does not know: import it with the release that wrote it", e.Name)
		}
		for _, name := range e.Columns {
			if t.column(name) == nil {
				return fmt.Errorf("the export holds column %s of %s, which this release does not know: import it with the release that wrote it", name, e.Name)
			}
		}
	}
	return i.keepPromises(head)
}

// keepPromises: whoever collected the records promised to delete them within a period, and moving them must not buy
// time (D6).
func (i *importer) keepPromises(head *Head) error {
	for _, here := range i.schema.promises {
		at := slices.IndexFunc(head.Promises, func(p Promise) bool { return p.Category == here.Category })
		if at >= 0 && head.Promises[at].Seconds < here.Seconds {
			return fmt.Errorf("the records of category %s were collected under a period of %s, and this tenant's policy keeps them %s: give the tenant a RetentionPolicy with at most the former; a longer one later binds only what is collected then",
				here.Category, days(head.Promises[at]), days(here))
		}
	}
	return nil
}

func days(p Promise) string {
	if period := p.Period(); period%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d d", period/(24*time.Hour))
	}
	return p.Period().String()
}

func (s *live) table(name string) *table {
	for i := range s.tables {
		if s.tables[i].name == name {
			return &s.tables[i]
		}
	}
	return nil
}

func (t *table) column(name string) *column {
	for i := range t.columns {
		if t.columns[i].name == name {
			return &t.columns[i]
		}
	}
	return nil
}

func (i *importer) records(entity Entity, lines [][]byte) error {
	t := i.schema.table(entity.Name)
	batch := bytes.NewBufferString("[")
	for n, line := range lines {
		if n > 0 {
			batch.WriteByte(',')
		}
		if err := t.parse(batch, entity.Columns, line); err != nil {
			return fmt.Errorf("%s: line %d of its file: %w", entity.Name, n+1, err)
		}
	}
	batch.WriteByte(']')
	columns := idents(entity.Columns)
	_, err := i.tx.Exec(i.ctx, fmt.Sprintf(`INSERT INTO %[1]s (%[2]s) OVERRIDING SYSTEM VALUE SELECT %[2]s FROM jsonb_populate_recordset(NULL::%[1]s, $1::text::jsonb)`,
		ident(t.name), columns), batch.String())
	return clean("storing records of "+t.name, err)
}

// parse turns a line of the export into an object jsonb_populate_recordset reads.
func (t *table) parse(out *bytes.Buffer, columns []string, line []byte) error {
	var record map[string]json.RawMessage
	if json.Unmarshal(line, &record) != nil || record == nil {
		return errors.New("it is no JSON object")
	}
	if len(record) != len(columns) {
		return fmt.Errorf("it has %d columns, and format.json names %d", len(record), len(columns))
	}
	for n, name := range columns {
		value, found := record[name]
		if !found {
			return fmt.Errorf("it lacks column %s", name)
		}
		if n > 0 {
			out.WriteByte(',')
		} else {
			out.WriteByte('{')
		}
		fmt.Fprintf(out, "%q:", name)
		if t.column(name).class != classBytes || string(value) == "null" {
			out.Write(value)
			continue
		}
		var text string
		raw, err := []byte(nil), json.Unmarshal(value, &text)
		if err == nil {
			raw, err = base64.StdEncoding.Strict().DecodeString(text)
		}
		if err != nil {
			return fmt.Errorf("column %s is no base64", name)
		}
		out.WriteString(`"\\x` + hex.EncodeToString(raw) + `"`)
	}
	if len(columns) == 0 {
		out.WriteByte('{')
	}
	out.WriteByte('}')
	return nil
}

// restart lets numbering go on behind what was imported.
func (i *importer) restart() error {
	for _, t := range i.schema.tables {
		for _, c := range t.columns {
			if !c.identity {
				continue
			}
			_, err := i.tx.Exec(i.ctx, fmt.Sprintf("SELECT setval(pg_get_serial_sequence(%s, %s), max(%s)) FROM %s HAVING max(%[3]s) IS NOT NULL",
				literal(ident(t.name)), literal(c.name), ident(c.name), ident(t.name)))
			if err != nil {
				return clean("numbering "+t.name, err)
			}
		}
	}
	return nil
}

// checkCatalogue: an appointment needs somebody who expects the citizen, and an office whose controller answers for it
// (A2).
func (i *importer) checkCatalogue(into Into) error {
	var missing []string
	for _, part := range []struct {
		column, field string
		names         []string
	}{{"office", "offices", into.Offices}, {"service", "services", into.Services}} {
		rows, err := i.tx.Query(i.ctx, `SELECT DISTINCT `+part.column+` FROM appointment WHERE `+part.column+` <> ALL (coalesce($1, '{}'::text[])) ORDER BY 1 LIMIT 20`, part.names)
		if err != nil {
			return clean("looking for "+part.field, err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return clean("looking for "+part.field, err)
		}
		if len(names) > 0 {
			missing = append(missing, "spec.catalogue."+part.field+" lacks "+strings.Join(names, ", "))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("appointments of the export are for what the tenant's catalogue does not have (%s): add them, as catalogue.json of the export shows them; they can go once those appointments are deleted", strings.Join(missing, "; "))
}

// readBack exports what was stored and compares: that the statements succeeded is no evidence.
func (i *importer) readBack(manifest *Manifest) error {
	stored, err := write(i.ctx, i.tx, io.Discard, Scope{})
	if err != nil {
		return err
	}
	differences := Compare(manifest, stored)
	if i.from.SchemaVersion < i.schema.version {
		// Columns came in between, so lines differ; counts must not.
		differences = slices.DeleteFunc(differences, func(d string) bool { return strings.HasSuffix(d, notTheSame) })
	}
	if len(differences) > 0 {
		return fmt.Errorf("what was stored is not what the export holds: %s", strings.Join(differences, "; "))
	}
	return nil
}

func literal(value string) string { return "'" + strings.ReplaceAll(value, "'", "''") + "'" }
