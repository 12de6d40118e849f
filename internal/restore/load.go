// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"

	"github.com/termintreu/termintreu/internal/postgres"
)

// load takes the first copy that is whole; each attempt begins with an empty quarantine.
func (r *run) load(ctx context.Context, copies []*copyOf) error {
	var failures []error
	for _, c := range copies {
		if err := r.box.step(ctx, StepLoading); err != nil {
			return err
		}
		err := r.loadFrom(ctx, c)
		if err == nil {
			r.result.Store, r.result.SnapshotStart = c.store.Name, c.manifest.SnapshotStart
			r.result.Size, r.result.SHA256 = c.manifest.Size, c.manifest.SHA256
			return nil
		}
		failures = append(failures, fmt.Errorf("from store %s: %w", c.store.Name, err))
		if ctx.Err() != nil || r.conn.IsClosed() {
			break
		}
	}
	return errors.Join(failures...)
}

func (r *run) loadFrom(ctx context.Context, c *copyOf) error {
	if c.manifest.SchemaVersion > postgres.SchemaVersion {
		return fmt.Errorf("the backup was taken by a later release, whose tables have version %d and not %d: restore with that release or a later one",
			c.manifest.SchemaVersion, postgres.SchemaVersion)
	}
	shape, err := r.build(ctx, c.manifest.SchemaVersion)
	if err != nil {
		return err
	}
	content, err := fetch(ctx, c.store.client, c.object())
	if err != nil {
		return err
	}
	defer func() { _ = content.content.Close() }()
	if err := r.pipeline(ctx, content, c.key, shape); err != nil {
		return err
	}
	if err := content.verify(c); err != nil {
		return err
	}
	return r.complete(ctx, shape)
}

// pipeline decrypts and decompresses into pg_restore, and reads what that prints. Nothing decrypted touches a disk.
func (r *run) pipeline(ctx context.Context, content io.Reader, key age.Identity, shape *shape) error {
	decrypted, err := age.Decrypt(content, key)
	if err != nil {
		return fmt.Errorf("decrypting: %w", err)
	}
	// The window our backups have, and no more: a forged one must not take the job's memory.
	decompressed, err := zstd.NewReader(decrypted, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return fmt.Errorf("decompressing: %w", err)
	}
	defer decompressed.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	program := r.Program
	if program == "" {
		program = "pg_restore"
	}
	command := exec.CommandContext(ctx, program, "--data-only", "--no-owner", "--no-privileges", "--format=custom", "--file=-")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	// A wrapper, since what reads from the decompressor must see its errors and not only that the input ended.
	input := &watched{in: decompressed}
	command.Stdin = input
	stderr := &bytes.Buffer{}
	command.Stderr = &capped{out: stderr, left: 4 << 10}
	output, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("starting pg_restore: %w", err)
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting pg_restore: %w", err)
	}
	copyErr := r.copyIn(ctx, newScript(output), shape)
	if copyErr != nil {
		cancel()
	}
	waitErr := command.Wait()
	switch {
	case input.err != nil:
		return fmt.Errorf("reading the backup: %w", input.err)
	case copyErr != nil && !errors.Is(copyErr, errEnded):
		return copyErr
	case waitErr != nil:
		return fmt.Errorf("pg_restore failed: %w: %s", waitErr, reason(stderr.String()))
	}
	return copyErr
}

// watched keeps the error its input ended with.
type watched struct {
	in  io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	return n, err
}

// capped keeps the first bytes written to it.
type capped struct {
	out  *bytes.Buffer
	left int
}

func (c *capped) Write(p []byte) (int, error) {
	keep := min(len(p), c.left)
	c.left -= keep
	c.out.Write(p[:keep])
	return len(p), nil
}

// reason gives pg_restore's own sentence, which speaks of the archive and never of a row.
func reason(stderr string) string {
	for line := range strings.Lines(stderr) {
		if _, message, found := strings.Cut(line, "pg_restore: error: "); found {
			message = strings.TrimSpace(message)
			return message[:min(len(message), 300)]
		}
	}
	return "it gave no reason"
}

// partition is a day of the access log; the rows of all days go where the table puts them.
var partition = regexp.MustCompile(`^access_log_(\d{8}|rest)$`)

// copyIn sends each table's rows on as they come.
func (r *run) copyIn(ctx context.Context, from *script, shape *shape) error {
	loaded := map[string]int64{}
	var total int64
	for {
		found, err := from.next()
		if errors.Is(err, io.EOF) {
			r.result.Rows = loaded
			return nil
		}
		if err != nil {
			return err
		}
		if found.Sequence != "" {
			if err := r.setSequence(ctx, found, shape); err != nil {
				return err
			}
			continue
		}
		table := found.Table
		if partition.MatchString(table) {
			table = "access_log"
		}
		n, err := r.copyTable(ctx, table, found.Columns, from.data, shape)
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
		if shape.tables[table] {
			loaded[table] += n
		}
		if total += n; n > 0 {
			if err := r.box.progress(ctx, total); err != nil {
				return err
			}
		}
	}
}

func (r *run) copyTable(ctx context.Context, table string, columns []string, data io.Reader, shape *shape) (int64, error) {
	switch {
	case table == "goose_db_version":
		// Which migrations there were is what the schema was made by.
		_, err := io.Copy(io.Discard, struct{ io.Reader }{data})
		return 0, err
	case table == postgres.TableRules:
		table = postgres.TableRestoredRules
	case !shape.tables[table]:
		return 0, errors.New("this release has no such table: restore with the release that took the backup, or a later one")
	}
	quoted := make([]string, len(columns))
	for i, column := range columns {
		quoted[i] = pgx.Identifier{column}.Sanitize()
	}
	tag, err := r.conn.PgConn().CopyFrom(ctx, data, fmt.Sprintf("COPY %s (%s) FROM STDIN", pgx.Identifier{table}.Sanitize(), strings.Join(quoted, ", ")))
	if err != nil {
		return 0, scrub(err)
	}
	return tag.RowsAffected(), nil
}

func (r *run) setSequence(ctx context.Context, b *block, shape *shape) error {
	if !slices.Contains(shape.sequences, b.Sequence) {
		return nil
	}
	_, err := r.conn.Exec(ctx, "SELECT setval($1::text::regclass, $2, $3)", pgx.Identifier{b.Sequence}.Sanitize(), b.Value, b.Called)
	if err != nil {
		return fmt.Errorf("sequence %s: %w", b.Sequence, scrub(err))
	}
	return nil
}
