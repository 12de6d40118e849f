// SPDX-License-Identifier: Apache-2.0

package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const maxBuckets = 10_000

// Limiter is a token bucket per client address, or per mail address (B11). It lives in memory only, knows whom it
// limits by a hash whose key ends with the process, and forgets them as their buckets fill up again.
type Limiter struct {
	burst  float64
	refill time.Duration
	clock  func() time.Time
	key    []byte

	mutex   sync.Mutex
	buckets map[whom]bucket
}

// whom is the keyed hash of who is limited: a dump of the memory tells nobody's address.
type whom [sha256.Size]byte

type bucket struct {
	left float64
	at   time.Time
}

// NewLimiter allows burst requests at once and one more per refill.
func NewLimiter(burst int, refill time.Duration, clock func() time.Time) *Limiter {
	return &Limiter{burst: float64(burst), refill: refill, clock: clock, key: []byte(rand.Text()), buckets: map[whom]bucket{}}
}

// Allow takes one from the address's bucket. An IPv6 household has a whole /64, so that counts as one.
func (l *Limiter) Allow(address netip.Addr) bool {
	bits := 32
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits)
	return l.take(network.String())
}

// AllowMail takes one from the mail address's bucket, however its letters are written.
func (l *Limiter) AllowMail(address string) bool { return l.take(strings.ToLower(address)) }

func (l *Limiter) take(who string) bool {
	sum := hmac.New(sha256.New, l.key)
	_, _ = sum.Write([]byte(who))
	hashed := whom(sum.Sum(nil))
	now := l.clock()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	entry, found := l.buckets[hashed]
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
	l.buckets[hashed] = entry
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
	for who := range l.buckets {
		if len(l.buckets) < maxBuckets {
			break
		}
		delete(l.buckets, who)
	}
}

func (l *Limiter) drop(now time.Time) {
	for who, entry := range l.buckets {
		if l.level(entry, now) >= l.burst {
			delete(l.buckets, who)
		}
	}
}
