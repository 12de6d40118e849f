// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/objectstore"
)

// taken is a record that is due, and what an attempt before left of it: size and SHA-256 of an object that may lie at
// the archives already.
type taken struct {
	Object   string
	Until    time.Time
	Document string
	Content  []byte
	Size     *int64
	SHA256   []byte
}

// handOver takes one record to every archive: written down first, then written, read back, and confirmed. Killed in
// between, the next run finds what was written down and goes on with what the archives show of it. False when there was
// nothing to do: the record is not due any more, or was changed meanwhile.
func (r *run) handOver(ctx context.Context, category v1alpha1.Category, at place) (bool, error) {
	rows, err := r.conn.Query(ctx, "SELECT object::text, until, document, content, size, sha256 FROM archive_take($1, $2, $3::text::tid)", category, at.Number, at.Place)
	if err != nil {
		return false, err
	}
	t, err := pgx.CollectOneRow(rows, pgx.RowToStructByPos[taken])
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	sealed := r.found(ctx, &t)
	if sealed == nil {
		if sealed, err = r.begin(ctx, category, at, &t); err != nil || sealed == nil {
			return false, err
		}
	}
	versions, err := r.deliver(ctx, sealed)
	if err != nil {
		return false, err
	}
	var confirmed bool
	err = r.conn.QueryRow(ctx, "SELECT archive_confirm($1, $2, $3::text::tid, $4, $5)", category, at.Number, at.Place, sealed.sum, versions).Scan(&confirmed)
	return confirmed, err
}

// sealed is an encrypted record: the bytes that must lie at each archive.
type sealed struct {
	key     string
	content []byte
	sum     []byte
	until   time.Time
	// again tells that an archive has it already, so that each is asked before it is written there.
	again bool
}

func (r *run) object(t *taken, content, sum []byte) *sealed {
	return &sealed{key: objectstore.ArchiveKey(r.Settings.DataID+"/", t.Until, t.Object), content: content, sum: sum, until: t.Until}
}

// found gives what an attempt before has brought to any of the archives; nil when none shows it, so that it is written
// anew.
func (r *run) found(ctx context.Context, t *taken) *sealed {
	if t.Size == nil {
		return nil
	}
	s := r.object(t, nil, t.SHA256)
	s.again = true
	for i := range r.archives {
		a := &r.archives[i]
		if a.client == nil {
			continue
		}
		if content, _, err := a.read(ctx, s.key, "", *t.Size); err == nil && s.is(content) {
			s.content = content
			return s
		}
	}
	return nil
}

// begin encrypts the record and writes down what is about to be written; nil when the record is not what it was.
func (r *run) begin(ctx context.Context, category v1alpha1.Category, at place, t *taken) (*sealed, error) {
	content, err := backup.Encrypt(strings.NewReader(t.Document), r.recipients...)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	sum := sha256.Sum256(content)
	s := r.object(t, content, sum[:])
	var begun bool
	err = r.conn.QueryRow(ctx, "SELECT archive_begin($1, $2, $3::text::tid, $4, $5, $6)", category, at.Number, at.Place, t.Content, len(s.content), s.sum).Scan(&begun)
	if err != nil || !begun {
		return nil, err
	}
	return s, nil
}

// deliver brings the record to every archive that does not show it yet, and gives the version each has.
func (r *run) deliver(ctx context.Context, s *sealed) (map[string]string, error) {
	versions := map[string]string{}
	for i := range r.archives {
		a := &r.archives[i]
		version, err := a.deliver(ctx, s)
		if class := objectstore.ClassOf(err); err != nil && (class == objectstore.ClassUnreachable || class == objectstore.ClassTimeout) {
			a.fail(err)
		}
		if err != nil {
			return nil, &archiveError{a.Name, err}
		}
		versions[a.Name] = version
	}
	return versions, nil
}

func (a *archive) deliver(ctx context.Context, s *sealed) (version string, err error) {
	if a.client == nil {
		return "", a.err
	}
	if s.again {
		if version, err := a.shows(ctx, s, ""); err == nil {
			return version, nil
		}
	}
	if version, err = a.client.PutLocked(ctx, s.key, s.content, objectstore.Lock{Until: s.until}); err != nil {
		return "", err
	}
	return a.shows(ctx, s, version)
}

// shows reads back a version, the current one when none is named: its bytes, and that it is locked until its date and
// no other. That a store took it is no evidence (invariant 7).
func (a *archive) shows(ctx context.Context, s *sealed, version string) (string, error) {
	content, version, err := a.read(ctx, s.key, version, int64(len(s.content)))
	if err != nil {
		return "", err
	}
	if !s.is(content) {
		return "", objectstore.Corrupt(a.Name, s.key)
	}
	info, err := a.client.Stat(ctx, s.key, version)
	if err != nil {
		return "", err
	}
	if info.VersionID == "" || info.VersionID != version || info.Size != int64(len(s.content)) {
		return "", objectstore.Corrupt(a.Name, s.key)
	}
	if !info.Lock.Until.Equal(s.until) {
		return "", objectstore.LockIgnored(a.Name, s.key)
	}
	return version, nil
}

// read reads no more than what must be there, and one byte.
func (a *archive) read(ctx context.Context, key, version string, size int64) ([]byte, string, error) {
	object, err := a.client.GetVersion(ctx, key, version)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = object.Close() }()
	content, err := io.ReadAll(io.LimitReader(object, size+1))
	if err != nil {
		return nil, "", err
	}
	if version == "" {
		version = object.VersionID
	}
	return content, version, nil
}

// is tells whether content is what was sealed.
func (s *sealed) is(content []byte) bool {
	sum := sha256.Sum256(content)
	return bytes.Equal(sum[:], s.sum)
}
