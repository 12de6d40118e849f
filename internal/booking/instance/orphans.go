// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/store"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	// orphanInterval is how often orphans are counted while the catalogue stays as it is and nobody asks; after a change
	// it is at once.
	orphanInterval = 10 * time.Minute
	// orphanGrace is how old a count may be for whoever asks.
	orphanGrace = 15 * time.Second
	// maxOrphans of a report: what is wrong with so many offices and services is wrong with the next one, too.
	maxOrphans = 200
)

// orphans counts confirmed appointments ahead that a changed catalogue has no room for. It changes none of them: a
// catalogue is corrected more easily than an appointment somebody relies on.
type orphans struct {
	bookings *store.Store
	snapshot func() *booking.Snapshot
	counters *metrics
	log      *slog.Logger

	mu sync.Mutex
	// counted is whose appointments were counted last; it outlives a failure, so that what is known is told once.
	counted *booking.Snapshot
	last    settings.OrphansReport
	// at is zero while nothing could be counted.
	at time.Time
}

// run counts at once after each change of the catalogue, and at intervals.
func (o *orphans) run(ctx context.Context) {
	every(ctx, reloadInterval, func() { o.look(ctx, orphanInterval) })
}

// look gives a count that is not older than that, and of the catalogue in force.
func (o *orphans) look(ctx context.Context, within time.Duration) settings.OrphansReport {
	o.mu.Lock()
	defer o.mu.Unlock()
	if current := o.snapshot(); current != o.counted || time.Since(o.at) > within {
		o.count(ctx, current)
	}
	report := o.last
	report.AgeSeconds = -1
	if !o.at.IsZero() {
		report.AgeSeconds = time.Since(o.at).Seconds()
	}
	return report
}

func (o *orphans) count(ctx context.Context, current *booking.Snapshot) {
	started, news := time.Now(), current != o.counted
	if current.Restoring {
		o.forget()
		return
	}
	booked, err := o.bookings.Upcoming(ctx)
	if err != nil {
		// Who asked has gone, which says nothing of what was counted before.
		if ctx.Err() != nil {
			return
		}
		o.forget()
		o.log.Error("orphaned appointments not counted", "error", err.Error())
		return
	}
	found, appointments := current.Catalogue.Orphans(booked), 0
	for _, group := range found {
		appointments += group.Appointments
	}
	o.counters.orphans.WithLabelValues().Set(float64(appointments))
	o.counted, o.at = current, started
	o.last = settings.OrphansReport{CatalogueHash: current.CatalogueHash(), Appointments: appointments,
		Orphans: found[:min(len(found), maxOrphans)]}
	if appointments > 0 && news {
		o.log.Warn("the catalogue has no room for confirmed appointments: restore what they need, or write to those who come", "appointments", appointments)
	}
}

// forget leaves no figure rather than an old one.
func (o *orphans) forget() {
	o.last, o.at = settings.OrphansReport{}, time.Time{}
	o.counters.orphans.Reset()
}

// ServeHTTP counts for whoever asks on the internal port, and tells how long ago: the clock of the reader is another one.
func (o *orphans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(o.look(r.Context(), orphanGrace))
}
