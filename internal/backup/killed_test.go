// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

func isManifest(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, string(objectstore.KindManifest)) && r.Method == http.MethodPut
}

// paired expects that every manifest at a store describes the copy beside it, and gives the number of backups.
func (tn *tenant) paired(t *testing.T, store *s3test.Store) int {
	t.Helper()
	client := store.Objects(t)
	backups := tn.inventory(t, store).Backups
	for _, b := range backups {
		raw, err := client.Get(t.Context(), objectstore.Key(tn.schema+"/", b.SnapshotStart, objectstore.KindManifest))
		must(t, err)
		document, err := io.ReadAll(raw)
		must(t, err)
		must(t, raw.Close())
		manifest, err := backup.ParseManifest(document)
		must(t, err)
		content, err := client.Get(t.Context(), objectstore.Key(tn.schema+"/", b.SnapshotStart, objectstore.KindDump))
		must(t, err)
		sum := sha256.New()
		_, err = io.Copy(sum, content)
		must(t, err)
		must(t, content.Close())
		if hex.EncodeToString(sum.Sum(nil)) != manifest.SHA256 {
			t.Errorf("%s: the manifest of %s is not that of the copy", store.Name, b.SnapshotStart)
		}
	}
	return len(backups)
}

// Acceptance 2: a process that is killed leaves nothing that counts and is not whole, the next run is whole, and expiry
// takes what was left.
func TestAJobThatIsKilledLeavesNothingHalfAndTheNextIsWhole(t *testing.T) {
	for name, moment := range map[string]func(*http.Request) bool{
		"before it dumps":            func(r *http.Request) bool { return r.URL.Query().Has("object-lock") },
		"as its upload is recorded":  func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, string(objectstore.KindUpload)) },
		"as its second part is sent": func(r *http.Request) bool { return isDump(r) && r.URL.Query().Get("partNumber") == "2" },
		"as the upload is completed": func(r *http.Request) bool {
			return isDump(r) && r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
		},
		"as the copy is read back":   func(r *http.Request) bool { return isDump(r) && r.Method == http.MethodGet },
		"as the manifest is written": isManifest,
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant(t, s3test.Start(t, 2), 1)
			tn.dumping(t, "head -c 20000000 /dev/urandom\n")
			direct := tn.options.Settings.Stores[0]
			pid, once := make(chan int, 1), sync.Once{}
			watched := tn.stores[0].Behind(t, s3test.Fault{Answer: func(w http.ResponseWriter, r *http.Request) bool {
				hit := false
				if moment(r) {
					once.Do(func() {
						hit = true
						if err := syscall.Kill(<-pid, syscall.SIGKILL); err != nil {
							t.Errorf("killing the job: %v", err)
						}
						w.WriteHeader(http.StatusServiceUnavailable)
					})
				}
				return hit
			}})
			tn.options.Settings.Stores[0].Endpoint, tn.options.Settings.Stores[0].CABundle = watched.Endpoint, watched.CABundle
			command, output := tn.process(t)
			must(t, command.Start())
			pid <- command.Process.Pid
			if err := command.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("the job was not killed: %v\n%s", err, output)
			}
			for _, store := range tn.stores {
				tn.paired(t, store)
			}
			tn.options.Settings.Stores[0] = direct
			// Within what clocks may differ, and never in the second of the killed run.
			tn.at(time.Now().Add(2 * time.Minute))
			tn.run(t)
			tn.at(time.Now().Add(7 * time.Hour))
			if _, err := tn.expire(t); err != nil {
				t.Error(err)
			}
			tn.nothingLeft(t)
		})
	}
}

// A tenant too large to be dumped and restored within one run's time would otherwise never have a backup again, since a
// trial stays due until one succeeds.
func TestAJobThatIsKilledOverItsTrialHasItsBackup(t *testing.T) {
	tn := newTenant(t, s3test.Start(t, 2), 1)
	tn.dumping(t, "echo dumped\n")
	input := tn.childInput()
	input.KilledOverItsTrial = true
	command, output := process(t, input)
	if err := command.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the job was not killed: %v\n%s", err, output)
	}
	for _, store := range tn.stores {
		if n := tn.paired(t, store); n != 1 {
			t.Errorf("%s counts %d backups", store.Name, n)
		}
	}
}

// nothingLeft expects a whole backup at least, nothing of an unfinished upload's content, and no record of one. A run
// that is killed between beginning an upload and recording it leaves one that nobody sent anything to.
func (tn *tenant) nothingLeft(t *testing.T) {
	t.Helper()
	for _, store := range tn.stores {
		client := store.Objects(t)
		if tn.paired(t, store) == 0 {
			t.Errorf("%s holds no backup", store.Name)
		}
		must(t, client.ListVersions(t.Context(), tn.schema+"/", func(v objectstore.Version) error {
			if strings.HasSuffix(v.Key, string(objectstore.KindUpload)) {
				t.Errorf("%s still holds %s", store.Name, v.Key)
			}
			return nil
		}))
		unfinished, err := store.Admin().ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &store.Bucket})
		must(t, err)
		for _, upload := range unfinished.Uploads {
			parts, err := store.Admin().ListParts(t.Context(), &s3.ListPartsInput{Bucket: &store.Bucket, Key: upload.Key, UploadId: upload.UploadId})
			must(t, err)
			if len(parts.Parts) != 0 {
				t.Errorf("%s: %d parts of an unfinished upload are left", store.Name, len(parts.Parts))
			}
		}
	}
}

// Acceptance 2: two jobs of the same second share their keys. Whatever the order, each manifest is that of its copy.
func TestTwoJobsOfTheSameSecondLeaveWholeCopies(t *testing.T) {
	for name, moment := range map[string]func(*http.Request) bool{
		"the second runs while the first reads back":          func(r *http.Request) bool { return isDump(r) && r.Method == http.MethodGet },
		"the second runs while the first writes its manifest": isManifest,
	} {
		t.Run(name, func(t *testing.T) {
			tn := newTenant(t, s3test.Start(t, 2), 10)
			tn.at(time.Now())
			second := tn.options
			second.Settings.Stores = append(second.Settings.Stores[:0:0], second.Settings.Stores...)
			var once sync.Once
			watched := tn.stores[0].Behind(t, s3test.Fault{Answer: func(_ http.ResponseWriter, r *http.Request) bool {
				if moment(r) {
					once.Do(func() {
						if _, err := backup.Run(context.WithoutCancel(t.Context()), second); err != nil {
							t.Errorf("the second job: %v", err)
						}
					})
				}
				return false
			}})
			tn.options.Settings.Stores[0].Endpoint, tn.options.Settings.Stores[0].CABundle = watched.Endpoint, watched.CABundle
			first := tn.run(t)
			if first.Stores[0].Copy != backup.CopyRepaired {
				t.Errorf("the first job did not notice: %+v", first.Stores)
			}
			for _, store := range tn.stores {
				if n := tn.paired(t, store); n != 1 {
					t.Errorf("%s counts %d backups", store.Name, n)
				}
			}
		})
	}
}

// Acceptance 2: a real PostgreSQL that goes down in the middle of COPY, recovers, and is backed up again.
func TestAServerThatRestartsInMidDumpCostsOneRunOnly(t *testing.T) {
	tn := newTenantAt(t, pgtest.Another(t), s3test.Start(t, 2), 20_000)
	dir := t.TempDir()
	tn.dumping(t, fmt.Sprintf(`exec bash -o pipefail -c 'pg_dump "$@" | { head -c 100000; touch %[1]s/begun; while [ ! -e %[1]s/down ]; do sleep 0.05; done; cat; }' pg_dump "$@"`, dir))
	go func() {
		await(t, filepath.Join(dir, "begun"))
		tn.crash(t)
		must(t, os.WriteFile(filepath.Join(dir, "down"), nil, 0o600))
	}()
	result, err := backup.Run(t.Context(), tn.options)
	if err == nil || result.SnapshotStart != nil || !strings.Contains(result.Error, "pg_dump failed") || strings.Contains(err.Error(), secretName) {
		t.Errorf("%+v, %v", result, err)
	}
	for _, store := range tn.stores {
		if n := tn.paired(t, store); n != 0 {
			t.Errorf("%s counts %d backups", store.Name, n)
		}
	}
	tn.options.PGDump, tn.options.PGRestore = "", ""
	tn.at(time.Now().Add(2 * time.Minute))
	tn.answers(t)
	if again := tn.run(t); again.Tables == 0 {
		t.Errorf("%+v", again)
	}
}

// crash kills the server process that serves pg_dump, whereupon PostgreSQL ends all others and recovers from its log.
func (tn *tenant) crash(t *testing.T) {
	var pid int
	err := tn.server.Superuser(t, tn.server.Database).QueryRow(context.Background(),
		"SELECT pid FROM pg_stat_activity WHERE usename = $1 AND query LIKE 'COPY %'", tn.schema+"_backup").Scan(&pid)
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		t.Errorf("stopping the server in mid-dump: %v", err)
	}
}

// answers waits until the server lets somebody in again.
func (tn *tenant) answers(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		if err := tn.server.Answers(t.Context()); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
