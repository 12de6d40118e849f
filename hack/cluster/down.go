// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/termintreu/termintreu/hack/internal/netns"
	"github.com/termintreu/termintreu/hack/internal/progress"
	"github.com/termintreu/termintreu/hack/internal/supervisor"
	"golang.org/x/sys/unix"
)

// Down ends the cluster whose folder is dir and removes all of it, its data
// included. What was built and cached for the next cluster stays.
func Down(ctx context.Context, dir string, out io.Writer) error {
	l, err := newLayout(dir)
	if err != nil {
		return err
	}
	c := &Cluster{layout: l}
	if _, err := os.Stat(c.file("spec.json")); errors.Is(err, fs.ErrNotExist) && !exists(c.data()) && !exists(c.run()) {
		return nil
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return runSteps(ctx, progress.New(out), []step{
		{"ending processes, mounts, cgroups and network", c.clear},
		{"removing data", func(context.Context) error { return c.removeData() }},
	})
}

// clear removes everything that a reboot would end, whoever left it behind.
// Data stays. The order matters: nothing may start anew, or hold on to, what
// the next step removes.
func (c *Cluster) clear(ctx context.Context) error {
	if err := supervisor.Stop(c.id, c.statusFile()); err != nil {
		return err
	}
	if err := c.removeCgroups(); err != nil {
		return err
	}
	// Containers' shims keep their sockets in a place common to all.
	sockets, _ := filepath.Glob(c.run("nodes", "*", "containerd", "io.containerd.runtime.v2.task", "k8s.io", "*", "address"))
	for _, file := range sockets {
		if raw, err := os.ReadFile(file); err == nil {
			_ = os.Remove(strings.TrimPrefix(strings.TrimSpace(string(raw)), "unix://"))
		}
	}
	if err := c.unmountAll(); err != nil {
		return err
	}
	if err := netns.Delete(ctx, c.id); err != nil {
		return err
	}
	c.removeStrays()
	return os.RemoveAll(c.run())
}

// strange reports whether there is data that belongs to another authority than
// the folder's: somebody removed the folder, as `git clean` does, and not the
// cluster. Its tokens, certificates and passwords are of no use to a new one.
func (c *Cluster) strange() bool {
	owner, err := os.ReadFile(c.owner())
	own, ownErr := os.ReadFile(c.file("ca.crt"))
	return exists(c.data()) && (err != nil || ownErr != nil || !bytes.Equal(owner, own))
}

// disown ends what runs on such data, and removes it.
func (c *Cluster) disown(ctx context.Context) error {
	if err := c.clear(ctx); err != nil {
		return err
	}
	return os.RemoveAll(c.data())
}

// removeStrays removes what libcni and kubelet keep outside the folders they
// were given.
func (c *Cluster) removeStrays() {
	results, _ := filepath.Glob("/var/lib/cni/results/" + c.id + "-*")
	for _, file := range results {
		_ = os.Remove(file)
	}
	links, _ := filepath.Glob("/var/log/containers/*.log")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, c.data()+"/") {
			_ = os.Remove(link)
		}
	}
}

// unmountAll unmounts everything below the cluster's own folders, the youngest
// first. The folders themselves may be mount points of the machine's owner.
func (c *Cluster) unmountAll() error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var mounts []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		if strings.HasPrefix(fields[4], c.run()+"/") || strings.HasPrefix(fields[4], c.data()+"/") {
			mounts = append(mounts, fields[4])
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	slices.Reverse(mounts)
	for _, mount := range mounts {
		if err := unix.Unmount(mount, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmount %s: %w", mount, err)
		}
	}
	return nil
}

// own are the entries of the cluster's folder that this package made; the
// folder may hold a user's own files too.
var own = []string{
	"ca.crt", "ca.key", "config", "endpoints.json", "kubeconfig", "logs", "mail", "pki", "ports.json",
	"postgres", "spec.json", "stores",
}

func (c *Cluster) removeData() error {
	failed := os.RemoveAll(c.data())
	for _, name := range own {
		failed = errors.Join(failed, os.RemoveAll(c.file(name)))
	}
	failed = errors.Join(failed, restoreSysctls())
	// Only when they are empty.
	_ = os.Remove(c.dir)
	_ = os.Remove(filepath.Dir(c.data()))
	_ = os.Remove("/run/termintreu/" + c.id + ".lock")
	_ = os.Remove("/run/termintreu")
	return failed
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
