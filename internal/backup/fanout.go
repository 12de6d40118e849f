// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/termintreu/termintreu/internal/objectstore"
)

// buffers are the parts in memory at a time, shared by all stores: one being filled, the others under way. They are
// the greater part of our memory, whatever the size of the backup and the number of stores.
const buffers = 3

var (
	errNoStore  = errors.New("no store takes the backup")
	errLagging  = errors.New("the store lags behind the others")
	errProducer = errors.New("the dump failed")
)

// part is a buffer that several stores send at once; the last one gives it back.
type part struct {
	data  []byte
	users atomic.Int32
}

// fanout is an io.Writer that sends what is written to several uploads, each by its own goroutine. A store that fails
// is left behind; one that keeps the others waiting longer than patience is too, and repaired afterwards at its pace.
type fanout struct {
	sinks    []*sink
	free     chan *part
	current  *part
	patience time.Duration
	digest   hash.Hash
	size     int64
	running  sync.WaitGroup
}

type sink struct {
	upload *objectstore.Upload
	parts  chan *part
	// last is set before parts is closed; nil means that the upload must not be completed.
	last    []byte
	pending atomic.Int32
	ctx     context.Context //nolint:containedctx // it is the goroutine's own
	cancel  context.CancelCauseFunc
	// err is read by others after the goroutine has ended; failed before.
	err    error
	failed atomic.Bool
}

func newFanout(ctx context.Context, uploads []*objectstore.Upload, patience time.Duration) *fanout {
	f := &fanout{free: make(chan *part, buffers), patience: patience, digest: sha256.New()}
	for range buffers {
		f.free <- &part{data: make([]byte, 0, objectstore.PartSize)}
	}
	f.current = <-f.free
	for _, upload := range uploads {
		s := &sink{upload: upload, parts: make(chan *part, buffers)}
		s.ctx, s.cancel = context.WithCancelCause(ctx)
		f.sinks = append(f.sinks, s)
		f.running.Go(func() { f.run(s) })
	}
	return f
}

// run sends parts until there are no more; after a failure it only gives them back.
func (f *fanout) run(s *sink) {
	defer s.cancel(nil)
	for p := range s.parts {
		if s.err == nil {
			s.fail(s.upload.Part(s.ctx, p.data))
		}
		s.pending.Add(-1)
		f.release(p)
	}
	if s.err == nil && s.last != nil {
		s.fail(s.upload.Complete(s.ctx, s.last))
	}
	if s.err != nil || s.last == nil {
		if err := s.upload.Abort(s.ctx); err != nil {
			s.err = errors.Join(s.err, err)
		}
	}
}

func (s *sink) fail(err error) {
	if err == nil {
		return
	}
	if cause := context.Cause(s.ctx); cause != nil {
		err = errors.Join(cause, err)
	}
	s.err = err
	s.failed.Store(true)
}

func (f *fanout) release(p *part) {
	if p.users.Add(-1) == 0 {
		p.data = p.data[:0]
		f.free <- p
	}
}

// Write never fails because of one store, only when no store is left.
func (f *fanout) Write(data []byte) (int, error) {
	written := len(data)
	f.digest.Write(data)
	f.size += int64(written)
	for len(data) > 0 {
		n := min(len(data), cap(f.current.data)-len(f.current.data))
		f.current.data = append(f.current.data, data[:n]...)
		data = data[n:]
		// A full buffer goes only when more follows, so that the last part is never empty.
		if len(data) > 0 && len(f.current.data) == cap(f.current.data) {
			if err := f.send(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (f *fanout) send() error {
	alive := f.alive()
	if len(alive) == 0 {
		return errNoStore
	}
	p := f.current
	p.users.Store(int32(len(alive)))
	for _, s := range alive {
		s.pending.Add(1)
		s.parts <- p
	}
	f.current = f.next()
	return nil
}

func (f *fanout) alive() (alive []*sink) {
	for _, s := range f.sinks {
		if !s.failed.Load() {
			alive = append(alive, s)
		}
	}
	return alive
}

// next waits for a free buffer. When one store has nothing to do while others hold all buffers, those are left behind.
func (f *fanout) next() *part {
	timer := time.NewTimer(f.patience)
	defer timer.Stop()
	for {
		select {
		case p := <-f.free:
			return p
		case <-timer.C:
			f.leaveBehind()
			timer.Reset(f.patience)
		}
	}
}

func (f *fanout) leaveBehind() {
	var idle, lagging []*sink
	for _, s := range f.alive() {
		if s.pending.Load() == 0 {
			idle = append(idle, s)
		} else {
			lagging = append(lagging, s)
		}
	}
	if len(idle) == 0 {
		return // all are slow, or too few to tell; each request has its own limit
	}
	for _, s := range lagging {
		s.cancel(errLagging)
	}
}

// finish completes every upload that has come this far and gives the error of each store, in order.
func (f *fanout) finish() []error {
	for _, s := range f.sinks {
		s.last = f.current.data
	}
	return f.wait()
}

// abandon aborts every upload: nothing of a failed dump may be completed.
func (f *fanout) abandon() []error {
	for _, s := range f.sinks {
		s.cancel(errProducer)
	}
	return f.wait()
}

func (f *fanout) wait() []error {
	failures := make([]error, len(f.sinks))
	for _, s := range f.sinks {
		close(s.parts)
	}
	f.running.Wait()
	for i, s := range f.sinks {
		failures[i] = s.err
	}
	return failures
}

func (f *fanout) sha256() string { return hex.EncodeToString(f.digest.Sum(nil)) }
