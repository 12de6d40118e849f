// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/journal"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/retention"
)

// ErrHits tells that who was erased is still there after the journal was replayed.
var ErrHits = errors.New("records that were erased on request are still there")

// journalOf is the erasure journal of the source: every entry any store has.
type journalOf struct {
	// marks by the name of the key they were made with, and when each was asked for.
	marks map[string]map[string]time.Time
	// wrapped is the newest age file of each key, keys what unlock made of them.
	wrapped map[string][]byte
	keys    map[string][]byte
}

// names of the keys, in order.
func (j *journalOf) names() []string { return slices.Sorted(maps.Keys(j.wrapped)) }

func (j *journalOf) entries() (n int) {
	for _, marks := range j.marks {
		n += len(marks)
	}
	return n
}

func (j *journalOf) unlock(name string, identity age.Identity) error {
	opened, err := age.Decrypt(strings.NewReader(string(j.wrapped[name])), identity)
	if err == nil {
		j.keys[name], err = io.ReadAll(io.LimitReader(opened, journal.KeySize+1))
	}
	if err != nil {
		return fmt.Errorf("opening the key of the erasure journal: %w", err)
	}
	if len(j.keys[name]) != journal.KeySize || journal.NameOf(j.keys[name]) != name {
		return errors.New("the key in the erasure journal is not the one it names: the journal was tampered with")
	}
	return nil
}

// readJournal reads what every store has. An entry may lie at one store alone, so that none may be left out but by
// somebody who says so.
func (r *run) readJournal(ctx context.Context) (*journalOf, error) {
	all := &journalOf{marks: map[string]map[string]time.Time{"": {}}, wrapped: map[string][]byte{}, keys: map[string][]byte{}}
	for _, s := range r.stores {
		err := all.add(ctx, s, r.Settings.Source)
		if err != nil && slices.Contains(r.Settings.WithoutJournalOf, s.Name) {
			r.Log.Warn("the erasure journal of a store is left out, as asked for", "store", s.Name)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("the erasure journal of store %s cannot be read, and without it somebody who was erased could come back: mend the store, or name it in withoutJournalOf: %w", s.Name, err)
		}
	}
	return all, nil
}

func (j *journalOf) add(ctx context.Context, s *store, source string) error {
	var keys []string
	err := s.client.ListVersions(ctx, journal.Prefix(s.Prefix), func(v objectstore.Version) error {
		if v.Latest && !v.DeleteMarker {
			keys = append(keys, v.Key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	// Keys begin with the time, so that the newest wrapping of a key wins.
	slices.Sort(keys)
	for _, key := range keys {
		raw, err := s.read(ctx, key, journal.Limit)
		if err != nil {
			return err
		}
		document, err := journal.Parse(raw)
		if err == nil && document.DataID != source {
			err = errors.New("the document is another tenant's")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		j.merge(document)
	}
	return nil
}

func (j *journalOf) merge(d *journal.Document) {
	if len(d.WrappedKey) > 0 {
		j.wrapped[d.Key] = d.WrappedKey
	}
	if j.marks[d.Key] == nil {
		j.marks[d.Key] = map[string]time.Time{}
	}
	for _, entry := range d.Entries {
		j.marks[d.Key][string(entry.Mark)] = entry.At
	}
}

// erased tells whether somebody asked for the erasure of an appointment.
func (j *journalOf) erased(id string) bool {
	if _, found := j.marks[""][string(booking.ErasureMark(id))]; found {
		return true
	}
	for name, key := range j.keys {
		if _, found := j.marks[name][string(journal.Mark(key, "appointment", id))]; found {
			return true
		}
	}
	return false
}

// purge deletes what has fallen due since the backup was taken.
func (r *run) purge(ctx context.Context) error {
	if err := r.box.step(ctx, StepPurging); err != nil {
		return err
	}
	config, err := r.config()
	if err != nil {
		return err
	}
	report, err := retention.Run(ctx, retention.Options{Config: config})
	if err != nil {
		return fmt.Errorf("purging what was restored: %w", err)
	}
	r.result.Purged = purgedOf(report)
	return nil
}

// purgedOf counts by category what a purge has removed.
func purgedOf(report retention.Report) map[string]int64 {
	purged := map[string]int64{}
	for _, category := range report.Categories {
		if category.Removed > 0 {
			purged[string(category.Name)] = category.Removed
		}
	}
	return purged
}

// overdue counts what is past period and tolerance.
func overdue(ctx context.Context, conn *pgx.Conn) (records int64, err error) {
	err = conn.QueryRow(ctx, "SELECT purgeable_overdue()").Scan(&records)
	if err != nil {
		return 0, fmt.Errorf("auditing what came in: %w", scrub(err))
	}
	return records, nil
}

// replay deletes whom the journal names: that at the stores, and what the schema in use knew beyond it.
func (r *run) replay(ctx context.Context, j *journalOf) error {
	if err := r.box.step(ctx, StepReplaying); err != nil {
		return err
	}
	if err := r.mergeLive(ctx, j); err != nil {
		return err
	}
	r.result.Journal = j.entries()
	if err := r.writeJournal(ctx, j); err != nil {
		return err
	}
	hits, err := r.hits(ctx, j)
	if err != nil {
		return err
	}
	for batch := range slices.Chunk(hits, 1000) {
		if _, err := r.conn.Exec(ctx, "DELETE FROM appointment WHERE id = ANY ($1::text[]::uuid[])", batch); err != nil {
			return fmt.Errorf("erasing again: %w", scrub(err))
		}
	}
	r.result.Erased = int64(len(hits))
	return nil
}

// mergeLive takes over what the schema in use knows: entries no store needed to have, and erasures that still wait.
func (r *run) mergeLive(ctx context.Context, j *journalOf) error {
	rows, err := r.conn.Query(ctx, "SELECT key, subject_hmac, erased_at FROM live_journal UNION SELECT key, subject_hmac, erased_at FROM erasure_journal")
	if err != nil {
		return fmt.Errorf("reading the journal in use: %w", scrub(err))
	}
	var (
		key  string
		mark []byte
		at   time.Time
	)
	lost := 0
	_, err = pgx.ForEachRow(rows, []any{&key, &mark, &at}, func() error {
		j.merge(&journal.Document{Entries: []journal.Entry{{Mark: mark, At: at}}, Key: key})
		if key != "" && j.keys[key] == nil {
			lost++
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the journal in use: %w", scrub(err))
	}
	if lost > 0 && len(r.Settings.WithoutJournalOf) == 0 {
		return fmt.Errorf("%d erasures were marked with a key no store has any more, so that nobody can tell whom they name: name a store in withoutJournalOf to go on without them", lost)
	}
	_, err = r.conn.Exec(ctx, "INSERT INTO erasure_pending (subject, requested_at) SELECT subject, requested_at FROM live_pending ON CONFLICT DO NOTHING")
	if err != nil {
		return fmt.Errorf("taking over erasures that wait: %w", scrub(err))
	}
	return nil
}

// writeJournal completes the restored schema's own journal, which is as old as the backup.
func (r *run) writeJournal(ctx context.Context, j *journalOf) error {
	for name, marks := range j.marks {
		list, times := make([][]byte, 0, len(marks)), make([]time.Time, 0, len(marks))
		for mark, at := range marks {
			list, times = append(list, []byte(mark)), append(times, at)
		}
		_, err := r.conn.Exec(ctx, `INSERT INTO erasure_journal (erased_at, subject_hmac, key, shipped_at)
			SELECT u.at, u.mark, $3, CASE WHEN $3 <> '' THEN now() END FROM unnest($1::bytea[], $2::timestamptz[]) AS u (mark, at) ON CONFLICT DO NOTHING`, list, times, name)
		if err != nil {
			return fmt.Errorf("completing the journal: %w", scrub(err))
		}
	}
	return nil
}

// hits are the restored records somebody asked to be erased.
func (r *run) hits(ctx context.Context, j *journalOf) ([]string, error) {
	rows, err := r.conn.Query(ctx, "SELECT a.id::text, p.subject IS NOT NULL FROM appointment AS a LEFT JOIN erasure_pending AS p ON p.subject = a.id")
	if err != nil {
		return nil, fmt.Errorf("looking for who was erased: %w", scrub(err))
	}
	var (
		hits    []string
		id      string
		pending bool
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &pending}, func() error {
		if pending || j.erased(id) {
			hits = append(hits, id)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for who was erased: %w", scrub(err))
	}
	return hits, nil
}

// prove looks again at everything: that a deletion succeeded is no evidence (invariant 7).
func (r *run) prove(ctx context.Context, j *journalOf) error {
	hits, err := r.hits(ctx, j)
	if err != nil {
		return err
	}
	if r.result.Hits = int64(len(hits)); len(hits) > 0 {
		return fmt.Errorf("%d %w", len(hits), ErrHits)
	}
	if r.result.Overdue, err = overdue(ctx, r.conn); err != nil {
		return err
	}
	if r.result.Overdue > 0 {
		return fmt.Errorf("%d restored records are past their period, and the purge did not remove them: end the suspension of the policy, or see which rule is missing", r.result.Overdue)
	}
	return nil
}
