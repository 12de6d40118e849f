// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/settings"
)

// Source is the settings document in force. A document that cannot be served changes nothing: the last good one stays.
type Source struct {
	path    string
	log     *slog.Logger
	raw     []byte
	current atomic.Pointer[booking.Snapshot]
	// OnChange is called with the document before and the one after.
	OnChange func(before, after *booking.Snapshot)
}

// NewSource reads the document for the first time; an invalid one is an error then.
func NewSource(path string, log *slog.Logger) (*Source, error) {
	source := &Source{path: path, log: log}
	if _, err := source.Reload(); err != nil {
		return nil, err
	}
	return source, nil
}

// Snapshot gives the document in force.
func (s *Source) Snapshot() *booking.Snapshot { return s.current.Load() }

// Watch looks for a new document every interval until ctx ends. The kubelet swaps a ConfigMap's files by a link, so
// contents are compared, not times.
func (s *Source) Watch(ctx context.Context, interval time.Duration) {
	every(ctx, interval, func() {
		changed, err := s.Reload()
		if err != nil {
			s.log.Error("settings refused, the last valid ones stay in force", "error", err.Error())
		} else if changed {
			s.log.Info("settings reloaded", "planHash", s.Snapshot().PlanHash)
		}
	})
}

// Reload reads the document and, when it is new and valid, puts it in force.
func (s *Source) Reload() (changed bool, err error) {
	raw, err := os.ReadFile(s.path)
	if err != nil {
		return false, fmt.Errorf("reading settings: %w", err)
	}
	if s.raw != nil && bytes.Equal(raw, s.raw) {
		return false, nil
	}
	s.raw = raw // also when it is invalid, so that it is complained about once
	document := new(settings.Instance)
	if err := json.Unmarshal(raw, document); err != nil {
		return false, fmt.Errorf("reading settings: %w", err)
	}
	after, err := booking.NewSnapshot(document)
	if err != nil {
		return false, fmt.Errorf("settings: %w", err)
	}
	before := s.current.Swap(after)
	if before != nil && s.OnChange != nil {
		s.OnChange(before, after)
	}
	return true, nil
}
