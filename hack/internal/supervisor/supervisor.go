// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/termintreu/termintreu/hack/internal/mail"
	"github.com/termintreu/termintreu/hack/internal/netns"
)

const (
	// defaultGrace is how long a process has to end in order. The API server
	// would wait a minute for watches to end, which nobody ends.
	defaultGrace = 2 * time.Second
	// stopGrace is that time for a process with a stop signal of its own:
	// long enough for PostgreSQL's checkpoint.
	stopGrace = 10 * time.Second
)

type supervisor struct {
	config Config
	log    *slog.Logger

	mu     sync.Mutex
	status Status
}

// Run keeps everything in the configuration running until the context ends.
func Run(ctx context.Context, config Config) error {
	digest, err := config.Digest()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(config.LogDir, 0o755); err != nil {
		return err
	}
	s := &supervisor{
		config: config,
		log:    slog.New(slog.NewTextHandler(os.Stderr, nil)),
		status: Status{PID: os.Getpid(), Digest: digest, Processes: map[string]ProcessStatus{}},
	}
	if err := s.startForwards(ctx); err != nil {
		return err
	}
	if err := s.startMail(ctx); err != nil {
		return err
	}
	var running sync.WaitGroup
	for _, p := range config.Processes {
		running.Go(func() { s.keep(ctx, p) })
	}
	// The status is written only now: whoever sees it knows that every
	// listener is open.
	s.update("", ProcessStatus{})
	running.Wait()
	return nil
}

func (s *supervisor) update(name string, status ProcessStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name != "" {
		s.status.Processes[name] = status
	}
	if err := s.status.write(s.config.StatusFile); err != nil {
		s.log.Error("status not written", "error", err)
	}
}

// keep starts the process again whenever it ends, slower each time it ends
// soon after its start.
func (s *supervisor) keep(ctx context.Context, p Process) {
	const shortest, longest = 500 * time.Millisecond, 10 * time.Second
	wait := shortest
	var status ProcessStatus
	for ctx.Err() == nil {
		s.waitFor(ctx, p.After)
		started := time.Now()
		err := s.runOnce(ctx, p, &status)
		if ctx.Err() != nil {
			return
		}
		status.PID, status.Since = 0, time.Now()
		status.Restarts++
		status.LastExit = fmt.Sprint(err)
		s.update(p.Name, status)
		s.log.Warn("ended", "process", p.Name, "error", err)
		if time.Since(started) > time.Minute {
			wait = shortest
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, longest)
	}
}

// waitFor waits until the address accepts a connection.
func (s *supervisor) waitFor(ctx context.Context, address string) {
	for address != "" && ctx.Err() == nil {
		if s.accepts(ctx, address) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *supervisor) accepts(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var conn net.Conn
	var err error
	if strings.HasPrefix(address, "/") {
		conn, err = (&net.Dialer{}).DialContext(ctx, "unix", address)
	} else {
		conn, err = netns.Dial(ctx, s.config.ID, "tcp4", address)
	}
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func (s *supervisor) startMail(ctx context.Context) error {
	m := s.config.Mail
	if m == nil {
		return nil
	}
	smtp, err := netns.Listen(ctx, s.config.ID, m.SMTP)
	if err != nil {
		return fmt.Errorf("mail catcher: %w", err)
	}
	web, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", m.Web)
	if err != nil {
		return fmt.Errorf("mail catcher: %w", err)
	}
	catcher, err := mail.New(m.Dir, m.Domain, m.CertFile, m.KeyFile)
	if err != nil {
		return fmt.Errorf("mail catcher: %w", err)
	}
	go func() { s.log.Error("mail catcher ended", "error", catcher.ServeSMTP(smtp)) }()
	go func() { s.log.Error("mail list ended", "error", catcher.ServeWeb(web)) }()
	return nil
}

func (s *supervisor) logFile(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(s.config.LogDir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}
