// SPDX-License-Identifier: Apache-2.0

// Package hostpkg installs the Debian packages the local cluster needs.
package hostpkg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/termintreu/termintreu/hack/internal/progress"
)

// pkg is a package and a file that tells that it is installed: asking for files
// takes no time and works on other distributions too.
type pkg struct{ name, file string }

// forTests is what the cluster runs without and the tests do not.
var forTests = []pkg{
	{"chromium", "/usr/bin/chromium"},
	{"nodejs", "/usr/bin/node"},
	{"npm", "/usr/bin/npm"},
	{"jq", "/usr/bin/jq"},
	{"openssl", "/usr/bin/openssl"},
}

var needed = []pkg{
	{"containerd", "/usr/bin/containerd"},
	{"runc", "/usr/sbin/runc"},
	{"containernetworking-plugins", "/usr/lib/cni/ptp"},
	{"nftables", "/usr/sbin/nft"},
	{"iptables", "/usr/sbin/iptables"},
	{"conntrack", "/usr/sbin/conntrack"},
	{"iproute2", "/usr/bin/ip"},
	{"procps", "/usr/sbin/sysctl"},
	{"postgresql", "/usr/lib/postgresql/15/bin/postgres"},
	{"postgresql-client", "/usr/lib/postgresql/15/bin/psql"},
	{"age", "/usr/bin/age"},
	{"zstd", "/usr/bin/zstd"},
	{"mmdebstrap", "/usr/bin/mmdebstrap"},
	{"ca-certificates", "/etc/ssl/certs/ca-certificates.crt"},
}

// Missing lists the packages that are not installed; with tests, those too that
// only the tests need.
func Missing(tests bool) []string {
	wanted := needed
	if tests {
		wanted = slices.Concat(needed, forTests)
	}
	var missing []string
	for _, p := range wanted {
		if _, err := os.Stat(p.file); err != nil {
			missing = append(missing, p.name)
		}
	}
	return missing
}

// Ensure installs what is missing, or says what to install.
func Ensure(ctx context.Context, p *progress.Printer, tests bool) error {
	missing := Missing(tests)
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("install these packages first: %s", strings.Join(missing, " "))
	}
	return p.Step("installing "+strings.Join(missing, " "), func() error {
		return install(ctx, missing)
	})
}

func install(ctx context.Context, packages []string) error {
	restore, err := startNothing()
	if err != nil {
		return err
	}
	defer restore()
	for _, args := range [][]string{
		{"update", "-qq"},
		append([]string{"install", "-y", "-qq", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold"}, packages...),
	} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// startNothing keeps the packages from starting services: the local cluster
// runs its own and wants no other beside them.
func startNothing() (restore func(), err error) {
	const policy = "/usr/sbin/policy-rc.d"
	const clusters = "/etc/postgresql-common/createcluster.conf"
	restore = func() {}
	if _, err := os.Stat(policy); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
			return restore, err
		}
		restore = func() { _ = os.Remove(policy) }
	}
	if _, err := os.Stat(clusters); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(clusters), 0o755); err != nil {
			return restore, err
		}
		return restore, os.WriteFile(clusters, []byte("create_main_cluster = false\n"), 0o644)
	}
	return restore, nil
}
