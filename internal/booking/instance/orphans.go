// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"log/slog"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// orphanInterval is how often orphans are counted while the catalogue stays as it is; after a change it is at once.
const orphanInterval = 10 * time.Minute

// countOrphans reports confirmed appointments ahead that a changed catalogue has no room for. It changes none of them:
// a catalogue is corrected more easily than an appointment somebody relies on.
func countOrphans(ctx context.Context, bookings *store.Store, snapshot func() *booking.Snapshot, counters *metrics, logger *slog.Logger) {
	var (
		counted *booking.Snapshot
		next    time.Time
	)
	every(ctx, reloadInterval, func() {
		current := snapshot()
		if current == counted && time.Now().Before(next) {
			return
		}
		booked, err := bookings.Upcoming(ctx)
		if err != nil {
			// No figure rather than an old one.
			counters.orphans.Reset()
			if ctx.Err() == nil {
				logger.Error("orphaned appointments not counted", "error", err.Error())
			}
			return
		}
		orphans := current.Catalogue.Orphans(booked)
		counters.orphans.WithLabelValues().Set(float64(orphans))
		if orphans > 0 && current != counted {
			logger.Warn("the catalogue has no room for confirmed appointments: restore what they need, or write to those who come", "appointments", orphans)
		}
		counted, next = current, time.Now().Add(orphanInterval)
	})
}
