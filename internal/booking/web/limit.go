// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/netip"
	"sync"
	"time"
)

const maxBuckets = 10_000

// Limiter is a token bucket per client address (B11). It lives in memory only and forgets addresses as their buckets
// fill up again.
type Limiter struct {
	burst  float64
	refill time.Duration
	clock  func() time.Time

	mutex   sync.Mutex
	buckets map[netip.Prefix]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// NewLimiter allows burst requests at once and one more per refill.
func NewLimiter(burst int, refill time.Duration, clock func() time.Time) *Limiter {
	return &Limiter{burst: float64(burst), refill: refill, clock: clock, buckets: map[netip.Prefix]bucket{}}
}

// Allow takes one from the address's bucket. An IPv6 household has a whole /64, so that counts as one.
func (l *Limiter) Allow(address netip.Addr) bool {
	bits := 32
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits)
	now := l.clock()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	entry, found := l.buckets[network]
	if !found {
		entry = bucket{l.burst, now}
		l.forget(now)
	}
	entry.left = l.level(entry, now)
	entry.at = now
	allowed := entry.left >= 1
	if allowed {
		entry.left--
	}
	l.buckets[network] = entry
	return allowed
}

func (l *Limiter) level(entry bucket, now time.Time) float64 {
	return min(l.burst, entry.left+float64(now.Sub(entry.at))/float64(l.refill))
}

// Forget drops the addresses whose buckets are full, so that none is kept longer than it is needed.
func (l *Limiter) Forget() {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.drop(l.clock())
}

func (l *Limiter) forget(now time.Time) {
	if len(l.buckets) < maxBuckets {
		return
	}
	l.drop(now)
	for network := range l.buckets {
		if len(l.buckets) < maxBuckets {
			break
		}
		delete(l.buckets, network)
	}
}

func (l *Limiter) drop(now time.Time) {
	for network, entry := range l.buckets {
		if l.level(entry, now) >= l.burst {
			delete(l.buckets, network)
		}
	}
}
