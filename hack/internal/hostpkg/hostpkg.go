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
	"strings"

	"github.com/termintreu/termintreu/hack/internal/progress"
)

// needed maps a package to a file that tells that it is installed: asking for
// files takes no time and works on other distributions too.
var needed = []struct{ name, file string }{
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

// Missing lists the packages that are not installed.
func Missing() []string {
	var missing []string
	for _, p := range needed {
		if _, err := os.Stat(p.file); err != nil {
			missing = append(missing, p.name)
		}
	}
	return missing
}

// Ensure installs what is missing, or says what to install.
func Ensure(ctx context.Context, p *progress.Printer) error {
	missing := Missing()
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
