// SPDX-License-Identifier: Apache-2.0

package export

import (
	"fmt"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Format names this format and its version.
const Format = "termintreu-export/1"

// Names of the files in the tar, in this order: FormatFile first, ManifestFile last.
const (
	FormatFile    = "format.json"
	ReadmeFile    = "README.txt"
	CatalogueFile = "catalogue.json"
	schemaDir     = "schemas/"
	dataDir       = "data/"
	officeDir     = "offices/"
	ManifestFile  = "manifest.json"
)

// Head is the first file: what must be known before the first record is read.
type Head struct {
	// Format is Format.
	Format string `json:"format"`
	// SchemaVersion of the database schema the records come from.
	SchemaVersion int64 `json:"schemaVersion"`
	// Controller whose records alone these are (A2); empty for those of all.
	Controller string `json:"controller,omitempty"`
	// Promises are the shortest periods the records were collected under; whoever imports them may keep none longer.
	Promises []Promise `json:"promises"`
	Entities []Entity  `json:"entities"`
	LeftOut  []LeftOut `json:"leftOut"`
}

// Promise is how long, in seconds, records of a category may be kept.
type Promise struct {
	Category v1alpha1.Category `json:"category"`
	Seconds  int64             `json:"seconds"`
}

// Period of the promise.
func (p Promise) Period() time.Duration { return time.Duration(p.Seconds) * time.Second }

// Entity is one table; every line of its files is one record with exactly these columns.
type Entity struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"`
}

// LeftOut is a table that is not exported, and why.
type LeftOut struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Manifest is the last file: what the others are.
type Manifest struct {
	Format        string `json:"format"`
	SchemaVersion int64  `json:"schemaVersion"`
	Controller    string `json:"controller,omitempty"`
	// Records per entity; two exports hold the same records when these are equal.
	Records []Records `json:"records"`
	Files   []File    `json:"files"`
}

// Records tells how many records an entity has, and the SHA-256 (hex) of all its lines one after the other.
type Records struct {
	Entity string `json:"entity"`
	Count  int64  `json:"count"`
	SHA256 string `json:"sha256"`
}

// File is one file of the tar with its size in bytes and SHA-256 (hex).
type File struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Total is the number of records of all entities.
func (m *Manifest) Total() (total int64) {
	for _, r := range m.Records {
		total += r.Count
	}
	return total
}

const notTheSame = "but they are not the same"

// Compare tells in sentences where two exports hold different records; nothing when they are equal. Catalogues, and the
// schema versions of the releases that wrote them, may differ.
func Compare(a, b *Manifest) (differences []string) {
	other := map[string]Records{}
	for _, r := range b.Records {
		other[r.Entity] = r
	}
	for _, r := range a.Records {
		o, found := other[r.Entity]
		delete(other, r.Entity)
		switch {
		case !found && r.Count > 0:
			differences = append(differences, fmt.Sprintf("%s: %d records in the first, no such entity in the second", r.Entity, r.Count))
		case !found:
		case r.Count != o.Count:
			differences = append(differences, fmt.Sprintf("%s: %d records in the first, %d in the second", r.Entity, r.Count, o.Count))
		case r.SHA256 != o.SHA256:
			differences = append(differences, fmt.Sprintf("%s: %d records in both, %s", r.Entity, r.Count, notTheSame))
		}
	}
	for _, r := range b.Records {
		if o, left := other[r.Entity]; left && o.Count > 0 {
			differences = append(differences, fmt.Sprintf("%s: no such entity in the first, %d records in the second", r.Entity, r.Count))
		}
	}
	return differences
}

const readme = `This is an export of an appointment site by Termintreu, in an open format.

format.json           format and version, entities with their columns, what was left out and why, and the
                      periods the records were collected under (seconds per category)
catalogue.json        controllers, offices and services, as they were published
schemas/NAME.schema.json   JSON Schema (2020-12) of one record of an entity
data/NAME.NNNN.jsonl  the records: JSON Lines, UTF-8, one record a line, ordered by primary key; read the files of
                      one entity in the order of their numbers. Times are UTC, bytes are base64.
offices/NAME.NNNN.csv the appointments of an office for a spreadsheet: RFC 4180, UTF-8. A cell that a spreadsheet
                      would take for a formula begins with an apostrophe.
manifest.json         size and SHA-256 of every file; count and SHA-256 of the records of every entity

Check the files:  jq -r '.files[] | "\(.sha256)  \(.path)"' manifest.json | sha256sum --check
`
