// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroupMount = "/sys/fs/cgroup"

// cgroupHierarchies are the mounts a cgroup must exist in: one with cgroup v2,
// one per controller with v1.
func cgroupHierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupMount, "cgroup.controllers")); err == nil {
		return []string{cgroupMount}, nil
	}
	entries, err := os.ReadDir(cgroupMount)
	if err != nil {
		return nil, err
	}
	var hierarchies []string
	for _, entry := range entries {
		if _, err := os.Stat(filepath.Join(cgroupMount, entry.Name(), "cgroup.procs")); err == nil {
			hierarchies = append(hierarchies, filepath.Join(cgroupMount, entry.Name()))
		}
	}
	return hierarchies, nil
}

// ensureCgroups makes the root of every kubelet, which does not do it itself.
func (c *Cluster) ensureCgroups() error {
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range hierarchies {
		parent := filepath.Join(hierarchy, c.id)
		for _, dir := range append([]string{parent}, c.nodeCgroups(hierarchy)...) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := fillCpuset(dir); err != nil {
				return err
			}
		}
		if hierarchy == cgroupMount {
			if err := delegate(hierarchy, parent); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) nodeCgroups(hierarchy string) []string {
	var dirs []string
	for _, n := range c.Spec.Nodes {
		dirs = append(dirs, filepath.Join(hierarchy, c.cgroup(n.Name)))
	}
	return dirs
}

// fillCpuset copies the parent's processors and memory nodes: a new v1 cpuset
// has none, and nothing can run in it.
func fillCpuset(dir string) error {
	if filepath.Base(filepath.Dir(dir)) == "unified" {
		return nil
	}
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) || strings.TrimSpace(string(own)) != "" {
			continue
		}
		parents, err := os.ReadFile(filepath.Join(filepath.Dir(dir), name))
		if err != nil || strings.TrimSpace(string(parents)) == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), parents, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// delegate lets the children of the v2 groups use the controllers.
func delegate(dirs ...string) error {
	for _, dir := range dirs {
		raw, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, controller := range strings.Fields(string(raw)) {
			err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
			if err != nil && slices.Contains([]string{"cpu", "memory", "pids"}, controller) {
				return fmt.Errorf("delegate %s in %s: %w", controller, dir, err)
			}
		}
	}
	return nil
}

// removeCgroups ends whatever still runs in the cluster's cgroups, which are
// containers, and removes them.
func (c *Cluster) removeCgroups() error {
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return err
	}
	var failed error
	for _, hierarchy := range hierarchies {
		for try := 0; ; try++ {
			err := removeCgroup(filepath.Join(hierarchy, c.id))
			if err == nil {
				break
			}
			// A killed process leaves its group a moment later.
			if try == 50 {
				failed = errors.Join(failed, err)
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	return failed
}

func removeCgroup(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(dirs)
	var failed error
	for _, dir := range dirs {
		raw, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for _, field := range strings.Fields(string(raw)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
	}
	return failed
}
