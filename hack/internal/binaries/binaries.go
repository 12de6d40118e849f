// SPDX-License-Identifier: Apache-2.0

// Package binaries finds the programs of the local cluster, or builds them from
// the Go module proxy into a cache in the user's home, keyed by version, so
// that a machine without a container registry pays for them once.
package binaries

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/termintreu/termintreu/hack/internal/progress"
	"golang.org/x/sys/unix"
)

// The versions the local cluster runs. The first three must be those of
// hack/kubernetes/go.mod and hack/coredns/go.mod; a test holds them together.
const (
	KubernetesVersion = "v1.36.3"
	EtcdVersion       = "v3.6.8"
	CoreDNSVersion    = "v1.15.0"
	VersityVersion    = "v1.8.0"
)

// tool is one program and the way to build it.
type tool struct {
	name string
	// set is the cache folder, so that a new version never meets an old one.
	set string
	// module is the folder of the tool module; empty means "go install".
	module  string
	pkg     string
	ldflags string
	// versionArgs make a prebuilt program print its version, which must
	// contain wantVersion for the program to be taken.
	versionArgs []string
	wantVersion string
}

func kubernetes(name string) tool {
	const v = "k8s.io/component-base/version."
	args := []string{"--version"}
	if name == "kubectl" {
		args = []string{"version", "--client"}
	}
	return tool{
		name: name, set: "kubernetes-" + KubernetesVersion, module: "hack/kubernetes",
		pkg: "k8s.io/kubernetes/cmd/" + name,
		ldflags: fmt.Sprintf("-X %[1]sgitVersion=%[2]s -X %[1]sgitMajor=1 -X %[1]sgitMinor=%[3]s",
			v, KubernetesVersion, strings.Split(KubernetesVersion, ".")[1]),
		versionArgs: args, wantVersion: KubernetesVersion,
	}
}

func tools() []tool {
	return []tool{
		kubernetes("kubectl"),
		{
			name: "etcd", set: "kubernetes-" + KubernetesVersion, module: "hack/kubernetes",
			pkg:         "go.etcd.io/etcd/server/v3",
			versionArgs: []string{"--version"}, wantVersion: strings.TrimPrefix(EtcdVersion, "v"),
		},
		kubernetes("kube-apiserver"),
		kubernetes("kube-controller-manager"),
		kubernetes("kube-scheduler"),
		kubernetes("kubelet"),
		kubernetes("kube-proxy"),
		{name: "coredns", set: "coredns-" + CoreDNSVersion, module: "hack/coredns", pkg: "."},
		{
			name: "versitygw", set: "versitygw-" + VersityVersion,
			pkg: "github.com/versity/versitygw/cmd/versitygw@" + VersityVersion,
		},
	}
}

// EnvtestAssets are the programs envtest needs in KUBEBUILDER_ASSETS.
var EnvtestAssets = []string{"etcd", "kube-apiserver", "kubectl"}

// Set maps the name of a program to its path.
type Set map[string]string

// All makes sure that every program of the local cluster exists.
func All(ctx context.Context, root string, p *progress.Printer) (Set, error) {
	var names []string
	for _, t := range tools() {
		names = append(names, t.name)
	}
	return Ensure(ctx, root, p, names...)
}

// Ensure makes sure that the named programs exist and returns their paths.
// root is the folder of the main module.
func Ensure(ctx context.Context, root string, p *progress.Printer, names ...string) (Set, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	set := Set{}
	for _, t := range tools() {
		if !slices.Contains(names, t.name) {
			continue
		}
		if prebuilt := t.prebuilt(ctx); prebuilt != "" {
			set[t.name] = prebuilt
			continue
		}
		path, err := t.cached(root, cache)
		if err != nil {
			return nil, err
		}
		if !executable(path) {
			if err := t.build(ctx, root, path, p); err != nil {
				return nil, err
			}
		}
		set[t.name] = path
	}
	return set, nil
}

// AssetsDir makes sure that envtest's programs exist and returns a folder that
// holds all of them, fit for KUBEBUILDER_ASSETS.
func AssetsDir(ctx context.Context, root string, p *progress.Printer) (string, error) {
	set, err := Ensure(ctx, root, p, EnvtestAssets...)
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(set[EnvtestAssets[0]])
	for _, name := range EnvtestAssets {
		if filepath.Dir(set[name]) == dir {
			continue
		}
		// Some are prebuilt and some are not: gather them in the cache.
		cache, err := CacheDir()
		if err != nil {
			return "", err
		}
		return gather(filepath.Join(cache, "envtest-"+KubernetesVersion), set)
	}
	return dir, nil
}

func gather(dir string, set Set) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for name, target := range set {
		link := filepath.Join(dir, name)
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if err := os.Symlink(target, link); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// CacheDir is where built programs and images are kept between clusters.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache folder: %w", err)
	}
	dir := filepath.Join(cache, "termintreu")
	return dir, os.MkdirAll(dir, 0o755)
}

// cached returns where the built program is kept. A program whose source is in
// this repository has a digest of it in the path beside the version.
func (t tool) cached(root, cache string) (string, error) {
	set := t.set
	if t.pkg == "." {
		sum := sha256.New()
		for _, name := range []string{"main.go", "go.mod"} {
			raw, err := os.ReadFile(filepath.Join(root, t.module, name))
			if err != nil {
				return "", err
			}
			sum.Write(raw)
		}
		set += "-" + hex.EncodeToString(sum.Sum(nil)[:4])
	}
	return filepath.Join(cache, set, t.name), nil
}

// prebuilt returns the path of a program of the right version in
// KUBEBUILDER_ASSETS, which is how a machine image ships them.
func (t tool) prebuilt(ctx context.Context) string {
	dir := os.Getenv("KUBEBUILDER_ASSETS")
	if dir == "" || t.wantVersion == "" {
		return ""
	}
	path := filepath.Join(dir, t.name)
	if !executable(path) {
		return ""
	}
	out, err := exec.CommandContext(ctx, path, t.versionArgs...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), t.wantVersion) {
		return ""
	}
	return path
}

// build builds the program beside its final place and renames it, under a file
// lock: parallel test packages wait for one build instead of starting several.
func (t tool) build(ctx context.Context, root, path string, p *progress.Printer) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if executable(path) {
		return nil
	}
	return p.Step("building "+t.name, func() error {
		temp, err := os.MkdirTemp(filepath.Dir(path), ".build-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(temp) }()
		built := filepath.Join(temp, t.name)
		if err := t.run(ctx, root, built); err != nil {
			return err
		}
		return os.Rename(built, path)
	})
}

func (t tool) run(ctx context.Context, root, out string) error {
	flags := []string{"-trimpath", "-buildvcs=false", "-ldflags", strings.TrimSpace("-s -w " + t.ldflags)}
	cmd := exec.CommandContext(ctx, "go", append(append([]string{"build"}, flags...), "-mod=readonly", "-o", out, t.pkg)...)
	cmd.Dir = filepath.Join(root, t.module)
	if t.module == "" {
		cmd = exec.CommandContext(ctx, "go", append(append([]string{"install"}, flags...), t.pkg)...)
	}
	// GOFLAGS of the caller may be meant for the main module only.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOBIN="+filepath.Dir(out))
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", t.pkg, err, output)
	}
	return nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
