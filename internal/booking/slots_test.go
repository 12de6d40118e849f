// SPDX-License-Identifier: Apache-2.0

package booking_test

import (
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
)

// catalogue is one office that is open as said, and one service.
func catalogue(t *testing.T, zone string, day v1alpha1.Weekday, from, until v1alpha1.TimeOfDay, grid, duration v1alpha1.Period, closures ...v1alpha1.Closure) (*booking.Office, *booking.Service) {
	t.Helper()
	read, err := booking.NewCatalogue(v1alpha1.Catalogue{
		Offices: []v1alpha1.Office{{Name: "office", TimeZone: zone, Counters: 2, SlotLength: grid, BookableDays: 6, Closures: closures,
			OpeningHours: []v1alpha1.OpeningHours{{Day: day, From: from, Until: until}}}},
		Services: []v1alpha1.Service{{Name: "service", Duration: duration, Channels: []v1alpha1.Channel{v1alpha1.ChannelOnSite}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return read.Offices[0], read.Services[0]
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	read, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func starts(slots []booking.Slot) string {
	var texts []string
	for _, slot := range slots {
		texts = append(texts, slot.Start.Format("02T15:04Z07"))
	}
	return strings.Join(texts, " ")
}

func TestSlotsFollowTheOfficesClock(t *testing.T) {
	until := v1alpha1.Date("2026-06-02")
	for _, test := range []struct {
		name, zone     string
		day            v1alpha1.Weekday
		from, until    v1alpha1.TimeOfDay
		grid, duration v1alpha1.Period
		closures       []v1alpha1.Closure
		now, want      string
	}{
		{"an appointment may end exactly when the office closes, not after", "Europe/Zurich", "Monday", "09:00", "10:30", "30m", "45m", nil,
			"2026-06-01T00:00:00Z", "01T09:00+02 01T09:30+02"},
		{"slots begin after now only", "Europe/Zurich", "Monday", "09:00", "10:30", "30m", "30m", nil,
			"2026-06-01T07:00:00Z", "01T09:30+02 01T10:00+02"},
		{"the hour that spring skips has no slots", "Europe/Zurich", "Sunday", "01:00", "04:00", "30m", "30m", nil,
			"2026-03-28T12:00:00Z", "29T01:00+01 29T01:30+01 29T03:00+02 29T03:30+02"},
		{"an office that opens in the skipped hour opens after it", "Europe/Zurich", "Sunday", "02:30", "04:00", "30m", "30m", nil,
			"2026-03-28T12:00:00Z", "29T03:00+02 29T03:30+02"},
		{"the hour that autumn repeats has slots twice", "Europe/Zurich", "Sunday", "01:30", "03:30", "30m", "30m", nil,
			"2026-10-24T12:00:00Z", "25T01:30+02 25T02:00+02 25T02:30+02 25T02:00+01 25T02:30+01 25T03:00+01"},
		{"a change of half an hour keeps the grid in real time", "Australia/Lord_Howe", "Sunday", "01:00", "04:00", "60m", "60m", nil,
			"2026-10-03T00:00:00Z", "04T01:00+10 04T02:30+11"},
		{"24:00 is the end of the day", "Europe/Zurich", "Monday", "23:00", "24:00", "30m", "30m", nil,
			"2026-06-01T00:00:00Z", "01T23:00+02 01T23:30+02"},
		{"a day that has no midnight begins after it", "Africa/Cairo", "Friday", "00:00", "02:00", "30m", "30m", nil,
			"2026-04-23T12:00:00Z", "24T01:00+03 24T01:30+03"},
		{"a closure of several days closes each", "Europe/Zurich", "Monday", "09:00", "10:00", "30m", "30m",
			[]v1alpha1.Closure{{From: "2026-05-30", Until: &until}}, "2026-05-31T22:30:00Z", ""},
		{"a closure of one day closes that day only", "Europe/Zurich", "Monday", "09:00", "10:00", "30m", "30m",
			[]v1alpha1.Closure{{From: "2026-05-31"}}, "2026-05-31T22:30:00Z", "01T09:00+02 01T09:30+02"},
		{"a service longer than the opening hours is never offered", "Europe/Zurich", "Monday", "09:00", "10:00", "30m", "2h", nil,
			"2026-06-01T00:00:00Z", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			office, service := catalogue(t, test.zone, test.day, test.from, test.until, test.grid, test.duration, test.closures...)
			now := at(t, test.now)
			slots := office.Slots(service, now)
			if got := starts(slots); got != test.want {
				t.Errorf("slots begin at\n%s, want\n%s", got, test.want)
			}
			for _, slot := range slots {
				if found, ok := office.Slot(service, slot.Start, now); !ok || !found.End.Equal(slot.End) {
					t.Errorf("the slot at %s is shown but cannot be held", slot.Start)
				}
			}
			if len(slots) > 0 {
				if _, ok := office.Slot(service, slots[0].Start.Add(7*time.Minute), now); ok {
					t.Error("a time beside the grid can be held")
				}
			}
		})
	}
}

func TestASlotIsFreeWhileACounterIs(t *testing.T) {
	office, service := catalogue(t, "Europe/Zurich", "Monday", "09:00", "11:00", "30m", "45m")
	slots := office.Slots(service, at(t, "2026-06-01T00:00:00Z"))
	busy := func(counter int32, from, until string) booking.Busy {
		return booking.Busy{Counter: counter, Start: at(t, "2026-06-01T"+from+":00+02:00"), End: at(t, "2026-06-01T"+until+":00+02:00")}
	}
	for _, test := range []struct {
		name string
		busy []booking.Busy
		want string
	}{
		{"nobody there", nil, "01T09:00+02 01T09:30+02 01T10:00+02"},
		{"one counter taken", []booking.Busy{busy(1, "09:00", "11:00")}, "01T09:00+02 01T09:30+02 01T10:00+02"},
		{"both counters taken, at different times of the slot", []booking.Busy{busy(2, "09:00", "09:15"), busy(1, "09:15", "09:45")}, "01T09:30+02 01T10:00+02"},
		{"two appointments at one counter leave the other", []booking.Busy{busy(1, "09:00", "09:15"), busy(1, "09:15", "09:45")}, "01T09:00+02 01T09:30+02 01T10:00+02"},
		{"appointments that only touch do not overlap", []booking.Busy{busy(1, "09:45", "10:00"), busy(2, "09:45", "10:00")}, "01T09:00+02 01T10:00+02"},
		{"a counter that no longer exists does not count", []booking.Busy{busy(1, "09:00", "11:00"), busy(3, "09:00", "11:00")}, "01T09:00+02 01T09:30+02 01T10:00+02"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := starts(booking.Free(slots, test.busy, office.Counters)); got != test.want {
				t.Errorf("free are %s, want %s", got, test.want)
			}
		})
	}
}

func TestWeeksShowOnlyDaysWithSlotsAndLeadToEachOther(t *testing.T) {
	var days []booking.Day
	for _, date := range []string{"2026-06-01", "2026-06-05", "2026-06-22", "2026-06-23"} {
		days = append(days, booking.Day{Date: date, Slots: make([]booking.Slot, 1)})
	}
	first := booking.WeekFrom(days, "")
	if len(first.Days) != 2 || first.Previous != "" || first.Next != "2026-06-22" {
		t.Errorf("the first week is %+v", first)
	}
	second := booking.WeekFrom(days, first.Next)
	if len(second.Days) != 2 || second.Next != "" {
		t.Errorf("the second week is %+v", second)
	}
	if back := booking.WeekFrom(days, second.Previous); back.Days[len(back.Days)-1].Date != "2026-06-05" {
		t.Errorf("the way back leads to %+v", back)
	}
	if last := booking.WeekFrom(days, "9999-12-31"); len(last.Days) != 1 {
		t.Errorf("a date beyond the last day shows %+v", last)
	}
	if none := booking.WeekFrom(nil, ""); len(none.Days) != 0 {
		t.Errorf("without days there is %+v", none)
	}
}

func TestTimesTheClockShowsTwiceAreToldApart(t *testing.T) {
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"2026-10-25T00:30:00Z": true, "2026-10-25T01:30:00Z": true, "2026-10-25T02:30:00Z": false, "2026-06-01T00:30:00Z": false} {
		if got := booking.Repeated(at(t, text).In(zurich)); got != want {
			t.Errorf("%s repeated: %v", text, got)
		}
	}
}
