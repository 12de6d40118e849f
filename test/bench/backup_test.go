// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// TestBenchBackup holds a backup to three stores, each read back, against a pipe to one local file. The stores run on
// the same cores: what they cost is told, and is in our figure.
func TestBenchBackup(t *testing.T) {
	rows := Scaled(2_000_000)
	server, stores := pgtest.Start(t), s3test.Start(t, 3)
	b := newBackupBench(t, server, stores, rows)
	report := NewReport(t, fmt.Sprintf("Backup of %d rows", rows))
	var peak, program float64
	ours, theirs := Compare(t, func() {
		most, file := b.ours(t)
		peak, program = max(peak, most), max(program, file)
	}, func() { b.pipe(t) })
	report.AtMost("time of three copies, beside a pipe to one local file", Duration, ours.Wall, theirs.Wall, 1.15)
	report.Tell("CPU of the pipe, server included", Duration, theirs.CPU)
	report.Tell("CPU of three copies, servers included", Duration, ours.CPU)
	before := cpuByName(t, os.Getpid())
	b.ours(t)
	tellCPU(t, report, before, 1)
	report.Limit("peak memory of our own process, its program included", Bytes, peak, 64<<20)
	report.Tell("  of which pages of the program file, which the kernel may drop", Bytes, program)
	file, err := os.Stat(b.file)
	must(t, err)
	report.Tell("size of a copy", Bytes, float64(file.Size()))
}

type backupBench struct {
	arguments []string
	dump      *programs
	schema    string
	recipient v1alpha1.AgeRecipient
	file      string
}

func newBackupBench(tb testing.TB, server *pgtest.Server, stores []*s3test.Store, rows int) *backupBench {
	tb.Helper()
	database, admin := prepared(tb, server)
	tenant := newDatabaseTenant()
	must(tb, admin.Ensure(tb.Context(), tenant))
	conn := server.Superuser(tb, database)
	// Half of a line cannot be made smaller, as of addresses and agents it hardly could.
	_, err := conn.Exec(tb.Context(), "INSERT INTO "+pgx.Identifier{tenant.DataID, "access_log"}.Sanitize()+` (user_agent, method, route, status)
		SELECT 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) ' || md5(n::text), 'GET', '/{lang}/services/{service}', 200 FROM generate_series(1, $1::int) AS n`, rows)
	must(tb, err)
	user, dir := postgres.RolesOf(tenant.DataID).Backup, tb.TempDir()
	b := &backupBench{
		dump:   newPrograms(tb, server, database, user, tenant.Backup),
		schema: tenant.DataID, recipient: recipient(tb), file: filepath.Join(dir, "local.dump.zst.age"),
	}
	document := settings.Backup{
		DataID: tenant.DataID, Database: databaseOf(server, database, tenant.DataID), Recipients: []string{string(b.recipient)}, Period: "90d",
	}
	files := map[string]string{settings.UsernameKey: user, settings.PasswordKey: tenant.Backup}
	for i, maker := range identitiesOf(tb, stores) {
		store, pair := stores[i], pairOf(tenant.DataID)
		must(tb, maker.Ensure(tb.Context(), tenant.DataID, pair))
		idKey, secretKey := settings.StoreKeys(store.Name)
		files[idKey], files[secretKey] = pair.Writer.AccessKeyID, pair.Writer.SecretAccessKey
		document.Stores = append(document.Stores, store.Settings(tenant.DataID+"/"))
	}
	raw, err := json.Marshal(document)
	must(tb, err)
	files[settings.FileKey] = string(raw)
	for name, content := range files {
		must(tb, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	b.arguments = []string{
		"backup", "--settings=" + filepath.Join(dir, settings.FileKey), "--credentials=" + dir, "--stores=" + dir,
		"--termination-log=" + filepath.Join(dir, "none"),
	}
	return b
}

// ours runs the job as the cluster does, and gives the most memory it had, and what of it was the program's file.
func (b *backupBench) ours(tb testing.TB) (peak, program float64) {
	tb.Helper()
	command := exec.CommandContext(tb.Context(), operand(tb), b.arguments...)
	command.Env = []string{"PATH=" + b.dump.server.Binaries + ":" + os.Getenv("PATH")}
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	must(tb, command.Start())
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-exited:
			if err != nil {
				tb.Fatalf("backing up: %v\n%s", err, output.String())
			}
			return peak, program
		case <-ticker.C:
			// The kernel remembers the peak, so that between two looks nothing is lost but after the last.
			if most, err := memory(command.Process.Pid, "VmHWM"); err == nil {
				peak = max(peak, most)
			}
			if file, err := memory(command.Process.Pid, "RssFile"); err == nil {
				program = max(program, file)
			}
		}
	}
}

// pipe is what a DBA would type.
func (b *backupBench) pipe(tb testing.TB) {
	tb.Helper()
	command := b.dump.command(tb.Context(), "pg_dump")
	dump := append([]string{command.Path}, "--format=custom", "--compress=0", "--no-password", "--schema="+b.schema)
	script := `set -o pipefail; recipient=$1 file=$2; shift 2; "$@" | zstd --quiet --stdout | age --recipient "$recipient" --output "$file"`
	shell := exec.CommandContext(tb.Context(), "bash", append([]string{"-c", script, "pipe", string(b.recipient), b.file}, dump...)...)
	shell.Env = command.Env
	if output, err := shell.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", errors.Join(err, tb.Context().Err()), output)
	}
}

// pairOf draws the identities of a tenant.
func pairOf(dataID string) objectstore.Pair {
	pair := objectstore.PairOf(dataID)
	pair.Writer.SecretAccessKey, pair.Keeper.SecretAccessKey = rand.Text()+rand.Text(), rand.Text()+rand.Text()
	return pair
}

// identitiesOf gives the maker of identities of each store.
func identitiesOf(tb testing.TB, stores []*s3test.Store) (makers []objectstore.Identities) {
	tb.Helper()
	for _, store := range stores {
		maker, err := objectstore.NewIdentities(v1alpha1.IdentityProviderVersityGateway, store.Objects(tb))
		must(tb, err)
		makers = append(makers, maker)
	}
	return makers
}
