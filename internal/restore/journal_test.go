// SPDX-License-Identifier: Apache-2.0

package restore_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

const isJournal = "/" + objectstore.JournalFolder

// Invariant 5: who was erased after the backup stays erased when the database is lost with its journal.
func TestAnErasureIsShippedAndARestoreFromBeforeItRepeatsIt(t *testing.T) {
	w := newWorld(t, 2)
	w.fill(20, 0)
	ids := value[[]string](w, "SELECT array_agg(id::text) FROM (SELECT id FROM $SCHEMA.appointment ORDER BY id LIMIT 4) AS n")
	w.backup.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) }
	before := w.backUp()
	w.backup.Now = nil
	want := w.digest(ids[:3]...)
	// As this release's instance erases two, and as the one before it erased another.
	w.exec("INSERT INTO "+w.tenant.DataID+".erasure_pending (subject) SELECT unnest($1::text[]::uuid[])", ids[:2])
	w.exec("DELETE FROM "+w.tenant.DataID+".appointment WHERE id::text = $1", ids[2])
	w.exec("INSERT INTO "+w.tenant.DataID+".erasure_journal (subject_hmac) VALUES ($1)", booking.ErasureMark(ids[2]))

	result := w.backUp()
	if result.Erased != 2 {
		t.Errorf("%d rows went, want 2", result.Erased)
	}
	if left := value[int64](w, "SELECT (SELECT count(*) FROM $SCHEMA.appointment WHERE id::text = ANY ($1)) + (SELECT count(*) FROM $SCHEMA.erasure_pending) + (SELECT count(*) FROM $SCHEMA.erasure_journal WHERE shipped_at IS NULL)", ids[:3]); left != 0 {
		t.Errorf("%d are left of what was erased", left)
	}
	must(t, w.admin.Drop(t.Context(), w.tenant.DataID))
	must(t, w.admin.Ensure(t.Context(), w.tenant))
	options := w.begin("r1")
	options.Settings.At = before.SnapshotStart
	restored, err := restore.Run(t.Context(), options)
	must(t, err)
	_, err = w.admin.FinishRestore(t.Context(), w.tenant, "r1")
	must(t, err)
	if restored.Rows["appointment"] != 20 || restored.Erased != 3 || restored.Hits != 0 || restored.Journal != 3 {
		t.Errorf("result %+v", restored)
	}
	if got := w.digest(); got != want {
		t.Errorf("restored %s, want %s", got, want)
	}
}

// Nothing hidden goes while no store has shown the entry, however the store answers; the next run makes it good.
func TestWhatNoStoreHasShownStaysHiddenAndGoesWithTheNextRun(t *testing.T) {
	w := newWorld(t, 2)
	w.fill(5, 0)
	id := value[string](w, "SELECT id::text FROM $SCHEMA.appointment ORDER BY id LIMIT 1")
	w.exec("INSERT INTO "+w.tenant.DataID+".erasure_pending (subject) VALUES ($1)", id)
	waiting := func() bool {
		return value[bool](w, "SELECT EXISTS (SELECT FROM $SCHEMA.erasure_pending JOIN $SCHEMA.appointment ON id = subject)")
	}
	honest := w.backup.Settings.Stores
	for i, fault := range []s3test.Fault{
		s3test.Drops(func(r *http.Request) bool { return strings.Contains(r.URL.Path, isJournal) }),
		{Answer: func(rw http.ResponseWriter, r *http.Request) bool { // refuses
			if strings.Contains(r.URL.Path, isJournal) {
				rw.WriteHeader(http.StatusForbidden)
			}
			return strings.Contains(r.URL.Path, isJournal)
		}},
	} {
		stores := append(honest[:0:0], honest...)
		for n, store := range w.stores {
			liar := store.Behind(t, fault)
			stores[n].Endpoint, stores[n].CABundle = liar.Endpoint, liar.CABundle
		}
		w.backup.Settings.Stores = stores
		// A second for each, since backups are told apart by it.
		at := time.Now().Add(time.Duration(i-3) * time.Minute)
		w.backup.Now = func() time.Time { return at }
		result, err := backup.Run(t.Context(), w.backup)
		if err == nil || !strings.Contains(result.Error, "stays hidden") || strings.Contains(err.Error(), id) || !waiting() {
			t.Errorf("fault %d: error %v, waiting %v", i, err, waiting())
		}
		if result.SnapshotStart == nil {
			t.Errorf("fault %d cost the backup: %v", i, err)
		}
	}
	w.backup.Settings.Stores, w.backup.Now = honest, nil
	w.stores[0].Stop()
	if result, _ := backup.Run(t.Context(), w.backup); result.Erased != 1 || waiting() {
		t.Errorf("one store is enough, and did not do: %+v", result)
	}
}

// B1: the journal outlives the backups it is for, and nothing else.
func TestAJournalEntryGoesThirtyDaysAfterTheBackupsItIsFor(t *testing.T) {
	w := newWorld(t, 1)
	w.fill(1, 0)
	w.exec("INSERT INTO " + w.tenant.DataID + ".erasure_pending (subject) SELECT id FROM " + w.tenant.DataID + ".appointment")
	// By a clock so wrong that nothing is locked: what is shown here is the expiry.
	w.backup.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	w.backUp()
	for _, step := range []struct {
		after   time.Duration
		expired int
	}{{91 * day, 2}, {119 * day, 0}, {121 * day, 1}} {
		w.backup.Now = func() time.Time { return time.Now().Add(step.after) }
		result, err := backup.Expire(t.Context(), w.backup)
		must(t, err)
		if result.Stores[0].Expired != step.expired {
			t.Errorf("after %s expired %d, want %d", step.after, result.Stores[0].Expired, step.expired)
		}
	}
}
