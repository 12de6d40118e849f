// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/termintreu/termintreu/hack/internal/netns"
)

// runOnce runs the process to its end, or ends it when the context ends.
func (s *supervisor) runOnce(ctx context.Context, p Process, status *ProcessStatus) error {
	log, err := s.logFile(p.Name)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := s.command(p, log)
	if err := cmd.Start(); err != nil {
		return err
	}
	status.PID, status.Since = cmd.Process.Pid, time.Now()
	s.update(p.Name, *status)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	stop, grace := syscall.SIGTERM, defaultGrace
	if p.Stop != 0 {
		stop, grace = syscall.Signal(p.Stop), stopGrace
	}
	_ = cmd.Process.Signal(stop)
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
		_ = cmd.Process.Kill()
		return fmt.Errorf("killed after %s: %w", grace, <-ended)
	}
}

func (s *supervisor) command(p Process, log *os.File) *exec.Cmd {
	args := p.Args
	if p.UID != 0 {
		args = append([]string{
			"setpriv", "--reuid=" + strconv.Itoa(p.UID), "--regid=" + strconv.Itoa(p.GID), "--init-groups", "--",
		}, args...)
	}
	args = netns.Command(s.config.ID, args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/", "LANG=C.UTF-8", "TZ=UTC", Marker + "=" + s.config.ID,
	}, p.Env...)
	cmd.Dir = p.Dir
	cmd.Stdout, cmd.Stderr = log, log
	// An own process group keeps a Ctrl-C in the terminal of whoever runs
	// the supervisor by hand from ending the processes in random order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}
