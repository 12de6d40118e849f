// SPDX-License-Identifier: Apache-2.0

// Package pgtest gives tests a real PostgreSQL server that speaks TLS only, since a fake would agree with our mistakes.
// The server is thrown away with the test process, whatever way that ends.
package pgtest

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	startTimeout = time.Minute
	// adminUser has what an operator is given: CREATEROLE, CREATEDB and its databases, and is no superuser.
	adminUser = "termintreu_operator"
	database  = "appointments_1"
)

// Server is a running PostgreSQL. It is shared by all tests of a process: give each its own tenants or NewDatabase.
type Server struct {
	// Host is "localhost", the name in the server's certificate; it listens on 127.0.0.1.
	Host string
	Port int32
	// CABundle is the PEM of the authority that signed the server's certificate.
	CABundle string
	// AdminUser owns Database, may create roles and databases, and is no superuser.
	AdminUser, AdminPassword string
	Database                 string
	// Binaries is the directory of psql, pg_dump and the others of the server's version.
	Binaries string

	socketDir string
	databases atomic.Int32
	// alive is the write end of a pipe: when this process is gone, however, it closes and the server goes too.
	alive io.Closer
	log   *journal
}

// Log is what the server has logged so far.
func (s *Server) Log() string { return s.log.String() }

// journal keeps what is written to it.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Start gives the server of this test process, starting it at the first call. The directory of the binaries is taken
// from PGTEST_BIN, else the newest of /usr/lib/postgresql, else PATH.
func Start(tb testing.TB) *Server {
	tb.Helper()
	shared.once.Do(func() { shared.server, shared.err = start() })
	if shared.err != nil {
		tb.Fatalf("starting PostgreSQL for tests (Debian's package postgresql is needed): %v", shared.err)
	}
	return shared.server
}

// Another starts one more server, with another system identifier and a certificate of the same authority; it ends with
// the test.
func Another(tb testing.TB) *Server {
	tb.Helper()
	server, err := start()
	if err != nil {
		tb.Fatalf("starting another PostgreSQL: %v", err)
	}
	tb.Cleanup(func() { _ = server.alive.Close() })
	return server
}

// Certify gives the server a certificate with another key, valid for the given time, and makes it present it to whoever
// connects from now on.
func (s *Server) Certify(tb testing.TB, notBefore, notAfter time.Time) {
	tb.Helper()
	if err := s.certify(tb.Context(), notBefore, notAfter); err != nil {
		tb.Fatalf("giving the server another certificate: %v", err)
	}
}

func (s *Server) certify(ctx context.Context, notBefore, notAfter time.Time) error {
	authority, err := trusted()
	if err != nil {
		return err
	}
	files, err := authority.issue(notBefore, notAfter)
	if err != nil {
		return err
	}
	account, err := serverAccount()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := place(filepath.Join(s.socketDir, "data", name), content, account); err != nil {
			return err
		}
	}
	return s.superuserExec(ctx, "SELECT pg_reload_conf()")
}

// CreateDatabase creates an empty database of the given name, owned by the admin.
func (s *Server) CreateDatabase(tb testing.TB, name string) {
	tb.Helper()
	if err := s.createDatabase(tb.Context(), name); err != nil {
		tb.Fatalf("creating database %s: %v", name, err)
	}
}

// Superuser opens a connection that may do anything, to look at what the roles under test must not see.
func (s *Server) Superuser(tb testing.TB, database string) *pgx.Conn {
	tb.Helper()
	conn, err := s.superuser(tb.Context(), database)
	if err != nil {
		tb.Fatalf("connecting as superuser: %v", err)
	}
	tb.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// NewDatabase creates one more empty database owned by the admin and gives its name.
func (s *Server) NewDatabase(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("appointments_%d", 1+s.databases.Add(1))
	if err := s.createDatabase(tb.Context(), name); err != nil {
		tb.Fatalf("creating database %s: %v", name, err)
	}
	return name
}

func (s *Server) superuser(ctx context.Context, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=postgres database=%s sslmode=disable",
		s.socketDir, s.Port, database))
	if err != nil {
		return nil, err
	}
	return pgx.ConnectConfig(ctx, config)
}

// Answers gives the error of a login, nil when the server lets somebody in: it may be recovering from a crash.
func (s *Server) Answers(ctx context.Context) error { return s.superuserExec(ctx, "SELECT 1") }

func (s *Server) createDatabase(ctx context.Context, name string) error {
	return s.superuserExec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" OWNER "+adminUser)
}

func (s *Server) superuserExec(ctx context.Context, sql string) error {
	conn, err := s.superuser(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func start() (_ *Server, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	account, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	caBundle, err := prepare(ctx, bin, dir, account)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	server := &Server{
		Host: "localhost", Port: port, CABundle: caBundle,
		AdminUser: adminUser, AdminPassword: password(), Database: database,
		Binaries: bin, socketDir: dir,
	}
	if server.alive, server.log, err = launch(ctx, bin, dir, port, account); err != nil {
		return nil, err
	}
	err = server.superuserExec(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN CREATEROLE CREATEDB PASSWORD '%s'",
		adminUser, server.AdminPassword))
	if err != nil {
		return nil, err
	}
	return server, server.createDatabase(ctx, database)
}

// prepare fills dir with a cluster and its certificate, all owned by the account the server runs as.
func prepare(ctx context.Context, bin, dir string, account *syscall.Credential) (caBundle string, err error) {
	if err := chown(dir, account); err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--no-sync", "--auth=trust", "--username=postgres",
		"--encoding=UTF8", "--locale=C.UTF-8", "--pgdata="+data)
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	if output, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, output)
	}
	authority, err := trusted()
	if err != nil {
		return "", err
	}
	files, err := authority.issue(time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
	if err != nil {
		return "", err
	}
	files["pg_hba.conf"] = []byte("local all postgres trust\nhostssl all postgres all reject\nhostssl all all all scram-sha-256\n")
	for name, content := range files {
		if err := place(filepath.Join(data, name), content, account); err != nil {
			return "", err
		}
	}
	return authority.bundle, nil
}

func place(path string, content []byte, account *syscall.Credential) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	return chown(path, account)
}

// supervise runs its arguments until standard input closes, then ends that one process and removes the directory $0.
const supervise = `exec 3<&0
"$@" & server=$!
{ cat <&3 >/dev/null; kill -QUIT $server; } 2>/dev/null &
wait $server
rm -rf "$0"`

// launch starts the server and returns once it takes connections. Closing what it returns ends the server.
func launch(ctx context.Context, bin, dir string, port int32, account *syscall.Credential) (io.Closer, *journal, error) {
	arguments := []string{"-c", supervise, dir, filepath.Join(bin, "postgres"), "-D", filepath.Join(dir, "data")}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(int(port)), "unix_socket_directories=" + dir,
		"ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key", "password_encryption=scram-sha-256",
		"max_connections=200", "shared_buffers=32MB", "fsync=off", "full_page_writes=off",
		"timezone=UTC", "log_timezone=UTC",
	} {
		arguments = append(arguments, "-c", setting)
	}
	command := exec.Command("/bin/sh", arguments...)
	command.Dir = dir
	command.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	alive, err := command.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	log, err := command.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := command.Start(); err != nil {
		return nil, nil, err
	}
	ready, kept := make(chan error, 1), &journal{}
	go watch(log, kept, ready)
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		_ = alive.Close()
		return nil, nil, err
	}
	return alive, kept, nil
}

// watch tells when the log says that the server is ready, and keeps what comes from then on.
func watch(log io.Reader, kept io.Writer, ready chan<- error) {
	var lines []string
	scanner := bufio.NewScanner(log)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
		if strings.Contains(scanner.Text(), "database system is ready to accept connections") {
			ready <- nil
			for scanner.Scan() {
				_, _ = fmt.Fprintln(kept, scanner.Text())
			}
			_, _ = io.Copy(io.Discard, log) // a line too long to keep must not block the server
			return
		}
	}
	ready <- errors.New("the server ended before it was ready:\n" + strings.Join(lines, "\n"))
}

func binaries() (string, error) {
	if dir := os.Getenv("PGTEST_BIN"); dir != "" {
		return dir, nil
	}
	newest, version := "", 0
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, path := range found {
		dir := filepath.Dir(path)
		if n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir))); err == nil && n > version {
			newest, version = dir, n
		}
	}
	if newest != "" {
		return newest, nil
	}
	path, err := exec.LookPath("initdb")
	return filepath.Dir(path), err
}

// serverAccount is nil unless we are root, as whom PostgreSQL refuses to run.
func serverAccount() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func chown(path string, account *syscall.Credential) error {
	if account == nil {
		return nil
	}
	return os.Chown(path, int(account.Uid), int(account.Gid))
}

func freePort() (int32, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return int32(listener.Addr().(*net.TCPAddr).Port), nil
}

func password() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}
