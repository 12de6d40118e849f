// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"slices"
	"strconv"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Slot is a stretch of time that can be booked, in the office's time zone.
type Slot struct {
	Start, End time.Time
	// Public counters, from the first, are the ones citizens book themselves; none for a slot kept for the staff.
	Public int32
}

// Busy is a live appointment at a counter.
type Busy struct {
	Counter    int32
	Start, End time.Time
}

// Day is a day of the office and its free slots; there is at least one.
type Day struct {
	// Date is YYYY-MM-DD in the office's time zone.
	Date  string
	Slots []Slot
}

// Horizon is the stretch in which the office takes bookings: from now to the end of its last bookable day.
func (o *Office) Horizon(now time.Time) (from, until time.Time) {
	local := now.In(o.Location)
	year, month, day := local.Date()
	return local, o.wallClock(year, month, day+int(o.BookableDays), minutesPerDay)
}

// Slots gives every slot of a service the office's hours allow after now, whether free or not, in order.
func (o *Office) Slots(service *Service, now time.Time) []Slot {
	var slots []Slot
	year, month, day := now.In(o.Location).Date()
	for ahead := range int(o.BookableDays) + 1 {
		slots = append(slots, o.slotsOf(service, now, year, month, day+ahead)...)
	}
	return slots
}

// Slot gives the slot that begins at a time, when the office offers one.
func (o *Office) Slot(service *Service, start, now time.Time) (Slot, bool) {
	local := start.In(o.Location)
	if _, until := o.Horizon(now); !local.Before(until) {
		return Slot{}, false
	}
	year, month, day := local.Date()
	for _, slot := range o.slotsOf(service, now, year, month, day) {
		if slot.Start.Equal(start) {
			return slot, true
		}
	}
	return Slot{}, false
}

// slotsOf steps through real time between the instants the doors open and close, so that an hour the clock skips has
// no slots and an hour it repeats has them twice.
func (o *Office) slotsOf(service *Service, now time.Time, year int, month time.Month, day int) []Slot {
	// Noon names the day in every zone; day may lie beyond the month's end.
	civil := time.Date(year, month, day, 12, 0, 0, 0, time.UTC)
	if o.closed(civil.Format(time.DateOnly)) {
		return nil
	}
	var slots []Slot
	for _, hours := range o.hours[civil.Weekday()] {
		if !hours.holds(civil) {
			continue
		}
		opens := o.wallClock(year, month, day, hours.from)
		closes := o.wallClock(year, month, day, hours.until)
		for start := opens; !start.Add(service.Length).After(closes); start = start.Add(o.grid) {
			if start.After(now) {
				slots = append(slots, Slot{start, start.Add(service.Length), hours.public})
			}
		}
	}
	return slots
}

// wallClock is the first instant at which the office's clock shows a time of a day, or, when the clock skips that
// time, the instant it skips. time.Date leaves open which side of a change it takes, so the day is walked from its
// offsets instead.
func (o *Office) wallClock(year int, month time.Month, day, minute int) time.Time {
	naive := time.Date(year, month, day, 0, minute, 0, 0, time.UTC)
	before := offset(naive.Add(-26*time.Hour), o.Location)
	after := offset(naive.Add(26*time.Hour), o.Location)
	early, late := naive.Add(-max(before, after)).In(o.Location), naive.Add(-min(before, after)).In(o.Location)
	for _, candidate := range []time.Time{early, late} {
		if offset(candidate, o.Location) == naive.Sub(candidate) {
			return candidate
		}
	}
	return o.change(early, late)
}

// change finds the instant between two at which the offset changes, to the second.
func (o *Office) change(early, late time.Time) time.Time {
	first := offset(early, o.Location)
	for late.Sub(early) > time.Second {
		middle := early.Add(late.Sub(early) / 2).Truncate(time.Second)
		if offset(middle, o.Location) == first {
			early = middle
		} else {
			late = middle
		}
	}
	return late
}

func offset(at time.Time, location *time.Location) time.Duration {
	_, seconds := at.In(location).Zone()
	return time.Duration(seconds) * time.Second
}

func (o *Office) closed(date string) bool {
	if o.Holidays != "" {
		year, _ := strconv.Atoi(date[:4])
		if slices.Contains(Holidays(o.Holidays, year), date) {
			return true
		}
	}
	return slices.ContainsFunc(o.Closures, func(closure v1alpha1.Closure) bool {
		last := closure.From
		if closure.Until != nil {
			last = *closure.Until
		}
		return string(closure.From) <= date && date <= string(last)
	})
}

// holds tells whether the hours apply on a day of their weekday.
func (s span) holds(day time.Time) bool {
	date := v1alpha1.Date(day.Format(time.DateOnly))
	if s.rule.ValidFrom != nil && date < *s.rule.ValidFrom || s.rule.ValidUntil != nil && date > *s.rule.ValidUntil {
		return false
	}
	if s.rule.EveryWeeks > 1 && s.rule.ValidFrom != nil {
		first, err := time.Parse(time.DateOnly, string(*s.rule.ValidFrom))
		if err != nil || (monday(day)-monday(first))/7%int(s.rule.EveryWeeks) != 0 {
			return false
		}
	}
	if len(s.rule.WeeksOfMonth) == 0 {
		return true
	}
	ordinals := []v1alpha1.WeekOfMonth{v1alpha1.WeekFirst, v1alpha1.WeekSecond, v1alpha1.WeekThird, v1alpha1.WeekFourth, v1alpha1.WeekFifth}
	last := day.AddDate(0, 0, 7).Month() != day.Month()
	return slices.Contains(s.rule.WeeksOfMonth, ordinals[(day.Day()-1)/7]) || last && slices.Contains(s.rule.WeeksOfMonth, v1alpha1.WeekLast)
}

// monday of a day's week, in days since 1970.
func monday(day time.Time) int {
	days := int(day.Unix() / (24 * 60 * 60))
	return days - (int(day.Weekday())+6)%7
}

// Crossing names a day on which two opening hours of the office cross each other, among those from a day on, or "".
// Hours that hold on some days only can cross on those alone.
func (o *Office) Crossing(from time.Time, days int) string {
	year, month, day := from.Date()
	for ahead := range days {
		civil := time.Date(year, month, day+ahead, 12, 0, 0, 0, time.UTC)
		until := 0
		for _, hours := range o.hours[civil.Weekday()] {
			if !hours.holds(civil) {
				continue
			}
			if hours.from < until {
				return civil.Format(time.DateOnly)
			}
			until = hours.until
		}
	}
	return ""
}

// FreeToPublic keeps the slots that at least one of the counters citizens book themselves is free in.
func FreeToPublic(slots []Slot, busy []Busy) []Slot {
	return free(slots, busy, func(slot Slot) int32 { return slot.Public })
}

// Free keeps the slots that at least one counter has no overlapping appointment in. Slots must be in order; busy may
// be in any, and appointments at counters the office no longer has are ignored. One pass over each.
func Free(slots []Slot, busy []Busy, counters int32) []Slot {
	return free(slots, busy, func(Slot) int32 { return counters })
}

func free(slots []Slot, busy []Busy, counters func(Slot) int32) []Slot {
	slices.SortFunc(busy, func(a, b Busy) int { return int(a.Counter - b.Counter) })
	taken := make([]int32, len(slots))
	marked := make([]int32, len(slots))
	for _, appointment := range busy {
		// Slots of one service are equally long, so their ends are in order too.
		first, _ := slices.BinarySearchFunc(slots, appointment.Start, func(slot Slot, start time.Time) int {
			if slot.End.After(start) {
				return 1
			}
			return -1
		})
		for n := first; n < len(slots) && slots[n].Start.Before(appointment.End); n++ {
			if marked[n] != appointment.Counter && appointment.Counter <= counters(slots[n]) {
				marked[n] = appointment.Counter
				taken[n]++
			}
		}
	}
	var free []Slot
	for n, slot := range slots {
		if taken[n] < counters(slot) {
			free = append(free, slot)
		}
	}
	return free
}

// Days groups slots by day, in order.
func Days(slots []Slot) []Day {
	var days []Day
	for _, slot := range slots {
		date := slot.Start.Format(time.DateOnly)
		if len(days) == 0 || days[len(days)-1].Date != date {
			days = append(days, Day{Date: date})
		}
		last := &days[len(days)-1]
		last.Slots = append(last.Slots, slot)
	}
	return days
}

// Nearest gives at most count slots closest to a time, in order.
func Nearest(slots []Slot, to time.Time, count int) []Slot {
	nearest := slices.Clone(slots)
	slices.SortStableFunc(nearest, func(a, b Slot) int {
		return int(a.Start.Sub(to).Abs() - b.Start.Sub(to).Abs())
	})
	nearest = nearest[:min(count, len(nearest))]
	slices.SortFunc(nearest, func(a, b Slot) int { return a.Start.Compare(b.Start) })
	return nearest
}

// Repeated tells whether the office's clock shows this time twice on its day, so that the zone has to be named.
func Repeated(at time.Time) bool {
	for _, shift := range []time.Duration{-time.Hour, time.Hour} {
		if at.Add(shift).Format("15:04") == at.Format("15:04") {
			return true
		}
	}
	return false
}

// Week is one page of days: those within seven days of the first, and where the pages beside it begin ("" for none).
type Week struct {
	Days           []Day
	Previous, Next string
}

// WeekFrom pages through days, all of which have slots. A date before the first day, or none, gives the first page.
func WeekFrom(days []Day, from string) Week {
	if len(days) == 0 {
		return Week{}
	}
	start, _ := slices.BinarySearchFunc(days, from, func(day Day, date string) int {
		if day.Date < date {
			return -1
		}
		return 1
	})
	if start == len(days) {
		start--
	}
	end := start
	for end < len(days) && days[end].Date < plusDays(days[start].Date, 7) {
		end++
	}
	week := Week{Days: days[start:end]}
	if end < len(days) {
		week.Next = days[end].Date
	}
	if start > 0 {
		week.Previous = max(days[0].Date, plusDays(days[start-1].Date, -6))
	}
	return week
}

func plusDays(date string, days int) string {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return day.AddDate(0, 0, days).Format(time.DateOnly)
}
