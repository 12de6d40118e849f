// SPDX-License-Identifier: Apache-2.0

package export

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"
)

// seed is a small export made without a database.
func seed(f *testing.F) []byte {
	f.Helper()
	var out bytes.Buffer
	line := []byte(`{"a":"x","b":null}` + "\n")
	sum := sha256.Sum256(line)
	a := &archive{tar: tar.NewWriter(&out), manifest: Manifest{Format: Format, Records: []Records{{"t", 1, hex.EncodeToString(sum[:])}}}}
	for _, err := range []error{
		a.document(FormatFile, Head{Format: Format, Entities: []Entity{{"t", []string{"a", "b"}}}}),
		a.file(ReadmeFile, []byte(readme)), a.document(CatalogueFile, Catalogue{}), a.file("data/t.0001.jsonl", line), a.end(),
	} {
		if err != nil {
			f.Fatal(err)
		}
	}
	return out.Bytes()
}

// What somebody else wrote is refused or read, and what is read is what its manifest says.
func FuzzRead(f *testing.F) {
	good := seed(f)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		counts := map[string]int64{}
		manifest, err := Read(bytes.NewReader(raw), Visitor{Records: func(e Entity, lines [][]byte) error {
			counts[e.Name] += int64(len(lines))
			return nil
		}})
		if err != nil {
			return
		}
		for _, r := range manifest.Records {
			if counts[r.Entity] != r.Count {
				t.Errorf("%d records of %s were given, the manifest says %d", counts[r.Entity], r.Entity, r.Count)
			}
		}
		if differences := Compare(manifest, manifest); len(differences) > 0 {
			t.Errorf("it differs from itself: %v", differences)
		}
	})
}

// A line becomes one JSON object with exactly the columns asked for, or an error: nothing in it can reach another column.
func FuzzLine(f *testing.F) {
	table := &table{name: "t", columns: []column{{name: "a"}, {name: "b", class: classBytes}, {name: "c", class: classRaw}}}
	for _, line := range []string{
		`{"a":"x","b":"AAE=","c":1}`, `{"a":null,"b":null,"c":[1,{}]}`, `{"a":"x","a":"y","b":"","c":null}`, `[]`, `null`, "{",
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var out bytes.Buffer
		if err := table.parse(&out, []string{"a", "b", "c"}, line); err != nil {
			return
		}
		var record map[string]any
		if err := json.Unmarshal(out.Bytes(), &record); err != nil || len(record) != 3 {
			t.Errorf("%q became %q", line, out.Bytes())
		}
	})
}

// No cell of a citizen's begins a formula.
func FuzzCell(f *testing.F) {
	for _, cell := range []string{"", "=1+1", "+49", "@a", "-x", "\tx", "Müller"} {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		if safe := harmless(cell); safe != "" && bytes.ContainsAny([]byte(safe[:1]), "=+-@\t\r") {
			t.Errorf("%q became %q", cell, safe)
		}
	})
}
