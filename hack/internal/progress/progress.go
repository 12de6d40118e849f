// SPDX-License-Identifier: Apache-2.0

// Package progress prints one line per step with the time it took.
package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// heartbeat is how often a long step reports that it is still alive: often
// enough that nobody takes a seven-minute build for a hang.
const heartbeat = 30 * time.Second

// Printer writes progress lines. The zero value and nil discard them.
type Printer struct {
	mu  sync.Mutex
	out io.Writer
}

// New returns a Printer that writes to out.
func New(out io.Writer) *Printer { return &Printer{out: out} }

// Printf writes one line.
func (p *Printer) Printf(format string, args ...any) {
	if p == nil || p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.out, format+"\n", args...)
}

// Step runs do and prints its name with the elapsed time when it ends, and in
// between when it is slow.
func (p *Printer) Step(name string, do func() error) error {
	start := time.Now()
	elapsed := func() time.Duration { return time.Since(start).Round(100 * time.Millisecond) }
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.Printf("  … %s %s", name, elapsed().Round(time.Second))
			}
		}
	})
	err := do()
	close(done)
	watcher.Wait()
	if err != nil {
		p.Printf("  ✗ %s (%s)", name, elapsed())
		return fmt.Errorf("%s: %w", name, err)
	}
	p.Printf("  ✓ %s (%s)", name, elapsed())
	return nil
}
