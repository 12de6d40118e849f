// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/settings"
)

// searchPath keeps functions a tenant planted from being found (CVE-2026-55769).
const searchPath = "pg_catalog,pg_temp"

// systemCAs is where Debian keeps the certificate authorities of the system.
const systemCAs = "/etc/ssl/certs/ca-certificates.crt"

// dumper runs pg_dump for one schema.
type dumper struct {
	program     string
	database    settings.Database
	credentials settings.Credentials
	// dir holds the password file and the CA bundle, readable by nobody else, for as long as the run lasts.
	dir string

	// snapshot of somebody else's transaction to dump; empty for one of its own.
	snapshot string

	serverVersion, clientVersion string
	schemaVersion                int64
	// extensions of the database, as "name version", and owners of what is in the schema: what a restore needs.
	extensions, owners []string
}

// newDumper prepares a dump and refuses one that pg_dump could not make. close removes what it left on disk.
func newDumper(ctx context.Context, program, scratch string, database settings.Database, credentials settings.Credentials) (*dumper, error) {
	if program == "" {
		program = "pg_dump"
	}
	dir, err := os.MkdirTemp(scratch, "backup-")
	if err != nil {
		return nil, fmt.Errorf("making a scratch directory: %w", err)
	}
	d := &dumper{program: program, database: database, credentials: credentials, dir: dir}
	if err := d.prepare(ctx); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *dumper) close() { _ = os.RemoveAll(d.dir) }

func (d *dumper) prepare(ctx context.Context) error {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`)
	line := "*:*:*:*:" + escape.Replace(d.credentials.Password) + "\n"
	if err := os.WriteFile(d.passwordFile(), []byte(line), 0o600); err != nil {
		return fmt.Errorf("writing the password file: %w", err)
	}
	if d.database.CABundle != "" {
		if err := os.WriteFile(d.caFile(), []byte(d.database.CABundle), 0o600); err != nil {
			return fmt.Errorf("writing the CA bundle: %w", err)
		}
	}
	client, err := d.readClientVersion(ctx)
	if err != nil {
		return err
	}
	server, err := d.readServerVersion(ctx)
	if err != nil {
		return err
	}
	return refuseOlderClient(client, server)
}

func (d *dumper) passwordFile() string { return filepath.Join(d.dir, "pgpass") }

func (d *dumper) caFile() string {
	if d.database.CABundle == "" {
		return systemCAs
	}
	return filepath.Join(d.dir, "ca.crt")
}

func (d *dumper) readClientVersion(ctx context.Context) (major int, err error) {
	output, err := exec.CommandContext(ctx, d.program, "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("asking pg_dump for its version: %w", err)
	}
	d.clientVersion, major, err = parseClientVersion(string(output))
	return major, err
}

// parseClientVersion reads "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
func parseClientVersion(output string) (version string, major int, err error) {
	_, rest, found := strings.Cut(output, "(PostgreSQL) ")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return "", 0, errors.New("pg_dump does not say which version it is")
	}
	digits := fields[0]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	major, err = strconv.Atoi(digits)
	if err != nil {
		return "", 0, errors.New("pg_dump does not say which version it is")
	}
	return fields[0], major, nil
}

func (d *dumper) readServerVersion(ctx context.Context) (major int, err error) {
	config, err := d.connection()
	if err != nil {
		return 0, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return 0, fmt.Errorf("connecting to database %s: %w", d.database.Name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var number int
	err = conn.QueryRow(ctx, "SELECT current_setting('server_version'), current_setting('server_version_num')::int").
		Scan(&d.serverVersion, &number)
	if err != nil {
		return 0, fmt.Errorf("asking database %s for its version: %w", d.database.Name, err)
	}
	if err := d.readSchemaVersion(ctx, conn); err != nil {
		return 0, err
	}
	if err := conn.QueryRow(ctx, surroundings, d.database.Schema).Scan(&d.extensions, &d.owners); err != nil {
		return 0, fmt.Errorf("asking database %s for its extensions and owners: %w", d.database.Name, err)
	}
	return number / 10000, nil
}

// readSchemaVersion asks which release's tables are dumped, so that a restore can make the same.
func (d *dumper) readSchemaVersion(ctx context.Context, conn *pgx.Conn) error {
	versions := pgx.Identifier{d.database.Schema, "goose_db_version"}.Sanitize()
	var there bool
	err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", versions).Scan(&there)
	if err == nil && there {
		err = conn.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versions+" WHERE is_applied").Scan(&d.schemaVersion)
	}
	if err != nil {
		return fmt.Errorf("asking schema %s for its version: %w", d.database.Schema, err)
	}
	return nil
}

// surroundings are what a schema needs besides itself: the extensions of its database and the owners of its relations.
const surroundings = `SELECT
	ARRAY(SELECT extname || ' ' || extversion FROM pg_extension ORDER BY extname),
	ARRAY(SELECT DISTINCT pg_get_userbyid(c.relowner)::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	      WHERE n.nspname = $1 ORDER BY 1)`

func (d *dumper) connection() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig("host=localhost sslmode=disable")
	if err != nil {
		return nil, err
	}
	verified := &tls.Config{ServerName: d.database.Host, MinVersion: tls.VersionTLS12}
	if d.database.CABundle != "" {
		verified.RootCAs = x509.NewCertPool()
		if !verified.RootCAs.AppendCertsFromPEM([]byte(d.database.CABundle)) {
			return nil, fmt.Errorf("the CA bundle of database %s holds no PEM certificate", d.database.Name)
		}
	}
	config.Host, config.Port, config.Database = d.database.Host, uint16(d.database.Port), d.database.Name
	config.User, config.Password = d.credentials.Username, d.credentials.Password
	config.TLSConfig, config.Fallbacks = verified, nil
	config.RuntimeParams = map[string]string{"search_path": searchPath, "application_name": "termintreu backup"}
	return config, nil
}

// refuseOlderClient: pg_dump cannot read a server newer than itself, and says so only after it has begun.
func refuseOlderClient(client, server int) error {
	if client < server {
		return fmt.Errorf("pg_dump %d is older than the server, PostgreSQL %d, and cannot read it: use an image with pg_dump %d or later", client, server, server)
	}
	return nil
}

// dump writes the schema to out and returns nil only when pg_dump itself ended well. The archive keeps owners and
// grants; pg_restore can leave them out.
func (d *dumper) dump(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	arguments := []string{
		"--format=custom", "--compress=0", "--no-password", "--strict-names", "--lock-wait-timeout=60s",
		"--schema=" + pgx.Identifier{d.database.Schema}.Sanitize(),
	}
	if d.snapshot != "" {
		arguments = append(arguments, "--snapshot="+d.snapshot)
	}
	command := exec.CommandContext(ctx, d.program, arguments...)
	command.Env = []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C",
		"PGHOST=" + d.database.Host, "PGPORT=" + strconv.Itoa(int(d.database.Port)),
		"PGDATABASE=" + d.database.Name, "PGUSER=" + d.credentials.Username, "PGPASSFILE=" + d.passwordFile(),
		"PGSSLMODE=verify-full", "PGSSLROOTCERT=" + d.caFile(), "PGCHANNELBINDING=require",
		"PGAPPNAME=termintreu backup", "PGCONNECT_TIMEOUT=30", "PGOPTIONS=-c search_path=" + searchPath,
	}
	// A value, not a file: nothing of what pg_dump says may grow without bound.
	stderr := &limited{left: 4 << 10}
	command.Stderr = stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("starting pg_dump: %w", err)
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting pg_dump: %w", err)
	}
	buffer := make([]byte, 256<<10)
	_, copyErr := io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{stdout}, buffer)
	if copyErr != nil {
		cancel()
	}
	waitErr := command.Wait()
	switch {
	case copyErr != nil:
		return copyErr
	case waitErr != nil:
		return fmt.Errorf("pg_dump failed: %w: %s", waitErr, firstErrorOf("pg_dump", stderr.kept.String()))
	}
	return nil
}

// firstErrorOf gives a program's own sentence. The lines after it can quote the server, and so a row.
func firstErrorOf(program, stderr string) string {
	for line := range strings.Lines(stderr) {
		if _, message, found := strings.Cut(line, program+": error: "); found {
			message, _, _ = strings.Cut(strings.TrimSpace(message), "DETAIL:")
			return message[:min(len(message), 300)]
		}
	}
	return "it gave no reason"
}
