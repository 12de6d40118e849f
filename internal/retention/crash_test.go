// SPDX-License-Identifier: Apache-2.0

package retention_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/retention"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
)

// jobVariable makes the test binary a purge, so that it can be killed like one.
const jobVariable = "TERMINTREU_TEST_PURGE"

func TestMain(m *testing.M) {
	if file := os.Getenv(jobVariable); file != "" {
		os.Exit(purgeAsJob(file))
	}
	os.Exit(m.Run())
}

type job struct {
	Database    settings.Database
	Credentials settings.Credentials
}

func purgeAsJob(file string) int {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 1
	}
	var j job
	if json.Unmarshal(raw, &j) != nil {
		return 1
	}
	config, err := postgres.OperandConfig(j.Database, j.Credentials)
	if err == nil {
		_, err = retention.Run(context.Background(), retention.Options{Config: config, BatchSize: 25})
	}
	if err != nil {
		return 1
	}
	return 0
}

// finished asserts that a next run removes exactly what was due: nothing lost, nothing counted twice, nothing early.
func (x *tenancy) finished(t *testing.T, due, kept int64) {
	t.Helper()
	_, err := retention.Run(t.Context(), retention.Options{Config: x.config})
	must(t, err)
	if left := x.count(t, "count(*) FROM appointment"); left != kept {
		t.Errorf("%d appointments left, want the %d that are not due", left, kept)
	}
	if left := x.count(t, "count(*) FROM contact"); left != kept {
		t.Errorf("%d contacts left, want the %d that are not due", left, kept)
	}
	if counted := x.count(t, "coalesce(sum(count), 0)::bigint FROM appointment_count"); counted != due {
		t.Errorf("%d appointments were counted, want %d: each once", counted, due)
	}
}

// begun waits until the purge has removed something and is still at work.
func (x *tenancy) begun(t *testing.T, of int64) {
	t.Helper()
	for left := of; left == of; left = x.count(t, "count(*) FROM contact") {
		if t.Context().Err() != nil {
			t.Fatal("the purge never began")
		}
	}
}

func TestAJobKilledInTheMiddleOfABatchIsFinishedByTheNext(t *testing.T) {
	x := newTenancy(t)
	x.book(t, 9000, 31*day)
	x.book(t, 5, 29*day)
	server := pgtest.Start(t)
	raw, err := json.Marshal(job{
		settings.Database{Host: server.Host, Port: server.Port, Name: x.config.Database, Schema: x.DataID, CABundle: server.CABundle},
		settings.Credentials{Username: x.config.User, Password: x.config.Password},
	})
	must(t, err)
	file := t.TempDir() + "/job.json"
	must(t, os.WriteFile(file, raw, 0o600))
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), jobVariable+"="+file)
	must(t, command.Start())
	x.begun(t, 9005)
	must(t, command.Process.Signal(syscall.SIGKILL))
	if command.Wait() == nil {
		t.Error("the job ended before it was killed: give it more to do")
	}
	x.finished(t, 9000, 5)
}

// The server itself crashes: every session dies in its transaction, and recovery decides what was done.
func TestAServerThatCrashesUnderAPurgeLosesNothing(t *testing.T) {
	x := newTenancy(t)
	x.book(t, 9000, 31*day)
	x.book(t, 5, 29*day)
	result := make(chan error, 1)
	go func() {
		_, err := retention.Run(context.Background(), retention.Options{Config: x.config, BatchSize: 25})
		result <- err
	}()
	x.begun(t, 9005)
	pid := x.count(t, "pid FROM pg_stat_activity WHERE usename = '"+x.config.User+"'")
	must(t, syscall.Kill(int(pid), syscall.SIGKILL))
	if err := <-result; err == nil {
		t.Error("the purge did not notice that the server was gone")
	}
	x.super = reconnected(t, x)
	x.finished(t, 9000, 5)
}

// reconnected waits until the server has recovered. Before it has ended the sessions of others it has not begun to, and
// takes connections that it is about to cut.
func reconnected(t *testing.T, x *tenancy) *pgx.Conn {
	t.Helper()
	config := x.super.Config()
	for x.super.Ping(t.Context()) == nil {
	}
	for {
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err == nil {
			_, err = conn.Exec(t.Context(), "SET search_path = "+x.DataID)
		}
		if err == nil {
			t.Cleanup(func() { _ = conn.Close(context.Background()) })
			return conn
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestARecordLockedByABookingIsLeftToTheNextRun(t *testing.T) {
	x := newTenancy(t)
	x.book(t, 20, 31*day)
	tx, err := x.super.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM appointment ORDER BY id LIMIT 1 FOR UPDATE`)
	must(t, err)
	began := time.Now()
	report, err := retention.Run(t.Context(), retention.Options{Config: x.config})
	must(t, err)
	if waited := time.Since(began); waited > 4*time.Second {
		t.Errorf("the purge waited %s for a lock", waited)
	}
	must(t, tx.Rollback(t.Context()))
	for _, category := range report.Categories {
		if category.Name == "Appointment" && (category.Removed != 19 || category.Left != 1) {
			t.Errorf("%+v, want 19 removed and the locked one told as left", category)
		}
	}
	x.finished(t, 20, 0)
}

// A booking that holds its whole table delays the purge by no more than its lock timeout, and the audit of others by less.
func TestALockOnATableMakesThePurgeFailInTimeAndTheNextOneFinish(t *testing.T) {
	x := newTenancy(t)
	x.book(t, 20, 31*day)
	tx, err := x.super.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE contact IN ACCESS EXCLUSIVE MODE`)
	must(t, err)
	if _, err := retention.Run(t.Context(), retention.Options{Config: x.config}); err == nil {
		t.Error("a purge that could not look says it was done")
	}
	audit, err := x.admin.Audit(t.Context())
	must(t, err)
	if audit.Tenants[0].Err == nil {
		t.Error("a schema that could not be read is not told as unknown")
	}
	must(t, tx.Rollback(t.Context()))
	x.finished(t, 20, 0)
}
