// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"log/slog"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
)

const (
	accessQueue    = 1024
	accessBatch    = 200
	accessInterval = 2 * time.Second
)

// accessLog writes the access log in batches beside the requests, and only where the policy has a rule that deletes it.
type accessLog struct {
	store    *store.Store
	snapshot func() *booking.Snapshot
	log      *slog.Logger
	dropped  func()
	lines    chan store.Access
}

// add never blocks: under a flood lines are dropped and counted rather than citizens kept waiting.
func (a *accessLog) add(line store.Access) {
	if a.snapshot().Rule(v1alpha1.CategoryAccessLog) == nil {
		return
	}
	select {
	case a.lines <- line:
	default:
		a.dropped()
	}
}

// run writes until ctx ends, then what is left.
func (a *accessLog) run(ctx context.Context) {
	ticker := time.NewTicker(accessInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), accessInterval)
			defer cancel()
			a.write(rest)
			return
		case <-ticker.C:
			a.write(ctx)
		}
	}
}

func (a *accessLog) write(ctx context.Context) {
	for len(a.lines) > 0 && ctx.Err() == nil {
		batch := make([]store.Access, 0, min(len(a.lines), accessBatch))
		for len(batch) < cap(batch) {
			batch = append(batch, <-a.lines)
		}
		if err := a.store.WriteAccess(ctx, batch); err != nil {
			a.log.Error("access log not written", "lines", len(batch), "error", err.Error())
			return
		}
	}
}
