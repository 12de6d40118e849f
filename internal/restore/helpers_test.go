// SPDX-License-Identifier: Apache-2.0

package restore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/journal"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

const (
	day        = 24 * time.Hour
	secretName = "Vreni Geheimnis" // a citizen's name, which may appear nowhere
)

// world is a tenant in a database of its own, as the operator makes it, with stores that hold its backups.
type world struct {
	t        *testing.T
	server   *pgtest.Server
	database string
	admin    *postgres.Admin
	tenant   postgres.Tenant
	stores   []*s3test.Store
	identity *age.X25519Identity
	key      []byte
	backup   backup.Options
}

func newWorld(t *testing.T, stores int) *world {
	t.Helper()
	return newWorldAt(t, pgtest.Start(t), stores)
}

func newWorldAt(t *testing.T, server *pgtest.Server, stores int) *world {
	t.Helper()
	w := &world{t: t, server: server, database: server.NewDatabase(t), stores: s3test.Start(t, stores), key: make([]byte, journal.KeySize)}
	_, _ = rand.Read(w.key)
	var err error
	w.identity, err = age.GenerateX25519Identity()
	must(t, err)
	w.tenant = postgres.Tenant{
		DataID: "t" + strings.ToLower(rand.Text()[:15]), Namespace: "basel", Name: "termine", UID: "4b0c", SpecHash: "1",
		AppA: rand.Text(), Retention: rand.Text(), Backup: rand.Text(), Tolerance: time.Minute,
	}
	for category, period := range map[v1alpha1.Category]time.Duration{
		v1alpha1.CategoryHold: time.Hour, v1alpha1.CategoryUnconfirmedBooking: time.Hour, v1alpha1.CategoryContact: 30 * day,
		v1alpha1.CategoryAppointment: 30 * day, v1alpha1.CategoryMailOutbox: 3 * day, v1alpha1.CategoryAccessLog: 7 * day,
		v1alpha1.CategoryAuditLog: 365 * day, v1alpha1.CategoryErasureJournal: 120 * day,
	} {
		w.tenant.Rules = append(w.tenant.Rules, postgres.Rule{Category: category, StartEvent: v1alpha1.StartCreation, Period: period, Action: v1alpha1.ActionDelete})
	}
	w.prepare()
	w.backup = backup.Options{
		Settings: settings.Backup{
			DataID: w.tenant.DataID, Recipients: []string{w.identity.Recipient().String()}, Period: "90d", Database: w.target(), Stores: w.storeSettings(),
		},
		Credentials: settings.Credentials{Username: postgres.RolesOf(w.tenant.DataID).Backup, Password: w.tenant.Backup},
		Keys:        w.storeKeys, Scratch: t.TempDir(), PGDump: filepath.Join(server.Binaries, "pg_dump"),
	}
	for _, store := range w.stores {
		identities, err := objectstore.NewIdentities(v1alpha1.IdentityProviderVersityGateway, store.Objects(w.t))
		must(t, err)
		pair := objectstore.PairOf(w.tenant.DataID)
		pair.Writer.SecretAccessKey, pair.Keeper.SecretAccessKey = "never used", "secret of "+w.tenant.DataID
		must(t, identities.Ensure(t.Context(), w.tenant.DataID, pair))
	}
	return w
}

// prepare brings database and tenant about.
func (w *world) prepare() {
	w.t.Helper()
	admin, err := postgres.Open(w.t.Context(), postgres.Server{
		Name: "test", Host: w.server.Host, Port: w.server.Port, CABundle: w.server.CABundle, Username: w.server.AdminUser, Password: w.server.AdminPassword,
	}, w.database)
	must(w.t, err)
	w.t.Cleanup(admin.Close)
	must(w.t, admin.Prepare(w.t.Context()))
	must(w.t, admin.Ensure(w.t.Context(), w.tenant))
	w.admin = admin
}

func (w *world) target() settings.Database {
	return settings.Database{Host: w.server.Host, Port: w.server.Port, Name: w.database, Schema: w.tenant.DataID, CABundle: w.server.CABundle}
}

func (w *world) storeKeys(string) (id, secret string, err error) {
	return w.tenant.DataID, "secret of " + w.tenant.DataID, nil
}

func (w *world) storeSettings() (list []settings.Store) {
	for _, store := range w.stores {
		list = append(list, store.Settings(w.tenant.DataID+"/"))
	}
	return list
}

// fill books n confirmed appointments in the days to come, and due ones whose period ended while nobody purged.
func (w *world) fill(n, due int) {
	w.t.Helper()
	w.exec(fmt.Sprintf(`INSERT INTO %[1]s.appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
		SELECT 'hall', 1, 'passport', 'OnSite', now() + n * interval '1 hour', now() + (n + 1) * interval '1 hour', 'confirmed', 'de', sha256(convert_to(gen_random_uuid()::text, 'UTF8'))
			FROM generate_series(1, %[2]d) AS n
		UNION ALL SELECT 'hall', 1, 'passport', 'OnSite', now() - interval '31 days' - n * interval '1 hour', now() - interval '31 days' - (n - 1) * interval '1 hour', 'confirmed', 'de',
			sha256(convert_to(gen_random_uuid()::text, 'UTF8')) FROM generate_series(1, %[3]d) AS n;
		INSERT INTO %[1]s.contact (appointment_id, given_name, family_name, notice_date) SELECT id, '%[4]s', E'a\tb\\\\.\n\\.\nc', current_date FROM %[1]s.appointment;
		INSERT INTO %[1]s.audit_log (actor, action, object) SELECT 'citizen', 'confirmed', 'appointment/' || id FROM %[1]s.appointment;
		INSERT INTO %[1]s.access_log (method, route, status) VALUES ('GET', '/', 200)`, w.tenant.DataID, n, due, secretName))
}

func (w *world) exec(sql string, arguments ...any) {
	w.t.Helper()
	conn := w.server.Superuser(w.t, w.database)
	defer func() { _ = conn.Close(context.Background()) }()
	if len(arguments) == 0 {
		_, err := conn.PgConn().Exec(w.t.Context(), sql).ReadAll()
		must(w.t, err)
		return
	}
	_, err := conn.Exec(w.t.Context(), sql, arguments...)
	must(w.t, err)
}

func value[T any](w *world, sql string, arguments ...any) T {
	w.t.Helper()
	conn := w.server.Superuser(w.t, w.database)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(w.t.Context(), strings.ReplaceAll(sql, "$SCHEMA", w.tenant.DataID), arguments...)
	must(w.t, err)
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	must(w.t, err)
	return found
}

// digest of what matters in the schema, whatever the order of its rows; without is left out.
func (w *world) digest(without ...string) string {
	w.t.Helper()
	if without == nil {
		without = []string{}
	}
	return value[string](w, `SELECT count(*) || ' ' || md5(string_agg(a::text || c::text, '|' ORDER BY a.id)) FROM $SCHEMA.appointment AS a JOIN $SCHEMA.contact AS c ON c.appointment_id = a.id
		WHERE a.ends_at > now() AND a.id::text <> ALL ($1)`, without)
}

// backUp takes a backup to every store.
func (w *world) backUp() backup.Result {
	w.t.Helper()
	result, err := backup.Run(w.t.Context(), w.backup)
	must(w.t, err)
	return result
}

// erase writes journal entries to one store, as a shipped erasure does.
func (w *world) erase(store *s3test.Store, ids ...string) {
	w.t.Helper()
	var entries []journal.Entry
	for _, id := range ids {
		entries = append(entries, journal.Entry{Mark: journal.Mark(w.key, "appointment", id), At: time.Now().UTC()})
	}
	var wrapped bytes.Buffer
	out, err := age.Encrypt(&wrapped, w.identity.Recipient())
	must(w.t, err)
	_, err = out.Write(w.key)
	must(w.t, err)
	must(w.t, out.Close())
	raw, err := journal.Make(w.tenant.DataID, journal.NameOf(w.key), wrapped.Bytes(), entries)
	must(w.t, err)
	must(w.t, store.Objects(w.t).PutBytes(w.t.Context(), journal.Prefix(w.tenant.DataID+"/")+rand.Text(), raw))
}

// begin makes the quarantine and gives what the job runs with.
func (w *world) begin(restoreUID string) restore.Options {
	w.t.Helper()
	password := rand.Text()
	must(w.t, w.admin.BeginRestore(w.t.Context(), w.tenant.DataID, restoreUID, password, time.Now().Add(time.Hour)))
	return restore.Options{
		Settings: settings.Restore{DataID: w.tenant.DataID, Source: w.tenant.DataID, Database: w.target(), Stores: w.storeSettings()},
		Credentials: settings.Credentials{
			Username: postgres.QuarantineOf(w.tenant.DataID).Role, Password: password,
		},
		Stores: w.storeKeys, Keys: restore.Identity{w.identity}, Program: filepath.Join(w.server.Binaries, "pg_restore"),
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func otherIdentity(t *testing.T) restore.Identity {
	t.Helper()
	other, err := age.GenerateX25519Identity()
	must(t, err)
	return restore.Identity{other}
}
