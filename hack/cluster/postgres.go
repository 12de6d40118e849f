// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/termintreu/termintreu/hack/internal/supervisor"
	"golang.org/x/sync/errgroup"
)

const (
	postgresBin = "/usr/lib/postgresql/15/bin"
	// operatorRole is the role the operator administers a server with. It is
	// no superuser, as no managed PostgreSQL would give it one.
	operatorRole = "termintreu_operator"
)

// account returns the user and group the servers run as.
func account() (uid, gid int, err error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// preparePostgres makes the data folders and writes the configuration.
func (c *Cluster) preparePostgres(ctx context.Context) error {
	uid, gid, err := account()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i, pg := range c.Spec.Postgres {
		group.Go(func() error {
			if err := c.preparePostgresServer(ctx, i, pg.Name, uid, gid); err != nil {
				return fmt.Errorf("%s: %w", pg.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (c *Cluster) preparePostgresServer(ctx context.Context, i int, name string, uid, gid int) error {
	if _, err := ensureSecret(c.passwordFile(name)); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(c.postgresData(name)), c.socketDir(name)} {
		if err := ownedDir(dir, uid, gid); err != nil {
			return err
		}
	}
	data := c.postgresData(name)
	if _, err := os.Stat(data); errors.Is(err, fs.ErrNotExist) {
		if err := initdb(ctx, data, uid, gid); err != nil {
			return err
		}
	}
	conf, err := render("postgresql.conf", map[string]any{"Address": postgresIP(i), "Port": postgresPort, "SocketDir": c.socketDir(name)})
	if err != nil {
		return err
	}
	hba, err := render("pg_hba.conf", nil)
	if err != nil {
		return err
	}
	files := map[string][]byte{"postgresql.conf": conf, "pg_hba.conf": hba}
	for target, source := range map[string]string{"server.crt": c.cert(name), "server.key": c.key(name)} {
		if files[target], err = os.ReadFile(source); err != nil {
			return err
		}
	}
	for file, content := range files {
		path := filepath.Join(data, file)
		if err := write(path, content, 0o600); err != nil {
			return err
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// initdb makes the data folder under another name first, so that one that was
// interrupted is never taken for whole.
func initdb(ctx context.Context, data string, uid, gid int) error {
	temp := data + ".new"
	if err := os.RemoveAll(temp); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(postgresBin, "initdb"), "--pgdata="+temp, "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return os.Rename(temp, data)
}

func ownedDir(dir string, uid, gid int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return err
	}
	return os.Chown(dir, uid, gid)
}

// ensureSecret returns the secret in the file, making one up the first time.
func ensureSecret(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(raw)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	random := make([]byte, 20)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	secret := hex.EncodeToString(random)
	return secret, write(path, []byte(secret), 0o600)
}

func (c *Cluster) postgresProcesses() ([]supervisor.Process, error) {
	uid, gid, err := account()
	if err != nil {
		return nil, err
	}
	var processes []supervisor.Process
	for _, pg := range c.Spec.Postgres {
		data := c.postgresData(pg.Name)
		processes = append(processes, supervisor.Process{
			Name: pg.Name, UID: uid, GID: gid, Dir: data,
			Args: []string{filepath.Join(postgresBin, "postgres"), "-D", data},
			// Fast shutdown: do not wait for clients.
			Stop:   int(syscall.SIGINT),
			Inputs: digest(filepath.Join(data, "postgresql.conf"), filepath.Join(data, "pg_hba.conf"), c.cert(pg.Name)),
		})
	}
	return processes, nil
}

// provisionPostgres makes the operator's role and databases on each server, as
// a database administrator would before handing it over.
func (c *Cluster) provisionPostgres(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for _, pg := range c.Spec.Postgres {
		group.Go(func() error {
			if err := c.provisionServer(ctx, pg); err != nil {
				return fmt.Errorf("%s (see %s): %w", pg.Name, c.file("logs", pg.Name+".log"), err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (c *Cluster) provisionServer(ctx context.Context, pg PostgresSpec) error {
	password, err := ensureSecret(c.passwordFile(pg.Name))
	if err != nil {
		return err
	}
	if err := eventually(ctx, time.Minute, func() error { return c.psql(ctx, pg.Name, "SELECT 1;") }); err != nil {
		return err
	}
	sql, err := render("provision.sql", map[string]any{"Operator": operatorRole, "Password": password, "Databases": pg.Databases})
	if err != nil {
		return err
	}
	return c.psql(ctx, pg.Name, string(sql))
}

// psql runs SQL as the superuser, through the socket.
func (c *Cluster) psql(ctx context.Context, name, sql string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(postgresBin, "psql"), "--no-psqlrc", "--quiet",
		"--host="+c.socketDir(name), "--username=postgres", "--dbname=postgres", "--file=-")
	cmd.Stdin = strings.NewReader(sql)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("psql: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return nil
}
