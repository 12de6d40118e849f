// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"strings"
	"testing"
	"text/template"
)

// text/template is what the files are written in; our own way of writing them out must say the same.
func TestStatementsAreWrittenAsTheTemplateLanguageSays(t *testing.T) {
	reference := template.Must(template.ParseFS(templates, "sql/roles.sql", "sql/rules.sql", "sql/grants.sql"))
	login := func(ident string) role { return role{Ident: ident, Verifier: "'SCRAM'", Limit: 4} }
	set := login(`"b"`)
	set.Exists, set.Settings = true, []setting{{"statement_timeout", "10s"}, {"lock_timeout", "5s"}}
	locked := login(`"c"`)
	locked.Locked = true
	base := layout{ID: "'ta'", Namespace: "'basel'", Name: "'termine'", UID: "'1'", Schema: `"ta"`, Operator: `"op"`, Group: `"g"`,
		Owner: role{Ident: `"o"`}, Retention: role{Ident: `"r"`}, Backup: role{Ident: `"k"`}, Apps: `"b", "c"`, ToleranceSeconds: 3600, SuspendedUntil: "NULL"}
	variants := map[string]layout{"nothing": {}, "no rules": base}
	base.Logins = []role{login(`"a"`), set, locked, {Ident: `"d"`}}
	base.Rules = []rule{
		{Category: "'Contact'", StartEvent: "'End'", Action: "'Delete'", Seconds: 86400},
		{Category: "'Record'", StartEvent: "'End'", Action: "'Archive'", Seconds: 60, ArchiveSeconds: 3600},
	}
	variants["mended"] = base
	base.Fresh, base.Owner.Exists, base.Membership, base.Archive = true, true, " WITH INHERIT FALSE", role{Ident: `"v"`}
	variants["fresh"] = base
	for name, data := range variants {
		for _, file := range []string{"roles.sql", "rules.sql", "grants.sql"} {
			var got, want strings.Builder
			if err := reference.ExecuteTemplate(&want, file, &data); err != nil {
				t.Fatal(err)
			}
			if err := statements.ExecuteTemplate(&got, file, &data); err != nil {
				t.Errorf("%s of %s: %v", file, name, err)
			}
			if got.String() != want.String() {
				t.Errorf("%s of %s is\n%s\nnot\n%s", file, name, got.String(), want.String())
			}
		}
	}
}
