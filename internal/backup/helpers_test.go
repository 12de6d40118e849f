// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// tenant is a schema with rows in it and a role that may only SELECT, as the operator makes them.
type tenant struct {
	server   *pgtest.Server
	schema   string
	rows     int
	identity *age.X25519Identity
	stores   []*s3test.Store
	options  backup.Options
}

const secretName = "Vreni Geheimnis" // a citizen's name, which may appear nowhere

func newTenant(t *testing.T, stores []*s3test.Store, rows int) *tenant {
	t.Helper()
	return newTenantAt(t, pgtest.Start(t), stores, rows)
}

func newTenantAt(t *testing.T, server *pgtest.Server, stores []*s3test.Store, rows int) *tenant {
	t.Helper()
	schema := "t" + strings.ToLower(rand.Text()[:15])
	password := rand.Text() + `:\ '"` // whatever a password file must escape
	db := server.Superuser(t, server.Database)
	execute(t, db, fmt.Sprintf(`CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public; CREATE SCHEMA %[1]s; SET search_path = %[1]s`, schema))
	migration, err := os.ReadFile("../postgres/migrations/00001_booking.sql")
	must(t, err)
	up, _, _ := strings.Cut(string(migration), "-- +goose Down")
	execute(t, db, up)
	execute(t, db, fmt.Sprintf(`RESET search_path;
		INSERT INTO %[1]s.appointment (office, counter, service, channel, starts_at, ends_at, locale, token_hash)
		SELECT 'office', 1, 'service', 'OnSite', now() + n * interval '1 hour', now() + (n + 1) * interval '1 hour', 'de',
		       decode(md5(n::text) || md5(random()::text) || md5(random()::text), 'hex') FROM generate_series(1, %[2]d) n;
		INSERT INTO %[1]s.contact (appointment_id, given_name, family_name, notice_date)
		SELECT id, '%[3]s', '%[3]s', current_date FROM %[1]s.appointment;
		CREATE ROLE %[1]s_backup LOGIN PASSWORD %[4]s;
		GRANT USAGE ON SCHEMA %[1]s TO %[1]s_backup;
		GRANT SELECT ON ALL TABLES IN SCHEMA %[1]s TO %[1]s_backup;
		GRANT SELECT ON ALL SEQUENCES IN SCHEMA %[1]s TO %[1]s_backup`, schema, rows, secretName, quote(password)))
	identity, err := age.GenerateX25519Identity()
	must(t, err)
	tn := &tenant{server: server, schema: schema, rows: rows, identity: identity, stores: stores}
	tn.options = backup.Options{
		Settings: settings.Backup{
			DataID: schema, Recipients: []string{identity.Recipient().String()}, Period: "90d",
			Database: settings.Database{Host: server.Host, Port: server.Port, Name: server.Database, Schema: schema, CABundle: server.CABundle},
		},
		Credentials: settings.Credentials{Username: schema + "_backup", Password: password},
		Scratch:     t.TempDir(),
	}
	tn.bind(t)
	return tn
}

// bind gives the tenant its identities at every store, as the operator does.
func (tn *tenant) bind(t *testing.T) {
	t.Helper()
	for _, store := range tn.stores {
		identities, err := objectstore.NewIdentities(v1alpha1.IdentityProviderVersityGateway, store.Objects(t))
		must(t, err)
		must(t, identities.Ensure(t.Context(), tn.schema, tn.pair()))
		tn.options.Settings.Stores = append(tn.options.Settings.Stores, store.Settings(tn.schema+"/"))
	}
	writer := tn.pair().Writer
	tn.options.Keys = func(string) (string, string, error) { return writer.AccessKeyID, writer.SecretAccessKey, nil }
}

func (tn *tenant) pair() objectstore.Pair {
	pair := objectstore.PairOf(tn.schema)
	pair.Writer.SecretAccessKey, pair.Keeper.SecretAccessKey = "write "+tn.schema, "keep "+tn.schema
	return pair
}

// expire runs the job of expiry, with the keeper's identity and no access to the database.
func (tn *tenant) expire(t *testing.T) (backup.Result, error) {
	t.Helper()
	keeper, options := tn.pair().Keeper, tn.options
	options.Credentials = settings.Credentials{}
	options.Keys = func(string) (string, string, error) { return keeper.AccessKeyID, keeper.SecretAccessKey, nil }
	return backup.Expire(t.Context(), options)
}

// dumping replaces pg_dump by a script, and pg_restore by one that takes whatever it writes.
func (tn *tenant) dumping(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	tn.options.PGDump, tn.options.PGRestore = filepath.Join(dir, "pg_dump"), filepath.Join(dir, "pg_restore")
	must(t, os.WriteFile(tn.options.PGDump, []byte("#!/bin/sh\n[ \"$1\" = --version ] && exec pg_dump --version\n"+script), 0o700))
	must(t, os.WriteFile(tn.options.PGRestore, []byte("#!/bin/sh\nhead -c 1000 > /dev/null\necho '1; 0 2 TABLE DATA a b c'\n"), 0o700))
}

// inventory of the tenant at a store.
func (tn *tenant) inventory(t *testing.T, store *s3test.Store) objectstore.Inventory {
	t.Helper()
	all, err := store.Objects(t).Inventory(t.Context())
	must(t, err)
	return all[tn.schema]
}

func (tn *tenant) run(t *testing.T) backup.Result {
	t.Helper()
	result, err := backup.Run(t.Context(), tn.options)
	must(t, err)
	return result
}

// copyOf the backup at a store, as bytes.
func (tn *tenant) copyOf(t *testing.T, store *s3test.Store, start time.Time) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backup.dump.zst.age")
	content, err := store.Objects(t).Get(t.Context(), objectstore.Key(tn.schema+"/", start, objectstore.KindDump))
	must(t, err)
	defer func() { _ = content.Close() }()
	out, err := os.Create(file)
	must(t, err)
	_, err = out.ReadFrom(content)
	must(t, err)
	must(t, out.Close())
	return file
}

func execute(t *testing.T, db *pgx.Conn, sql string) {
	t.Helper()
	if _, err := db.Exec(context.Background(), sql); err != nil {
		t.Fatal(err)
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func copies(result backup.Result) map[string]backup.Copy {
	found := map[string]backup.Copy{}
	for _, store := range result.Stores {
		found[store.Name] = store.Copy
	}
	return found
}
