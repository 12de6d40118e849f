// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

var errNotRestorable = errors.New("the backup was read back unchanged but cannot be restored")

// proof shows that a backup can be restored, without a standing key: the backup is encrypted to one recipient more,
// whose identity exists in this process's memory only and ends with it.
type proof struct {
	program   string
	recipient age.Recipient
	identity  age.Identity
	// tables whose rows the backup holds, once it was listed.
	tables int
}

func newProof(program string, recipients []age.Recipient) (*proof, error) {
	if program == "" {
		program = "pg_restore"
	}
	// A file is as safe as its weakest recipient, so the one of a moment is of the others' kind.
	if _, hybrid := recipients[0].(*age.HybridRecipient); hybrid {
		identity, err := age.GenerateHybridIdentity()
		if err != nil {
			return nil, fmt.Errorf("drawing the identity of the proof: %w", err)
		}
		return &proof{program: program, recipient: identity.Recipient(), identity: identity}, nil
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("drawing the identity of the proof: %w", err)
	}
	return &proof{program: program, recipient: identity.Recipient(), identity: identity}, nil
}

// show decrypts and decompresses all of content, which authenticates every byte, and lets pg_restore list it.
func (p *proof) show(ctx context.Context, content io.Reader) error {
	decrypted, err := age.Decrypt(content, p.identity)
	if err != nil {
		return fmt.Errorf("%w: decrypting: %w", errNotRestorable, err)
	}
	dump, err := zstd.NewReader(decrypted, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return fmt.Errorf("%w: decompressing: %w", errNotRestorable, err)
	}
	defer dump.Close()
	listing, err := p.list(ctx, dump)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{dump}, make([]byte, 64<<10)); err != nil {
		return fmt.Errorf("%w: decompressing: %w", errNotRestorable, err)
	}
	if p.tables = strings.Count(listing, " TABLE DATA "); p.tables == 0 {
		return fmt.Errorf("%w: pg_restore finds no table in it", errNotRestorable)
	}
	return nil
}

// list gives pg_restore the beginning of the dump, as much as it wants: the table of contents stands first.
func (p *proof) list(ctx context.Context, dump io.Reader) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	command := exec.CommandContext(ctx, p.program, "--list")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	listing, complaint := &limited{left: 1 << 20}, &limited{left: 4 << 10}
	command.Stdout, command.Stderr = listing, complaint
	stdin, err := command.StdinPipe()
	if err != nil {
		return "", fmt.Errorf("starting pg_restore: %w", err)
	}
	if err := command.Start(); err != nil {
		return "", fmt.Errorf("starting pg_restore: %w", err)
	}
	read := &tracked{Reader: dump}
	// That pg_restore has seen enough and hangs up is no failure; that the dump ends in a fault is.
	_, _ = io.CopyBuffer(struct{ io.Writer }{stdin}, struct{ io.Reader }{read}, make([]byte, 64<<10))
	_ = stdin.Close()
	if read.err != nil {
		cancel()
		_ = command.Wait()
		return "", fmt.Errorf("%w: decompressing: %w", errNotRestorable, read.err)
	}
	if err := command.Wait(); err != nil {
		return "", fmt.Errorf("%w: pg_restore --list: %w: %s", errNotRestorable, err, firstErrorOf("pg_restore", complaint.kept.String()))
	}
	return listing.kept.String(), nil
}

// tracked keeps the error of a reader, so that it can be told from that of the writer it is copied to.
type tracked struct {
	io.Reader
	err error
}

func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		t.err = err
	}
	return n, err
}

// limited keeps the first bytes written to it.
type limited struct {
	kept bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), l.left)
	l.left -= keep
	l.kept.Write(p[:keep])
	return len(p), nil
}
