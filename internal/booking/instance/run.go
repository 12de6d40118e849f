// SPDX-License-Identifier: Apache-2.0

// Package instance runs one tenant's booking site: settings, database, mail, and the two ports.
package instance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/mailer"
	"github.com/termintreu/termintreu/internal/booking/staff"
	"github.com/termintreu/termintreu/internal/booking/store"
	"github.com/termintreu/termintreu/internal/booking/web"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	reloadInterval = 3 * time.Second
	mailInterval   = 2 * time.Second
	expireInterval = time.Minute
	shutdownLimit  = 20 * time.Second

	holdBurst  = 20
	holdRefill = 5 * time.Second
	// A social service books for many with one address; nobody needs more mail from one site than this.
	mailBurst  = 20
	mailRefill = 30 * time.Minute
)

// Options of an instance.
type Options struct {
	SettingsFile, DatabaseDir string
	// StaffDir holds the secrets of the client at the identity provider.
	StaffDir string
	// TLSDir holds tls.crt and tls.key, which the site presents; empty for a site in the clear, behind nothing but tests.
	TLSDir                 string
	Listen, InternalListen string
	// Drain is how long readiness is false before connections are drained, so that no new ones arrive while closing.
	Drain time.Duration
	Log   *slog.Logger
	// Listening is told the addresses of both ports once they are open.
	Listening func(site, internal net.Addr)
}

// Run serves until ctx ends, then drains and returns. It fails when the settings are invalid at the start or a port
// cannot be opened; the database may come later.
func Run(ctx context.Context, options Options) error {
	source, err := NewSource(options.SettingsFile, options.Log)
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	target := func() settings.Database { return source.Snapshot().Database }
	bookings, err := store.Open(work, target, options.DatabaseDir)
	if err != nil {
		return err
	}
	defer bookings.Close()
	bookings.Keeps = func(category v1alpha1.Category) bool { return source.Snapshot().Rule(category) != nil }
	bookings.ReleaseDelay = func() time.Duration { return source.Snapshot().Catalogue.ReleaseDelay }
	source.OnChange = func(before, after *booking.Snapshot) {
		if before.Database != after.Database {
			bookings.Reset()
		}
	}
	counters := newMetrics()
	access := &accessLog{store: bookings, snapshot: source.Snapshot, log: options.Log, dropped: counters.dropped.Inc,
		lines: make(chan store.Access, accessQueue)}
	limit, mailLimit := web.NewLimiter(holdBurst, holdRefill, time.Now), web.NewLimiter(mailBurst, mailRefill, time.Now)
	site := web.New(web.Options{Snapshot: source.Snapshot, Store: bookings, Clock: time.Now, Log: options.Log, Limit: limit, MailLimit: mailLimit,
		Access: access.add, Observe: counters.observe, Event: counters.booked, HasStaff: staff.Open,
		Staff: staff.New(staff.Options{Snapshot: source.Snapshot, Store: bookings, Clock: time.Now, Log: options.Log, SecretDir: options.StaffDir,
			Style: web.StyleAddress, Limit: limit, Address: web.ClientAddress, Event: counters.booked})})

	network := &egress{declared: func() string { return hostPort(target()) }, undeclared: func() []string { return source.Snapshot().Egress.Undeclared }, doubt: egressDoubt}
	left := &orphans{bookings: bookings, snapshot: source.Snapshot, counters: counters, log: options.Log}
	var presented *certificate
	if options.TLSDir != "" {
		if presented, err = newCertificate(options.TLSDir, options.Log); err != nil {
			return err
		}
	}
	var loops sync.WaitGroup
	if presented != nil {
		loops.Go(func() { every(work, reloadInterval, presented.look) })
	}
	loops.Go(func() { network.run(work) })
	loops.Go(func() { source.Watch(work, reloadInterval) })
	loops.Go(func() { access.run(work) })
	loops.Go(func() { send(work, bookings, source.Snapshot, counters, options.Log) })
	loops.Go(func() { expire(work, bookings, source.Snapshot, counters, site.Forget, options.Log) })
	loops.Go(func() { left.run(work) })
	loops.Go(func() { rest(work, &counters.served, debug.FreeOSMemory) })
	var draining atomic.Bool
	// While a backup is brought back the application is locked out of the database, and the page that says so is ready.
	ready := func(ctx context.Context) error {
		if source.Snapshot().Restoring {
			return nil
		}
		return bookings.Ready(ctx)
	}
	err = listen(ctx, options, presented, site.Handler(), internalHandler(counters, network, left, &draining, ready), &draining)
	stop()
	loops.Wait()
	return err
}

func listen(ctx context.Context, options Options, presented *certificate, site, internal http.Handler, draining *atomic.Bool) error {
	public, err := net.Listen("tcp", options.Listen)
	if err != nil {
		return fmt.Errorf("opening the site's port: %w", err)
	}
	private, err := net.Listen("tcp", options.InternalListen)
	if err != nil {
		_ = public.Close()
		return fmt.Errorf("opening the internal port: %w", err)
	}
	if presented != nil {
		public = tls.NewListener(public, presented.config())
	}
	servers := map[*http.Server]net.Listener{server(site): public, server(internal): private}
	failed := make(chan error, len(servers))
	for server, listener := range servers {
		go func() { failed <- server.Serve(listener) }()
	}
	options.Log.Info("listening", "site", public.Addr().String(), "internal", private.Addr().String())
	if options.Listening != nil {
		options.Listening(public.Addr(), private.Addr())
	}
	select {
	case err = <-failed:
	case <-ctx.Done():
		draining.Store(true)
		options.Log.Info("draining")
		select {
		case err = <-failed:
		case <-time.After(options.Drain):
		}
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	for server := range servers {
		err = errors.Join(err, server.Shutdown(closing))
	}
	return err
}

// server has a limit for everything a client could draw out. Its own error log names clients' addresses and is dropped;
// requests that reach a handler are logged there.
func server(handler http.Handler) *http.Server {
	return &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0)}
}

func send(ctx context.Context, bookings *store.Store, snapshot func() *booking.Snapshot, counters *metrics, logger *slog.Logger) {
	sender := &mailer.Sender{Store: bookings, Snapshot: snapshot, Clock: time.Now, Log: logger, Sent: counters.mailed}
	every(ctx, mailInterval, func() {
		if snapshot().Restoring {
			return
		}
		if err := sender.Drain(ctx); err != nil && ctx.Err() == nil {
			logger.Error("outbox not read", "error", err.Error())
		}
	})
}

func expire(ctx context.Context, bookings *store.Store, snapshot func() *booking.Snapshot, counters *metrics, forget func(), logger *slog.Logger) {
	every(ctx, expireInterval, func() {
		forget()
		if snapshot().Restoring {
			return
		}
		expired, err := bookings.Expire(ctx, snapshot().Expiry)
		if err != nil && ctx.Err() == nil {
			logger.Error("expired holds not deleted", "error", err.Error())
		}
		counters.bookings.WithLabelValues("expired").Add(float64(expired))
		if snapshot().Mail != nil {
			if _, err := bookings.QueueReminders(ctx); err != nil && ctx.Err() == nil {
				logger.Error("reminders not queued", "error", err.Error())
			}
		}
		if err := bookings.ExpireSessions(ctx); err != nil && ctx.Err() == nil {
			logger.Error("expired sessions not deleted", "error", err.Error())
		}
	})
}

func every(ctx context.Context, interval time.Duration, work func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			work()
		}
	}
}
