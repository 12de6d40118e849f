// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/termintreu/termintreu/hack/internal/binaries"
	"github.com/termintreu/termintreu/hack/internal/progress"
)

// Repository is the name of the operator's image without its tag.
const Repository = "ghcr.io/termintreu/termintreu"

// The image carries pg_dump and pg_restore: backups must be restorable with
// PostgreSQL's own tools, so they are made with them.
var packages = []string{"ca-certificates", "postgresql-client-15", "tzdata"}

// rootFSFormat changes when the way the root file system is made changes.
const rootFSFormat = "2"

// pgBin is put on PATH: /usr/bin/pg_dump is a Perl script that looks for
// servers of the host, and Perl is left out of the image.
const pgBin = "/usr/lib/postgresql/15/bin"

// skipped are what a container never reads. Documentation keeps its copyright
// files, which the licences ask for.
var skipped = []string{
	"usr/bin/perl", "usr/share/perl", "usr/lib/x86_64-linux-gnu/libperl", "usr/lib/aarch64-linux-gnu/libperl", "usr/lib/x86_64-linux-gnu/perl", "usr/lib/aarch64-linux-gnu/perl",
	"usr/share/man/", "usr/share/locale/", "usr/share/info/", "usr/share/lintian/", "usr/share/postgresql",
	"var/cache/", "var/lib/apt/", "etc/apt/", "dev/",
}

// Version is what git says about the tree, or "dev" where there is no git.
func Version(ctx context.Context, root string) string {
	cmd := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty")
	cmd.Dir = root
	out, err := cmd.Output()
	version := strings.TrimSpace(string(out))
	if err != nil || version == "" {
		return "dev"
	}
	return version
}

// Operator builds the operator's image from the tree at root into the file out
// and returns its name.
func Operator(ctx context.Context, root, version, out string, p *progress.Printer) (string, error) {
	rootFS, err := debianRootFS(ctx, p)
	if err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp("", "termintreu-image-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	var programs []string
	if err := p.Step("building termintreu "+version, func() error {
		programs, err = Programs(ctx, root, temp, "-X main.version="+version)
		return err
	}); err != nil {
		return "", err
	}
	ref := Repository + ":" + version
	return ref, p.Step("assembling "+ref, func() error { return assemble(ref, rootFS, programs, out) })
}

func assemble(ref, rootFS string, programs []string, out string) error {
	base, err := tarball.LayerFromFile(rootFS)
	if err != nil {
		return err
	}
	var files []file
	for _, program := range programs {
		files = append(files, file{path: "/" + filepath.Base(program), mode: 0o555, source: program})
	}
	layer, err := filesLayer(files)
	if err != nil {
		return err
	}
	config := v1.Config{
		Entrypoint: []string{"/termintreu"},
		WorkingDir: "/",
		Env:        []string{"PATH=" + pgBin + ":/usr/bin:/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Labels:     map[string]string{"org.opencontainers.image.licenses": "Apache-2.0"},
	}
	return write(ref, out, config, base, layer)
}

// debianRootFS returns a compressed layer with the Debian packages, from the
// cache where it was made before.
func debianRootFS(ctx context.Context, p *progress.Printer) (string, error) {
	cache, err := binaries.CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(rootFSFormat + strings.Join(packages, ",") + strings.Join(skipped, ",")))
	path := filepath.Join(cache, "rootfs-"+hex.EncodeToString(sum[:6])+".tar.gz")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, p.Step("extracting Debian packages for the image", func() error {
		raw, err := os.CreateTemp(cache, "rootfs-*.tar")
		if err != nil {
			return err
		}
		defer func() { _ = os.Remove(raw.Name()) }()
		if err := raw.Close(); err != nil {
			return err
		}
		args := []string{"--quiet", "--variant=extract", "--format=tar", "--include=" + strings.Join(packages, ","), "bookworm", raw.Name()}
		if out, err := exec.CommandContext(ctx, "mmdebstrap", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("mmdebstrap: %w: %s", err, out)
		}
		if err := slim(raw.Name(), path+".tmp"); err != nil {
			return err
		}
		return os.Rename(path+".tmp", path)
	})
}

// slim copies the archive without what nobody reads, and adds the files that
// the packages' own scripts would have made: they were extracted, not run.
func slim(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	compressed, err := gzip.NewWriterLevel(out, gzip.BestSpeed)
	if err != nil {
		return err
	}
	roots, err := copyEntries(tar.NewReader(in), compressed)
	if err != nil {
		return err
	}
	err = writeTar(compressed, []file{
		{path: "/etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{path: "/etc/group", mode: 0o644, data: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{path: "/etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: roots},
		{path: "/tmp", mode: 0o1777, dir: true},
	})
	return errors.Join(err, compressed.Close())
}

// copyEntries leaves the archive open for more entries and returns the trusted
// root certificates it passed.
func copyEntries(in *tar.Reader, to io.Writer) ([]byte, error) {
	out := tar.NewWriter(to)
	var roots bytes.Buffer
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return roots.Bytes(), out.Flush()
		}
		if err != nil {
			return nil, err
		}
		path := strings.TrimPrefix(header.Name, "./")
		if skip(path) {
			continue
		}
		if err := out.WriteHeader(header); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		content := io.Reader(in)
		if strings.HasPrefix(path, "usr/share/ca-certificates/mozilla/") && header.Typeflag == tar.TypeReg {
			content = io.TeeReader(in, &roots)
		}
		if _, err := io.Copy(out, content); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
}

func skip(path string) bool {
	if strings.HasPrefix(path, "usr/share/doc/") && !strings.HasSuffix(path, "/") {
		return !strings.HasSuffix(path, "/copyright")
	}
	for _, prefix := range skipped {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
