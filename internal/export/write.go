// SPDX-License-Identifier: Apache-2.0

package export

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// chunkSize is where a file of records ends and the next begins: the header of a tar names the size of what follows,
// so one file lies in memory at a time. A single record may be larger.
const chunkSize = 4 << 20

// Scope is whose records are exported. The zero Scope is everything.
type Scope struct {
	// Controller whose offices' records alone are exported (A2).
	Controller string
	// Offices of the controller.
	Offices []string
	// Catalogue is written as it is, for whoever sets the site up elsewhere; nil when it is not known.
	Catalogue *Catalogue
}

// Catalogue is what the site offers, and for whom.
type Catalogue struct {
	Controllers []v1alpha1.Controller `json:"controllers"`
	Catalogue   v1alpha1.Catalogue    `json:"catalogue"`
}

// Of gives the scope of one controller.
func (c *Catalogue) Of(controller string) Scope {
	scope := Scope{Controller: controller, Offices: []string{}, Catalogue: &Catalogue{}}
	for i := range c.Controllers {
		if c.Controllers[i].Name == controller {
			scope.Catalogue.Controllers = append(scope.Catalogue.Controllers, c.Controllers[i])
		}
	}
	for i := range c.Catalogue.Offices {
		if o := &c.Catalogue.Offices[i]; o.Controller == controller {
			scope.Offices = append(scope.Offices, string(o.Name))
			scope.Catalogue.Catalogue.Offices = append(scope.Catalogue.Catalogue.Offices, *o)
		}
	}
	scope.Catalogue.Catalogue.Services = c.Catalogue.Services
	return scope
}

// Write writes an export to out as a tar, from one snapshot and with the memory of one file. The session's search path
// names the tenant's schema first. Errors name tables, never what lies in them.
func Write(ctx context.Context, conn *pgx.Conn, out io.Writer, scope Scope) (*Manifest, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, clean("beginning", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	return write(ctx, tx, out, scope)
}

// sessionSQL makes values read the same whatever server, database or role has set.
const sessionSQL = `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601';
	SET LOCAL extra_float_digits = 1; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`

func write(ctx context.Context, tx pgx.Tx, out io.Writer, scope Scope) (*Manifest, error) {
	if _, err := tx.Exec(ctx, sessionSQL); err != nil {
		return nil, clean("preparing the session", err)
	}
	schema, err := readSchema(ctx, tx)
	if err != nil {
		return nil, err
	}
	conditions := map[string]string{}
	if scope.Controller != "" {
		conditions = schema.attribute()
	}
	hidden, err := hides(ctx, tx)
	if err != nil {
		return nil, err
	}
	if hidden {
		schema.leaveOutHidden(conditions)
	}
	a := &archive{tar: tar.NewWriter(out), manifest: Manifest{Format: Format, SchemaVersion: schema.version, Controller: scope.Controller}}
	if err := a.begin(schema, scope); err != nil {
		return nil, err
	}
	for i := range schema.tables {
		t := &schema.tables[i]
		if err := a.records(ctx, tx, t, conditions[t.name], scope.Offices); err != nil {
			return nil, err
		}
	}
	if err := a.offices(ctx, tx, schema, scope, hidden); err != nil {
		return nil, err
	}
	return &a.manifest, a.end()
}

// archive is the tar being written.
type archive struct {
	tar      *tar.Writer
	manifest Manifest
}

func (a *archive) begin(schema *live, scope Scope) error {
	if err := a.document(FormatFile, schema.head(scope.Controller)); err != nil {
		return err
	}
	if err := a.file(ReadmeFile, []byte(readme)); err != nil {
		return err
	}
	if scope.Catalogue != nil {
		if err := a.document(CatalogueFile, scope.Catalogue); err != nil {
			return err
		}
	}
	for i := range schema.tables {
		raw, err := schema.tables[i].jsonSchema()
		if err != nil {
			return err
		}
		if err := a.file(schemaDir+schema.tables[i].name+".schema.json", raw); err != nil {
			return err
		}
	}
	return nil
}

func (a *archive) end() error {
	raw, err := marshal(a.manifest)
	if err != nil {
		return err
	}
	if err := a.entry(ManifestFile, raw); err != nil {
		return err
	}
	if err := a.tar.Close(); err != nil {
		return fmt.Errorf("ending the export: %w", err)
	}
	return nil
}

func (a *archive) document(path string, value any) error {
	raw, err := marshal(value)
	if err != nil {
		return err
	}
	return a.file(path, raw)
}

func (a *archive) file(path string, content []byte) error {
	sum := sha256.Sum256(content)
	a.manifest.Files = append(a.manifest.Files, File{path, int64(len(content)), hex.EncodeToString(sum[:])})
	return a.entry(path, content)
}

// entry carries no time and no owner, so that the same records give the same bytes.
func (a *archive) entry(path string, content []byte) error {
	header := &tar.Header{Name: path, Mode: 0o644, Size: int64(len(content)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := a.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if _, err := a.tar.Write(content); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// chunks splits what is written to it into numbered files.
type chunks struct {
	archive   *archive
	stem, end string
	// lead begins every file.
	lead   []byte
	buffer bytes.Buffer
	number int
	sum    hash.Hash
	lines  int64
}

func (c *chunks) add(line []byte) error {
	if c.buffer.Len() > len(c.lead) && c.buffer.Len()+len(line) > chunkSize {
		if err := c.flush(); err != nil {
			return err
		}
	}
	if c.buffer.Len() == 0 {
		c.buffer.Write(c.lead)
	}
	c.buffer.Write(line)
	c.sum.Write(line)
	c.lines++
	return nil
}

func (c *chunks) flush() error {
	if c.buffer.Len() == 0 {
		return nil
	}
	c.number++
	err := c.archive.file(fmt.Sprintf("%s.%04d%s", c.stem, c.number, c.end), c.buffer.Bytes())
	c.buffer.Reset()
	return err
}

// records writes a table. An entity without records has no file, and stands in the manifest with a count of 0.
func (a *archive) records(ctx context.Context, tx pgx.Tx, t *table, condition string, offices []string) error {
	c := &chunks{archive: a, stem: dataDir + t.name, end: ".jsonl", sum: sha256.New()}
	var arguments []any
	if strings.Contains(condition, "$1") {
		arguments = append(arguments, offices)
	}
	rows, err := tx.Query(ctx, t.selectSQL()+condition+" ORDER BY "+t.order(), arguments...)
	if err != nil {
		return clean("reading "+t.name, err)
	}
	defer rows.Close()
	var line []byte
	for rows.Next() {
		if line, err = t.line(line[:0], rows.RawValues()); err != nil {
			return err
		}
		if err := c.add(line); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return clean("reading "+t.name, err)
	}
	a.manifest.Records = append(a.manifest.Records, Records{t.name, c.lines, hex.EncodeToString(c.sum.Sum(nil))})
	return c.flush()
}

// selectSQL gives every column as the text it is written with.
func (t *table) selectSQL() string {
	expressions := make([]string, len(t.columns))
	for i, c := range t.columns {
		expressions[i] = c.expression()
	}
	return "SELECT " + strings.Join(expressions, ", ") + " FROM " + ident(t.name)
}

func (c column) expression() string {
	name := ident(c.name)
	switch c.class {
	case classTime:
		return fmt.Sprintf(`CASE WHEN isfinite(%[1]s) THEN to_char(%[1]s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE %[1]s::text END`, name)
	case classBytes:
		return fmt.Sprintf(`translate(encode(%s, 'base64'), E'\n', '')`, name)
	case classRaw:
		return fmt.Sprintf("to_jsonb(%s)::text", name)
	case classText:
	}
	return name + "::text"
}

// order is by bytes, since collations differ from server to server.
func (t *table) order() string {
	parts := make([]string, len(t.key))
	for i, name := range t.key {
		parts[i] = ident(name)
		for _, c := range t.columns {
			if c.name == name && c.textual {
				parts[i] += ` COLLATE "C"`
			}
		}
	}
	return strings.Join(parts, ", ")
}

// line appends one record as a line of JSON.
func (t *table) line(line []byte, values [][]byte) ([]byte, error) {
	line = append(line, '{')
	for i, value := range values {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(line, '"')
		line = append(line, t.columns[i].name...)
		line = append(line, '"', ':')
		switch {
		case value == nil:
			line = append(line, "null"...)
		case t.columns[i].class == classRaw:
			compact := bytes.NewBuffer(line)
			if err := json.Compact(compact, value); err != nil {
				return nil, fmt.Errorf("column %s.%s is no JSON", t.name, t.columns[i].name)
			}
			line = compact.Bytes()
		default:
			quoted, err := quote(value)
			if err != nil {
				return nil, fmt.Errorf("column %s.%s cannot be written", t.name, t.columns[i].name)
			}
			line = append(line, quoted...)
		}
	}
	return append(line, '}', '\n'), nil
}

func quote(value []byte) ([]byte, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(string(value)); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buffer.Bytes(), "\n"), nil
}

// marshal writes a document for people: indented, with a line end.
func marshal(value any) ([]byte, error) {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing a document: %w", err)
	}
	return append(raw, '\n'), nil
}
