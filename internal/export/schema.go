// SPDX-License-Identifier: Apache-2.0

package export

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/postgres"
)

// leftOut are the tables that are not exported. Every other table of the live schema is: a new one needs no line here.
var leftOut = map[string]string{
	"goose_db_version": "which migrations this schema has seen; the schema of another place has its own",
	"purge_run":        "measurements of the purges of the place the records come from; they prove nothing elsewhere",
	"challenge_key":    "the key the place the records come from signs its challenges with; another has its own",
	"challenge_spent":  "challenges of the place the records come from",
	"slot_release":     "slots that are offered to citizens again within minutes",
	"staff_session":    "who is signed in at the staff side of the place the records come from; nobody is at another",
	"retention_rule":   "the periods the records were collected under stand in format.json as promises; the new place's policy must keep them",
	"erasure_journal":  "keyed digests for the backups of the place the records come from, which never leave it; without its key they say nothing",
	"erasure_pending":  "erasures of the place the records come from that wait for its stores",
}

// quarantineOnly are tables beside the tenant's where an import is proven before it is used.
var quarantineOnly = []string{postgres.TableRestoreState, postgres.TableLiveJournal, postgres.TableLivePending}

const (
	reasonUnattributable = "these records belong to no office, so to no single one of several controllers; the export of all controllers has them"
	reasonComputed       = "computed from other columns"
)

// class is how a column is written.
type class int

const (
	classText class = iota
	classRaw        // JSON as PostgreSQL gives it
	classTime
	classBytes
)

// column of a table that is exported.
type column struct {
	name, typeName string
	class          class
	array          bool
	nullable       bool
	category       string
	textual        bool
	identity       bool
}

// table is an entity of the live schema.
type table struct {
	name    string
	columns []column
	key     []string
	// parents by the column that refers to each, which is their primary key.
	parents map[string]string
}

// live is what the catalogue says of the schema.
type live struct {
	version  int64
	tables   []table
	left     []LeftOut
	promises []Promise
}

const columnsSQL = `SELECT c.relname, a.attname, t.typname, t.typcategory = 'A', NOT a.attnotnull, t.typcategory = 'S', a.attidentity <> '', a.attgenerated <> '',
	coalesce(obj_description(c.oid, 'pg_class'), ''), coalesce(array_position(k.conkey, a.attnum), 0), coalesce(f.parent, '')
	FROM pg_class AS c
	JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	JOIN pg_type AS t ON t.oid = a.atttypid
	LEFT JOIN pg_constraint AS k ON k.conrelid = c.oid AND k.contype = 'p'
	LEFT JOIN LATERAL (SELECT p.relname::text AS parent FROM pg_constraint AS r JOIN pg_class AS p ON p.oid = r.confrelid
		WHERE r.conrelid = c.oid AND r.contype = 'f' AND r.conkey = ARRAY[a.attnum] LIMIT 1) AS f ON true
	WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
	ORDER BY c.relname COLLATE "C", a.attname COLLATE "C"`

// readSchema reads the catalogue of the schema the session's search path names first.
func readSchema(ctx context.Context, tx pgx.Tx) (*live, error) {
	found := map[string]*table{}
	rows, err := tx.Query(ctx, columnsSQL)
	if err != nil {
		return nil, clean("reading the catalogue", err)
	}
	keys := map[string]map[int]string{}
	for rows.Next() {
		var relation, comment, parent string
		var c column
		var generated bool
		var position int
		if err := rows.Scan(&relation, &c.name, &c.typeName, &c.array, &c.nullable, &c.textual, &c.identity, &generated, &comment, &position, &parent); err != nil {
			return nil, clean("reading the catalogue", err)
		}
		if _, left := leftOut[relation]; left || generated || slices.Contains(quarantineOnly, relation) {
			continue
		}
		if found[relation] == nil {
			found[relation], keys[relation] = &table{name: relation, parents: map[string]string{}}, map[int]string{}
		}
		c.class, c.category = classOf(c), categoryOf(comment, c.name)
		found[relation].columns = append(found[relation].columns, c)
		if position > 0 {
			keys[relation][position] = c.name
		}
		if parent != "" {
			found[relation].parents[c.name] = parent
		}
	}
	if err := rows.Err(); err != nil {
		return nil, clean("reading the catalogue", err)
	}
	s := &live{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		for position := 1; position <= len(keys[name]); position++ {
			found[name].key = append(found[name].key, keys[name][position])
		}
		if len(found[name].key) == 0 {
			return nil, fmt.Errorf("table %s has no primary key, so its records have no order: give it one in a migration", name)
		}
	}
	if s.tables, err = ordered(found); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(leftOut)) {
		s.left = append(s.left, LeftOut{name, leftOut[name]})
	}
	return s, errors.Join(s.readVersion(ctx, tx), s.readPromises(ctx, tx))
}

func classOf(c column) class {
	switch c.typeName {
	case "int2", "int4", "int8", "numeric", "float4", "float8", "bool", "json", "jsonb":
		return classRaw
	case "timestamptz":
		return classTime
	case "bytea":
		return classBytes
	}
	if c.array {
		return classRaw
	}
	return classText
}

// categoryOf reads the data map, which lies in the comment of the table (M3).
func categoryOf(comment, column string) string {
	var categories map[string][]string
	if json.Unmarshal([]byte(comment), &categories) != nil {
		return ""
	}
	for category, columns := range categories {
		if slices.Contains(columns, column) {
			return category
		}
	}
	return ""
}

// ordered puts every table behind those it refers to, and else by name, so that an import finds what it refers to.
func ordered(found map[string]*table) ([]table, error) {
	var tables []table
	done := map[string]bool{}
	for len(tables) < len(found) {
		before := len(tables)
		for _, name := range slices.Sorted(maps.Keys(found)) {
			t := found[name]
			waits := slices.ContainsFunc(slices.Collect(maps.Values(t.parents)), func(parent string) bool {
				return found[parent] != nil && parent != name && !done[parent]
			})
			if !done[name] && !waits {
				done[name], tables = true, append(tables, *t)
			}
		}
		if len(tables) == before {
			return nil, errors.New("the tables refer to each other in a circle: break it in a migration")
		}
	}
	return tables, nil
}

func (s *live) readVersion(ctx context.Context, tx pgx.Tx) error {
	err := tx.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&s.version)
	return clean("reading the version of the schema", err)
}

// readPromises reads the shortest period of each category, those that were replaced by longer ones included: they bind
// what was collected under them.
func (s *live) readPromises(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT category, extract(epoch FROM min(period))::bigint FROM retention_rule GROUP BY 1 ORDER BY category COLLATE "C"`)
	if err != nil {
		return clean("reading the periods", err)
	}
	s.promises, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Promise])
	return clean("reading the periods", err)
}

func (s *live) head(controller string) Head {
	h := Head{Format: Format, SchemaVersion: s.version, Controller: controller, Promises: s.promises, LeftOut: s.left}
	for i := range s.tables {
		e := Entity{Name: s.tables[i].name}
		for _, c := range s.tables[i].columns {
			e.Columns = append(e.Columns, c.name)
		}
		h.Entities = append(h.Entities, e)
	}
	return h
}

// attribute keeps the tables whose records belong to an office, and gives the condition that picks them (A2).
func (s *live) attribute() map[string]string {
	conditions := map[string]string{}
	kept := make([]table, 0, len(s.tables))
	for _, t := range s.tables {
		if slices.ContainsFunc(t.columns, func(c column) bool { return c.name == "office" }) {
			conditions[t.name] = " WHERE office = ANY ($1)"
		}
		for _, child := range slices.Sorted(maps.Keys(t.parents)) {
			parent := t.parents[child]
			if condition, ok := conditions[parent]; ok && conditions[t.name] == "" {
				conditions[t.name] = fmt.Sprintf(" WHERE %s IN (SELECT %s FROM %s%s)", ident(child), ident(s.keyOf(parent)), ident(parent), condition)
			}
		}
		if conditions[t.name] == "" {
			s.left = append(s.left, LeftOut{t.name, reasonUnattributable})
			continue
		}
		kept = append(kept, t)
	}
	s.tables = kept
	slices.SortFunc(s.left, func(a, b LeftOut) int { return cmp.Compare(a.Name, b.Name) })
	return conditions
}

func (s *live) keyOf(name string) string {
	for i := range s.tables {
		if s.tables[i].name == name {
			return s.tables[i].key[0]
		}
	}
	return "id"
}

// jsonSchema describes one record of a table.
func (t *table) jsonSchema() ([]byte, error) {
	properties := map[string]any{}
	required := make([]string, 0, len(t.columns))
	for _, c := range t.columns {
		properties[c.name] = c.jsonSchema()
		required = append(required, c.name)
	}
	return marshal(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": t.name, "type": "object",
		"properties": properties, "required": required, "additionalProperties": false,
	})
}

func (c column) jsonSchema() map[string]any {
	property := map[string]any{}
	if c.category != "" && c.category != "None" {
		property["x-termintreu-category"] = v1alpha1.Category(c.category)
	}
	kind := "string"
	switch c.typeName {
	case "int2", "int4", "int8":
		kind = "integer"
	case "numeric", "float4", "float8":
		kind = "number"
	case "bool":
		kind = "boolean"
	case "json", "jsonb":
		return property
	case "timestamptz":
		property["format"] = "date-time"
	case "date", "uuid":
		property["format"] = c.typeName
	case "bytea":
		property["contentEncoding"] = "base64"
	}
	if c.array {
		kind = "array"
	}
	property["type"] = kind
	if c.nullable {
		property["type"] = []string{kind, "null"}
	}
	return property
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

func idents(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = ident(name)
	}
	return strings.Join(quoted, ", ")
}
