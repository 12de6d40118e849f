// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/archive"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

const (
	day      = 24 * time.Hour
	tenYears = 3650 * day
	// secretName is a citizen's name, which may appear nowhere but in what was decrypted.
	secretName = "Vreni Geheimnis"
)

// tenant is one whose attachments are archived, as the operator makes it, with two archives.
type tenant struct {
	postgres.Tenant
	admin    *postgres.Admin
	super    *pgx.Conn
	identity *age.X25519Identity
	stores   []*s3test.Store
	job      job
}

// job is all that a process needs to hand over.
type job struct {
	Settings settings.Archive
	Login    settings.Credentials
	Keys     objectstore.Keys
}

func (j *job) run(ctx context.Context) (archive.Report, error) {
	config, err := postgres.OperandConfig(j.Settings.Database, j.Login)
	if err != nil {
		return archive.Report{}, err
	}
	return archive.Run(ctx, archive.Options{Settings: j.Settings, Config: config,
		Keys: func(string) (string, string, error) { return j.Keys.AccessKeyID, j.Keys.SecretAccessKey, nil }})
}

// jobVariable makes the test binary a hand-over, so that it can be killed like one.
const jobVariable = "TERMINTREU_TEST_ARCHIVE"

func TestMain(m *testing.M) {
	if os.Getenv(jobVariable) == "" {
		os.Exit(m.Run())
	}
	var j job
	err := json.NewDecoder(os.Stdin).Decode(&j)
	if err == nil {
		_, err = j.run(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process is a hand-over that can be killed.
func (tn *tenant) process(t *testing.T) *exec.Cmd {
	t.Helper()
	input, err := json.Marshal(tn.job)
	must(t, err)
	executable, err := os.Executable()
	must(t, err)
	command := exec.CommandContext(t.Context(), executable)
	command.Env = append(os.Environ(), jobVariable+"=1")
	command.Stdin = strings.NewReader(string(input))
	return command
}

func newTenant(t *testing.T) *tenant {
	t.Helper()
	server := pgtest.Start(t)
	database := server.NewDatabase(t)
	admin, err := postgres.Open(t.Context(), postgres.Server{
		Name: "test", Host: server.Host, Port: server.Port, CABundle: server.CABundle, Username: server.AdminUser, Password: server.AdminPassword,
	}, database)
	must(t, err)
	t.Cleanup(admin.Close)
	must(t, admin.Prepare(t.Context()))
	rule := func(c v1alpha1.Category, s v1alpha1.StartEvent, period time.Duration, a v1alpha1.Action) postgres.Rule {
		return postgres.Rule{Category: c, StartEvent: s, Period: period, Action: a}
	}
	document := rule(v1alpha1.CategoryAttachment, v1alpha1.StartAppointmentEnd, 30*day, v1alpha1.ActionArchive)
	document.ArchivePeriod = tenYears
	tn := &tenant{admin: admin, stores: s3test.Start(t, 2), Tenant: postgres.Tenant{
		DataID: "t" + strings.ToLower(rand.Text())[:15], SpecHash: "x", Archive: rand.Text(), Tolerance: time.Minute,
		Rules: []postgres.Rule{
			rule(v1alpha1.CategoryHold, v1alpha1.StartCreation, 15*time.Minute, v1alpha1.ActionDelete),
			rule(v1alpha1.CategoryAppointment, v1alpha1.StartAppointmentEnd, 30*day, v1alpha1.ActionAnonymize), document,
		},
	}}
	must(t, admin.Ensure(t.Context(), tn.Tenant))
	tn.super = server.Superuser(t, database)
	execute(t, tn.super, "SET search_path = "+pgx.Identifier{tn.DataID}.Sanitize())
	tn.identity, err = age.GenerateX25519Identity()
	must(t, err)
	tn.job = job{Login: settings.Credentials{Username: postgres.RolesOf(tn.DataID).Archive, Password: tn.Archive}, Settings: settings.Archive{
		DataID: tn.DataID, Recipients: []string{tn.identity.Recipient().String()},
		Database: settings.Database{Host: server.Host, Port: server.Port, Name: database, Schema: tn.DataID, CABundle: server.CABundle},
	}}
	tn.bind(t)
	return tn
}

// bind gives the tenant its writer at every archive, as the operator does.
func (tn *tenant) bind(t *testing.T) {
	t.Helper()
	pair := objectstore.ArchivePairOf(tn.DataID)
	pair.Writer.SecretAccessKey, pair.Keeper.SecretAccessKey = "write "+tn.DataID, "keep "+tn.DataID
	tn.job.Keys = pair.Writer
	for _, store := range tn.stores {
		identities, err := objectstore.NewIdentities(v1alpha1.IdentityProviderVersityGateway, store.Objects(t))
		must(t, err)
		must(t, identities.Ensure(t.Context(), tn.DataID, pair))
		tn.job.Settings.Stores = append(tn.job.Settings.Stores, store.Settings(tn.DataID+"/"))
	}
}

// behind puts a proxy that lies before the archive of a number.
func (tn *tenant) behind(t *testing.T, n int, fault s3test.Fault) {
	t.Helper()
	liar := tn.stores[n].Behind(t, fault)
	tn.job.Settings.Stores[n].Endpoint, tn.job.Settings.Stores[n].CABundle = liar.Endpoint, liar.CABundle
}

// honest takes every proxy away.
func (tn *tenant) honest() {
	for n, store := range tn.stores {
		tn.job.Settings.Stores[n].Endpoint, tn.job.Settings.Stores[n].CABundle = store.Endpoint, store.CABundle
	}
}

// attach stores attachments of appointments that ended so long ago.
func (tn *tenant) attach(t *testing.T, number int, ended time.Duration) {
	t.Helper()
	execute(t, tn.super, `WITH a AS (INSERT INTO appointment (office, counter, service, channel, starts_at, ends_at, state, locale, token_hash)
			SELECT gen_random_uuid()::text, 1, 'passport', 'OnSite', now() - $2::interval - interval '15 min', now() - $2::interval, 'confirmed', 'de',
				convert_to(gen_random_uuid()::text, 'UTF8') FROM generate_series(1, $1) RETURNING id)
		INSERT INTO attachment (appointment_id, file_name, media_type, content, created_at)
			SELECT id, $3, 'application/pdf', convert_to($3 || id, 'UTF8'), now() - interval '400 days' FROM a`, number, ended, secretName)
}

func (tn *tenant) count(t *testing.T, what string) (n int64) {
	t.Helper()
	must(t, tn.super.QueryRow(t.Context(), "SELECT "+what).Scan(&n))
	return n
}

// lies gives every version at an archive by its key.
func (tn *tenant) lies(t *testing.T, store *s3test.Store) map[string][]objectstore.Version {
	t.Helper()
	found := map[string][]objectstore.Version{}
	must(t, store.Objects(t).ListVersions(t.Context(), tn.DataID+"/", func(v objectstore.Version) error {
		found[v.Key] = append(found[v.Key], v)
		return nil
	}))
	return found
}

// whole expects that every archive holds exactly so many records, locked, and that each opens with the tenant's key.
func (tn *tenant) whole(t *testing.T, records int) {
	t.Helper()
	for _, store := range tn.stores {
		found := tn.lies(t, store)
		if len(found) != records {
			t.Errorf("%s holds %d records, want %d", store.Name, len(found), records)
		}
		for key := range found {
			until, ok := objectstore.ParseArchiveKey(key)
			info, err := store.Objects(t).Stat(t.Context(), key, "")
			must(t, err)
			if !ok || !info.Lock.Until.Equal(until) || until.Before(time.Now().Add(tenYears-100*day)) {
				t.Errorf("%s: %s is locked until %s", store.Name, key, info.Lock.Until)
			}
			if document := tn.open(t, store, key); !strings.Contains(document, secretName) || strings.Contains(key, secretName) {
				t.Errorf("%s: %s holds something else", store.Name, key)
			}
		}
	}
}

// open decrypts a record as its holder would.
func (tn *tenant) open(t *testing.T, store *s3test.Store, key string) string {
	t.Helper()
	object, err := store.Objects(t).Get(t.Context(), key)
	must(t, err)
	defer func() { _ = object.Close() }()
	plain, err := age.Decrypt(object, tn.identity)
	must(t, err)
	raw, err := io.ReadAll(plain)
	must(t, err)
	return string(raw)
}

func execute(t *testing.T, conn *pgx.Conn, sql string, arguments ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, arguments...)
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
