// SPDX-License-Identifier: Apache-2.0

package booking_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
)

// The dates are those the authorities published for these years.
func TestHolidaysAreThoseOfTheLandOrCanton(t *testing.T) {
	for _, test := range []struct {
		calendar v1alpha1.HolidayCalendar
		year     int
		want     string
	}{
		{"CH-BS", 2026, "01-01 04-03 04-06 05-01 05-14 05-25 08-01 12-25 12-26"},
		{"CH-GE", 2026, "01-01 04-03 04-06 05-14 05-25 08-01 09-10 12-25 12-31"},
		{"CH-GE", 2024, "01-01 03-29 04-01 05-09 05-20 08-01 09-05 12-25 12-31"},
		{"CH-VD", 2026, "01-01 01-02 04-03 04-06 05-14 05-25 08-01 09-21 12-25"},
		{"CH-GL", 2026, "01-01 01-02 04-03 04-06 04-09 05-14 05-25 08-01 11-01 12-25 12-26"},
		{"CH-GL", 2025, "01-01 01-02 04-03 04-18 04-21 05-29 06-09 08-01 11-01 12-25 12-26"},
		{"CH-VS", 2026, "01-01 03-19 05-14 06-04 08-01 08-15 11-01 12-08 12-25"},
		{"CH-TI", 2026, "01-01 01-06 03-19 04-06 05-01 05-14 05-25 06-04 06-29 08-01 08-15 11-01 12-08 12-25 12-26"},
		{"DE-NW", 2025, "01-01 04-18 04-21 05-01 05-29 06-09 06-19 10-03 11-01 12-25 12-26"},
		{"DE-BE", 2026, "01-01 03-08 04-03 04-06 05-01 05-14 05-25 10-03 12-25 12-26"},
		{"DE-SN", 2026, "01-01 04-03 04-06 05-01 05-14 05-25 10-03 10-31 11-18 12-25 12-26"},
		{"DE-SN", 2023, "01-01 04-07 04-10 05-01 05-18 05-29 10-03 10-31 11-22 12-25 12-26"},
		{"DE-BB", 2038, "01-01 04-23 04-25 04-26 05-01 06-03 06-13 06-14 10-03 10-31 12-25 12-26"},
		{"XX-YY", 2026, ""},
	} {
		var days []string
		for _, day := range booking.Holidays(test.calendar, test.year) {
			days = append(days, day[5:])
		}
		if got := strings.Join(days, " "); got != test.want {
			t.Errorf("%s %d:\n%s, want\n%s", test.calendar, test.year, got, test.want)
		}
	}
}

// What the API server takes for a calendar must be one: an office would be open on every holiday of a Land nobody knows.
func TestEveryCalendarTheAPITakesHasItsHolidays(t *testing.T) {
	crd, err := os.ReadFile("../../config/crd/bases/booking.termintreu.dev_bookingtenants.yaml")
	if err != nil {
		t.Fatal(err)
	}
	countries := map[string]int{}
	for _, named := range regexp.MustCompile(`(?m)^\s+- ((?:CH|DE)-[A-Z]{2})$`).FindAllSubmatch(crd, -1) {
		calendar := v1alpha1.HolidayCalendar(named[1])
		countries[string(calendar[:2])]++
		// Nowhere are there fewer than eight, and none twice.
		if days := booking.Holidays(calendar, 2026); len(days) < 8 || len(slices.Compact(slices.Clone(days))) != len(days) {
			t.Errorf("%s has %v", calendar, days)
		}
	}
	if countries["DE"] != 16 || countries["CH"] < 15 {
		t.Errorf("the API takes %v", countries)
	}
}

// patterned is an office of three counters with the given hours, each from 09:00 to 10:00, and a service of an hour.
func patterned(t *testing.T, spoil func(*v1alpha1.Office)) (*booking.Office, *booking.Service) {
	t.Helper()
	office := v1alpha1.Office{Name: "office", TimeZone: "Europe/Zurich", Counters: 3, SlotLength: "60m", BookableDays: 90,
		OpeningHours: []v1alpha1.OpeningHours{{Day: "Monday", From: "09:00", Until: "10:00"}}}
	spoil(&office)
	read, err := booking.NewCatalogue(v1alpha1.Catalogue{Offices: []v1alpha1.Office{office},
		Services: []v1alpha1.Service{{Name: "service", Duration: "60m", Channels: []v1alpha1.Channel{v1alpha1.ChannelOnSite}}}})
	if err != nil {
		t.Fatal(err)
	}
	return read.Offices[0], read.Services[0]
}

func TestHoursHoldOnTheirOwnWeeksAndDays(t *testing.T) {
	day := func(text string) *v1alpha1.Date { date := v1alpha1.Date(text); return &date }
	for _, test := range []struct {
		name  string
		spoil func(*v1alpha1.Office)
		want  string
	}{
		// 2026-03-02 is a Monday; the horizon ends on 2026-05-30.
		{"every other week, across the change of the clock", func(o *v1alpha1.Office) {
			o.OpeningHours[0].EveryWeeks, o.OpeningHours[0].ValidFrom = 2, day("2026-03-11")
		}, "03-23 04-06 04-20 05-04 05-18"},
		{"the first and the last Monday", func(o *v1alpha1.Office) {
			o.OpeningHours[0].WeeksOfMonth = []v1alpha1.WeekOfMonth{v1alpha1.WeekFirst, v1alpha1.WeekLast}
		}, "03-02 03-30 04-06 04-27 05-04 05-25"},
		{"the fifth Monday, where there is one", func(o *v1alpha1.Office) {
			o.OpeningHours[0].WeeksOfMonth = []v1alpha1.WeekOfMonth{v1alpha1.WeekFifth}
		}, "03-30"},
		{"from a day until a day", func(o *v1alpha1.Office) {
			o.OpeningHours[0].ValidFrom, o.OpeningHours[0].ValidUntil = day("2026-04-13"), day("2026-04-27")
		}, "04-13 04-20 04-27"},
		{"not on public holidays", func(o *v1alpha1.Office) { o.Holidays = "CH-BS" },
			"03-02 03-09 03-16 03-23 03-30 04-13 04-20 04-27 05-04 05-11 05-18"},
	} {
		office, service := patterned(t, test.spoil)
		var days []string
		for _, day := range booking.Days(office.Slots(service, at(t, "2026-03-01T12:00:00Z"))) {
			days = append(days, day.Date[5:])
		}
		if got := strings.Join(days, " "); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestCountersKeptForTheStaffAreNotOfferedToThePublic(t *testing.T) {
	one, none := int32(1), int32(0)
	now := at(t, "2026-03-01T12:00:00Z")
	office, service := patterned(t, func(o *v1alpha1.Office) { o.OpeningHours[0].PublicCounters, o.BookableDays = &one, 5 })
	slots := office.Slots(service, now)
	first := []booking.Busy{{Counter: 1, Start: slots[0].Start, End: slots[0].End}}
	other := []booking.Busy{{Counter: 2, Start: slots[0].Start, End: slots[0].End}}
	if public, staff := booking.FreeToPublic(slots, first), booking.Free(slots, first, office.Counters); len(public) != 0 || len(staff) != 1 {
		t.Errorf("with the public counter taken, citizens see %d slots and staff %d", len(public), len(staff))
	}
	if public := booking.FreeToPublic(slots, other); len(public) != 1 || public[0].Public != 1 {
		t.Errorf("an appointment at a counter of the staff leaves citizens %v", public)
	}
	office, service = patterned(t, func(o *v1alpha1.Office) { o.OpeningHours[0].PublicCounters, o.BookableDays = &none, 5 })
	if public := booking.FreeToPublic(office.Slots(service, now), nil); len(public) != 0 {
		t.Errorf("hours for the staff alone offer citizens %v", public)
	}
}

// No phantom days: whatever is closed, busy or kept back, a day that is shown has a slot that can be held.
func FuzzEveryDayShownHasASlotThatCanBeHeld(f *testing.F) {
	f.Add(int64(1_772_366_400), uint16(0b1010101), uint8(1), uint8(2))
	f.Add(int64(1_774_700_000), uint16(0xffff), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, unix int64, taken uint16, public, weeks uint8) {
		now := time.Unix(unix%4_000_000_000, 0)
		counters, from := int32(public%4), v1alpha1.Date(now.UTC().Format(time.DateOnly))
		office, service := patterned(t, func(o *v1alpha1.Office) {
			o.Holidays = "CH-BS"
			o.OpeningHours = []v1alpha1.OpeningHours{
				{Day: "Monday", From: "00:00", Until: "06:00", PublicCounters: &counters},
				{Day: "Sunday", From: "01:00", Until: "24:00", ValidFrom: &from, EveryWeeks: int32(weeks%5) + 2}}
		})
		slots := office.Slots(service, now)
		var busy []booking.Busy
		for n, slot := range slots {
			if taken>>(n%16)&1 == 1 {
				busy = append(busy, booking.Busy{Counter: int32(n%3) + 1, Start: slot.Start, End: slot.End})
			}
		}
		for _, day := range booking.Days(booking.FreeToPublic(slots, busy)) {
			if len(day.Slots) == 0 || slices.Contains(booking.Holidays("CH-BS", day.Slots[0].Start.Year()), day.Date) {
				t.Fatalf("%s is shown", day.Date)
			}
			for _, slot := range day.Slots {
				if held, offered := office.Slot(service, slot.Start, now); !offered || held != slot || held.Public < 1 {
					t.Fatalf("%v is shown and cannot be held: %v", slot, held)
				}
			}
		}
	})
}
