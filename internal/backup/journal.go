// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/journal"
	"github.com/termintreu/termintreu/internal/objectstore"
)

// journalKeyInfo binds the key of the journal to what it is for.
const journalKeyInfo = "termintreu erasure journal key 1"

var errJournal = errors.New("no store takes the erasure journal, so that what is to be erased stays hidden until one does")

// shipper takes to the stores what was erased on request since the last run (invariant 5).
type shipper struct {
	*job
	conn   *pgx.Conn
	schema string
	// key of the marks, its name, and the key encrypted to the recipients.
	key     []byte
	name    string
	wrapped []byte
}

// shipJournal comes before the dump: no backup is younger than the journal beside it. Only when a store has shown an
// entry do the hidden rows go; what no store took stays hidden and is shipped by the next run.
func (j *job) shipJournal(ctx context.Context, d *dumper, recipients []age.Recipient) error {
	config, err := d.connection()
	if err != nil {
		return err
	}
	// The connection's search path is the catalogue alone, so that names are written out.
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connecting to database %s: %w", d.database.Name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s := &shipper{job: j, conn: conn, schema: d.database.Schema}
	var ships bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.of("erasure_pending")).Scan(&ships); err != nil || !ships {
		return err // none where the schema is of a release that did not ship
	}
	if err := s.makeKey(d.credentials.Password, recipients); err != nil {
		return err
	}
	return errors.Join(s.shipPending(ctx), s.shipOlder(ctx))
}

// makeKey derives the tenant's key from what the job holds already, so that there is no further secret to keep; a new
// password begins a new key, and the old one stays at the stores for the holders of the recovery keys.
func (s *shipper) makeKey(password string, recipients []age.Recipient) (err error) {
	if s.key, err = hkdf.Key(sha256.New, []byte(password), []byte(s.Settings.DataID), journalKeyInfo, journal.KeySize); err != nil {
		return fmt.Errorf("deriving the key of the erasure journal: %w", err)
	}
	s.name = journal.NameOf(s.key)
	if s.wrapped, err = Encrypt(bytes.NewReader(s.key), recipients...); err != nil {
		return fmt.Errorf("wrapping the key of the erasure journal: %w", err)
	}
	return nil
}

// shipPending ships the erasures that wait for a store, and lets their rows go.
func (s *shipper) shipPending(ctx context.Context) error {
	for {
		subjects, entries, err := s.pending(ctx)
		if err != nil || len(entries) == 0 {
			return err
		}
		if err := s.write(ctx, s.name, s.wrapped, entries); err != nil {
			return err
		}
		var gone int64
		err = s.conn.QueryRow(ctx, "SELECT "+s.of("confirm_erasures")+"($1::text[]::uuid[], $2, $3)", subjects, marksOf(entries), s.name).Scan(&gone)
		if err != nil {
			return fmt.Errorf("letting go what the stores have journalled of schema %s: %w", s.schema, err)
		}
		if s.result.Erased += gone; gone == 0 {
			return nil // another run was quicker
		}
	}
}

func (s *shipper) pending(ctx context.Context) (subjects []string, entries []journal.Entry, err error) {
	rows, err := s.conn.Query(ctx, fmt.Sprintf("SELECT subject::text, requested_at FROM %s ORDER BY requested_at LIMIT %d", s.of("erasure_pending"), journal.MostEntries))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the erasures that wait in schema %s: %w", s.schema, err)
	}
	var (
		subject string
		at      time.Time
	)
	_, err = pgx.ForEachRow(rows, []any{&subject, &at}, func() error {
		subjects = append(subjects, subject)
		entries = append(entries, journal.Entry{Mark: journal.Mark(s.key, "appointment", subject), At: at.UTC()})
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the erasures that wait in schema %s: %w", s.schema, err)
	}
	return subjects, entries, nil
}

// shipOlder ships the marks an instance of an older release made, which deleted at once.
func (s *shipper) shipOlder(ctx context.Context) error {
	for {
		rows, err := s.conn.Query(ctx, fmt.Sprintf("SELECT subject_hmac, erased_at FROM %s WHERE shipped_at IS NULL AND key = '' ORDER BY erased_at LIMIT %d",
			s.of("erasure_journal"), journal.MostEntries))
		if err != nil {
			return fmt.Errorf("reading the erasure journal of schema %s: %w", s.schema, err)
		}
		entries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[journal.Entry])
		if err != nil {
			return fmt.Errorf("reading the erasure journal of schema %s: %w", s.schema, err)
		}
		if len(entries) == 0 {
			return nil
		}
		if err := s.write(ctx, "", nil, entries); err != nil {
			return err
		}
		var noted int64
		if err := s.conn.QueryRow(ctx, "SELECT "+s.of("confirm_journal")+"($1)", marksOf(entries)).Scan(&noted); err != nil || noted == 0 {
			return err
		}
	}
}

// write takes one document to every store and reads it back; its error means that no store has shown it.
func (s *shipper) write(ctx context.Context, key string, wrapped []byte, entries []journal.Entry) error {
	raw, err := journal.Make(s.Settings.DataID, key, wrapped, entries)
	if err != nil {
		return err
	}
	name := s.Now().UTC().Format(objectstore.KeyTime) + "-" + rand.Text() + ".json"
	failures := make(chan error, len(s.targets))
	s.each(func(t *target) {
		if t.err != nil {
			failures <- t.err
			return
		}
		failures <- t.putJournal(ctx, journal.Prefix(t.prefix)+name, raw)
	})
	close(failures)
	all, shown := []error{errJournal}, false
	for failure := range failures {
		all, shown = append(all, failure), shown || failure == nil
	}
	if shown {
		return nil
	}
	return errors.Join(all...)
}

// putJournal writes a document, locked like the backup that follows it, and reads it back: that a store took it is no
// evidence.
func (t *target) putJournal(ctx context.Context, key string, raw []byte) error {
	if _, err := t.client.PutLocked(ctx, key, raw, t.lock); err != nil {
		return err
	}
	content, err := t.client.Get(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	found, err := io.ReadAll(io.LimitReader(content, journal.Limit+1))
	if err == nil && !bytes.Equal(found, raw) {
		err = objectstore.Corrupt(t.Name, key)
	}
	return err
}

func marksOf(entries []journal.Entry) [][]byte {
	marks := make([][]byte, 0, len(entries))
	for _, entry := range entries {
		marks = append(marks, entry.Mark)
	}
	return marks
}

// of names something of the tenant's schema in full.
func (s *shipper) of(name string) string { return pgx.Identifier{s.schema, name}.Sanitize() }
