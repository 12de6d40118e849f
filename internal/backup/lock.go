// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/termintreu/termintreu/internal/objectstore"
)

// ClockSkew is how far our clock, and a store's, may be off. A lock ends that much before the moment expiry deletes, so
// that it never keeps a backup beyond its period; where clocks are further apart no lock is asked for, since one that
// ends too late cannot be taken back.
const ClockSkew = 15 * time.Minute

// Locked is what became of the lock of a copy.
type Locked string

// What became of a lock.
const (
	// LockHeld means that the store shows the lock, in mode COMPLIANCE and with the date it was asked for.
	LockHeld Locked = "Held"
	// LockUnsupported means that the bucket was not made with object lock.
	LockUnsupported Locked = "Unsupported"
	// LockClockSkewed means that none was asked for, since the store's clock and ours are too far apart.
	LockClockSkewed Locked = "ClockSkewed"
	// LockTooShort means that none was asked for, since the next expiry takes the backup already.
	LockTooShort Locked = "TooShort"
	// LockIgnored means that the store took the request and shows another lock, or none.
	LockIgnored Locked = "Ignored"
)

var errLockIgnored = errors.New("the store took the lock and does not show it: anybody with its administrator's key can delete the copy")

// askForLocks finds out what each store can hold, and whether it answers at all, before anything is dumped.
func (j *job) askForLocks(ctx context.Context, start time.Time) error {
	e, err := j.expiry()
	if err != nil {
		return err
	}
	j.each(func(t *target) {
		if t.client == nil {
			return
		}
		able, err := t.client.Locks(ctx)
		if t.err = err; err == nil {
			t.askForLock(able, start, e)
		}
	})
	return nil
}

func (t *target) askForLock(able bool, start time.Time, e expiry) {
	t.lock = objectstore.Lock{}
	until := start.Add(e.period - e.ahead - ClockSkew)
	storeNow, told := t.client.Clock()
	switch {
	case !able:
		t.Lock = LockUnsupported
	case !told || storeNow.Sub(e.now).Abs() > ClockSkew:
		t.Lock = LockClockSkewed
	case !until.After(e.now.Add(ClockSkew)):
		t.Lock = LockTooShort
	default:
		t.lock = objectstore.Lock{Until: until}
	}
}

// seeLock holds what the store shows against what was asked for: a header that was accepted is no evidence.
// What was seen of a copy that was written again since counts no longer.
func (t *target) seeLock(shown objectstore.Lock) {
	t.ignored, t.LockedUntil = nil, nil
	if !shown.Until.IsZero() {
		until := shown.Until.UTC()
		t.LockedUntil = &until
	}
	if t.lock.Until.IsZero() {
		return
	}
	t.Lock = LockHeld
	if !shown.Until.Equal(t.lock.Until) {
		t.Lock = LockIgnored
		t.ignored = fmt.Errorf("store %s: %w", t.Name, errLockIgnored)
	}
}
