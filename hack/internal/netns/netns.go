// SPDX-License-Identifier: Apache-2.0

// Package netns runs code inside a named network namespace. Only the network
// namespace is entered; mounts stay those of the caller, because entering with
// `ip netns exec` remounts /sys and hides the cgroup hierarchies from kubelets.
package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const dir = "/run/netns"

// Path returns the file that names the namespace.
func Path(name string) string { return filepath.Join(dir, name) }

// Exists reports whether the name refers to a live namespace. After a reboot
// with a persistent /run the file is there but is no namespace any more.
func Exists(name string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(Path(name), &fs) != nil {
		return false
	}
	return fs.Type == unix.NSFS_MAGIC
}

// Create makes the namespace.
func Create(ctx context.Context, name string) error {
	return run(ctx, "ip", "netns", "add", name)
}

// Delete removes the namespace and the interfaces in it.
func Delete(ctx context.Context, name string) error {
	if _, err := os.Lstat(Path(name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if Exists(name) {
		return run(ctx, "ip", "netns", "delete", name)
	}
	return os.Remove(Path(name))
}

// Command returns the argument vector that runs args inside the namespace.
// nsenter replaces itself with the command, so the process ID is the command's.
func Command(name string, args ...string) []string {
	return append([]string{"nsenter", "--net=" + Path(name), "--"}, args...)
}

// Run runs a command inside the namespace.
func Run(ctx context.Context, name string, args ...string) error {
	return run(ctx, Command(name, args...)...)
}

func run(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Dial connects from inside the namespace. Addresses are literal: host names
// would be resolved by the resolver of the host, outside the namespace.
func Dial(ctx context.Context, name, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := inside(name, func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Listen opens a TCP listener inside the namespace. It stays inside when the
// caller is outside: a socket belongs to the namespace it was created in.
func Listen(ctx context.Context, name, address string) (net.Listener, error) {
	var listener net.Listener
	err := inside(name, func() (err error) {
		listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	return listener, nil
}

// inside calls do on a thread that is in the namespace. The thread goes back
// afterwards; one that cannot is given up by leaving it locked, since any
// goroutine scheduled on it later would find itself in the wrong network.
func inside(name string, do func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		if err != nil {
			runtime.UnlockOSThread()
			result <- err
			return
		}
		defer func() { _ = home.Close() }()
		target, err := os.Open(Path(name))
		if err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("open network namespace %s: %w", name, err)
			return
		}
		defer func() { _ = target.Close() }()
		if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("enter network namespace %s: %w", name, err)
			return
		}
		err = do()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}
