// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"sync"
	"time"
)

// A schedule is looked at over a little more than a year from a fixed day, so that the answer depends on no clock.
const (
	scheduleSpan    = 400 * 24 * time.Hour
	scheduleFirings = 20_000
)

var (
	scheduleStart = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)
	gaps          sync.Map // of schedule and zone, since a fleet shares few
)

// LongestGap is longestGap for other packages.
func LongestGap(schedule, zone string) time.Duration { return longestGap(schedule, zone) }

// longestGap is the longest time between two firings of a schedule; the whole span when it fires less than twice.
func longestGap(schedule, zone string) time.Duration {
	key := schedule + "\x00" + zone
	if known, ok := gaps.Load(key); ok {
		return known.(time.Duration)
	}
	gap := measureGap(schedule, zone)
	gaps.Store(key, gap)
	return gap
}

func measureGap(schedule, zone string) time.Duration {
	parsed, err := parseCron(schedule)
	location, zoneErr := time.LoadLocation(zone)
	if err != nil || zoneErr != nil {
		return scheduleSpan
	}
	var longest time.Duration
	last := parsed.Next(scheduleStart.In(location))
	for range scheduleFirings {
		next := parsed.Next(last)
		if last.IsZero() || next.IsZero() || next.Sub(scheduleStart) > scheduleSpan {
			break
		}
		longest = max(longest, next.Sub(last))
		last = next
	}
	if longest == 0 {
		return scheduleSpan
	}
	return longest
}
