// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

// TestBenchSchema holds schema, roles and migrations of a tenant against psql running the same statements. Both work
// in one session, one tenant after the other; Ensure also looks what is there, takes a lock, and makes verifiers of
// passwords, which psql is given.
func TestBenchSchema(t *testing.T) {
	n := Scaled(100)
	report := NewReport(t, "Schema, roles and migrations")
	server := pgtest.Start(t)
	database, admin := prepared(t, server)
	psql := newPrograms(t, server, database, server.AdminUser, server.AdminPassword)

	var scripts []string
	for range Rounds {
		var script strings.Builder
		for range n {
			sql, err := admin.FreshSQL(t.Context(), newDatabaseTenant())
			must(t, err)
			script.WriteString(sql + "\n")
		}
		file := filepath.Join(t.TempDir(), "tenants.sql")
		must(t, os.WriteFile(file, []byte(script.String()), 0o600))
		scripts = append(scripts, file)
	}
	ensured, ran := Compare(t, func() { ensure(t, admin, n) }, func() {
		file := scripts[0]
		scripts = scripts[1:]
		must(t, psql.psql(t.Context(), file))
	})
	each := float64(n)
	report.AtMost("CPU of a tenant, ours beside psql", Duration, ensured.CPU/each, ran.CPU/each, 1.3)
	report.AtMost("time of a tenant, ours beside psql", Duration, ensured.Wall/each, ran.Wall/each, 1.3)
}

func ensure(tb testing.TB, admin *postgres.Admin, n int) {
	tb.Helper()
	for range n {
		must(tb, admin.Ensure(tb.Context(), newDatabaseTenant()))
	}
}
