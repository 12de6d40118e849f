// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/termintreu/termintreu/internal/archive"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// T8: what is due lies at every archive, locked until its own date, and only then is gone from the database.
func TestWhatIsDueIsHandedOverLockedAndThenDeleted(t *testing.T) {
	tn := newTenant(t)
	tn.attach(t, 3, 31*day)
	tn.attach(t, 2, 29*day)
	report, err := tn.job.run(t.Context())
	must(t, err)
	if len(report.Categories) != 1 || report.Categories[0].HandedOver != 3 || report.Categories[0].Removed != 3 {
		t.Errorf("the report is %+v", report)
	}
	if left := tn.count(t, "count(*) FROM attachment"); left != 2 {
		t.Errorf("%d attachments are left, want the 2 that are not due", left)
	}
	// With their documents the appointments that waited for it went.
	if left := tn.count(t, "count(*) FROM appointment"); left != 2 {
		t.Errorf("%d appointments are left", left)
	}
	tn.whole(t, 3)
	again, err := tn.job.run(t.Context())
	must(t, err)
	if again.Categories[0].HandedOver != 0 {
		t.Errorf("a second run did %+v", again)
	}
	tn.whole(t, 3)
	// The lock is one nobody lifts: the store's administrator included.
	for key, versions := range tn.lies(t, tn.stores[0]) {
		if err := tn.stores[0].Objects(t).DeleteVersion(t.Context(), key, versions[0].VersionID); err == nil {
			t.Errorf("an administrator deleted %s", key)
		}
		if len(versions) != 1 {
			t.Errorf("%s lies there %d times", key, len(versions))
		}
	}
}

func isRecord(r *http.Request) bool {
	return strings.Contains(r.URL.Path, "/"+objectstore.ArchiveFolder)
}

// Whatever an archive does, nothing is deleted that it has not shown, the overdue are counted, and the reason is kept.
func TestARecordStaysWhileAnArchiveLies(t *testing.T) {
	for name, c := range map[string]struct {
		fault s3test.Fault
		class objectstore.Class
	}{
		"accepts and drops": {s3test.Drops(isRecord), objectstore.ClassNotFound},
		"truncates":         {s3test.Truncates(isRecord), objectstore.ClassCorrupt},
		"flips a bit":       {s3test.FlipsABit(isRecord), objectstore.ClassCorrupt},
		"ignores the lock":  {s3test.IgnoresLock(), objectstore.ClassLockIgnored},
		"shortens the lock": {s3test.Fault{Change: func(response *http.Response) error {
			if response.Header.Get("X-Amz-Object-Lock-Retain-Until-Date") != "" {
				response.Header.Set("X-Amz-Object-Lock-Retain-Until-Date", "2027-01-01T00:00:00Z")
			}
			return nil
		}}, objectstore.ClassLockIgnored},
		"locks in a mode an administrator lifts": {s3test.Fault{Change: func(response *http.Response) error {
			if response.Header.Get("X-Amz-Object-Lock-Mode") != "" {
				response.Header.Set("X-Amz-Object-Lock-Mode", "GOVERNANCE")
			}
			return nil
		}}, objectstore.ClassLockIgnored},
		"is full": {s3test.Full(isRecord), objectstore.ClassStoreFailed},
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant(t)
			tn.attach(t, 2, 31*day)
			tn.behind(t, 1, c.fault)
			report, err := tn.job.run(t.Context())
			word := tn.stores[1].Name + ": " + string(c.class)
			if !errors.Is(err, archive.ErrUnfinished) || report.Categories[0].Failed != 2 || report.Categories[0].Failure != word {
				t.Fatalf("the report is %+v, %v; want %s", report, err, word)
			}
			if strings.Contains(fmt.Sprint(report, err), secretName) {
				t.Error("a citizen's name is in the report")
			}
			if left := tn.count(t, "count(*) FROM attachment") + tn.count(t, "count(*) FROM appointment"); left != 4 {
				t.Errorf("%d records are left, want all 4", left)
			}
			if n := tn.count(t, "sum(overdue)::bigint FROM retention_audit()"); n != 4 {
				t.Errorf("%d records count as overdue", n)
			}
			tn.says(t, word)
			tn.honest()
			if _, err := tn.job.run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := tn.count(t, "count(*) FROM attachment"); left != 0 {
				t.Errorf("%d records are left once the archive is mended", left)
			}
			tn.whole(t, 2)
			tn.says(t, "")
		})
	}
}

// says expects the failure the operator would read.
func (tn *tenant) says(t *testing.T, failure string) {
	t.Helper()
	audit, err := tn.admin.Audit(t.Context())
	must(t, err)
	for _, c := range audit.Tenants[0].Categories {
		if c.Archived != nil && c.Archived.Failure != failure {
			t.Errorf("the audit says %q, want %q", c.Archived.Failure, failure)
		}
	}
}

func TestABucketThatCannotLockTakesNothing(t *testing.T) {
	tn := newTenant(t)
	tn.attach(t, 1, 31*day)
	tn.stores = s3test.StartUnlocked(t, 1)
	tn.job.Settings.Stores = nil
	tn.bind(t)
	report, err := tn.job.run(t.Context())
	if !errors.Is(err, archive.ErrUnfinished) || report.Categories[0].Failure != "store-1: LockIgnored" {
		t.Errorf("the report is %+v, %v", report, err)
	}
	if left := tn.count(t, "count(*) FROM attachment"); left != 1 || len(tn.lies(t, tn.stores[0])) != 0 {
		t.Errorf("%d records are left", left)
	}
}

func TestAnArchiveThatIsDownIsAskedOnce(t *testing.T) {
	tn := newTenant(t)
	tn.attach(t, 5, 31*day)
	tn.stores[1].Stop()
	report, err := tn.job.run(t.Context())
	if !errors.Is(err, archive.ErrUnfinished) || report.Categories[0].Failed != 5 || report.Categories[0].Failure != "store-2: Unreachable" {
		t.Errorf("the report is %+v, %v", report, err)
	}
	tn.stores[1].Restart(t)
	_, err = tn.job.run(t.Context())
	must(t, err)
	tn.whole(t, 5)
	// What the first archive had already was found there and copied, not written once more.
	for key, versions := range tn.lies(t, tn.stores[0]) {
		if len(versions) != 1 {
			t.Errorf("%s lies there %d times", key, len(versions))
		}
	}
}

// A process that is killed between any two of its steps loses nothing and deletes nothing that no archive has shown; the
// next finishes, and finds again what lies at the archives already.
func TestAJobThatIsKilledIsFinishedByTheNext(t *testing.T) {
	for name, c := range map[string]struct {
		moment func(*http.Request) bool
		store  int
		after  bool // the request reaches the archive first
	}{
		"before the first archive has it": {func(r *http.Request) bool { return isRecord(r) && r.Method == http.MethodPut }, 0, false},
		"as the first archive has it":     {func(r *http.Request) bool { return isRecord(r) && r.Method == http.MethodPut }, 0, true},
		"as it is read back": {func(r *http.Request) bool {
			return isRecord(r) && r.Method == http.MethodGet && r.URL.Query().Has("versionId")
		}, 0, false},
		"as the lock is read back":           {func(r *http.Request) bool { return isRecord(r) && r.Method == http.MethodHead }, 0, false},
		"before the last archive has it":     {func(r *http.Request) bool { return isRecord(r) && r.Method == http.MethodPut }, 1, false},
		"as the last archive has shown it":   {func(r *http.Request) bool { return isRecord(r) && r.Method == http.MethodHead }, 1, true},
		"before it asks the archives at all": {func(r *http.Request) bool { return r.URL.Query().Has("object-lock") }, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant(t)
			tn.attach(t, 3, 31*day)
			pid, once := make(chan int, 1), sync.Once{}
			kill := func() {
				once.Do(func() {
					if err := syscall.Kill(<-pid, syscall.SIGKILL); err != nil {
						t.Errorf("killing the job: %v", err)
					}
				})
			}
			fault := s3test.Fault{Answer: func(w http.ResponseWriter, r *http.Request) bool {
				if !c.moment(r) {
					return false
				}
				kill()
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}}
			if c.after {
				fault = s3test.Fault{Change: func(response *http.Response) error {
					if c.moment(response.Request) {
						kill()
					}
					return nil
				}}
			}
			tn.behind(t, c.store, fault)
			command := tn.process(t)
			must(t, command.Start())
			pid <- command.Process.Pid
			if err := command.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the job was not killed: %v", err)
			}
			if left := tn.count(t, "count(*) FROM attachment"); left != 3 {
				t.Errorf("%d records are left, want all 3", left)
			}
			tn.honest()
			report, err := tn.job.run(t.Context())
			must(t, err)
			if left := tn.count(t, "count(*) FROM attachment"); left != 0 || report.Categories[0].Removed != 3 {
				t.Errorf("%d records are left: %+v", left, report)
			}
			tn.whole(t, 3)
			for _, store := range tn.stores {
				for key, versions := range tn.lies(t, store) {
					if len(versions) != 1 {
						t.Errorf("%s: %s lies there %d times", store.Name, key, len(versions))
					}
				}
			}
		})
	}
}
