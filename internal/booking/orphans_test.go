// SPDX-License-Identifier: Apache-2.0

package booking_test

import (
	"slices"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/settings"
)

func TestAppointmentsTheCatalogueHasNoRoomForAreCounted(t *testing.T) {
	// The first Monday of March 2026, 09:00 in Zurich.
	begin := at(t, "2026-03-02T08:00:00Z")
	booked := []booking.Booked{{Office: "office", Service: "service", Channel: v1alpha1.ChannelOnSite, Counter: 3, Start: begin, End: begin.Add(time.Hour)}}
	booked = append(booked, booked[0])
	for name, test := range map[string]struct {
		change func(*v1alpha1.Catalogue)
		// want is the cause; "" when there is room.
		want string
	}{
		"nothing changed":        {func(*v1alpha1.Catalogue) {}, ""},
		"another grid":           {func(c *v1alpha1.Catalogue) { c.Offices[0].SlotLength = "45m" }, ""},
		"the office is gone":     {func(c *v1alpha1.Catalogue) { c.Offices[0].Name = "other" }, "the office is gone"},
		"the service is gone":    {func(c *v1alpha1.Catalogue) { c.Services[0].Name = "other" }, "the service is gone"},
		"the office dropped it":  {func(c *v1alpha1.Catalogue) { c.Offices[0].Services = []v1alpha1.CatalogueName{"other"} }, "the office does not offer it any more"},
		"the channel is gone":    {func(c *v1alpha1.Catalogue) { c.Services[0].Channels = []v1alpha1.Channel{v1alpha1.ChannelPhone} }, "its channel is gone"},
		"the counter is gone":    {func(c *v1alpha1.Catalogue) { c.Offices[0].Counters = 2 }, "its counter is gone"},
		"the office closes then": {func(c *v1alpha1.Catalogue) { c.Offices[0].Closures = []v1alpha1.Closure{{From: "2026-03-02"}} }, "the office is closed then"},
		"it closes earlier":      {func(c *v1alpha1.Catalogue) { c.Offices[0].OpeningHours[0].Until = "09:30" }, "the office is closed then"},
		"it opens other weeks": {func(c *v1alpha1.Catalogue) {
			c.Offices[0].OpeningHours[0].WeeksOfMonth = []v1alpha1.WeekOfMonth{v1alpha1.WeekSecond}
		}, "the office is closed then"},
	} {
		source := v1alpha1.Catalogue{
			Offices: []v1alpha1.Office{{Name: "office", TimeZone: "Europe/Zurich", Counters: 3, SlotLength: "60m",
				OpeningHours: []v1alpha1.OpeningHours{{Day: "Monday", From: "09:00", Until: "10:00"}}}},
			Services: []v1alpha1.Service{{Name: "service", Duration: "60m", Channels: []v1alpha1.Channel{v1alpha1.ChannelOnSite}}}}
		test.change(&source)
		read, err := booking.NewCatalogue(source)
		if err != nil {
			t.Fatal(err)
		}
		var want []settings.Orphans
		if test.want != "" {
			want = []settings.Orphans{{Office: "office", Service: "service", Cause: test.want, Appointments: 2}}
		}
		if got := read.Orphans(booked); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestTheClockOfAnOfficeThatIsGoneIsThatOfTheOthers(t *testing.T) {
	read, err := booking.NewCatalogue(v1alpha1.Catalogue{Offices: []v1alpha1.Office{{Name: "office", TimeZone: "Europe/Zurich"}, {Name: "abroad", TimeZone: "Europe/Kyiv"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"office": "Europe/Zurich", "abroad": "Europe/Kyiv", "gone": "Europe/Zurich"} {
		if got := read.Zone(name).String(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := (&booking.Catalogue{}).Zone("gone"); got != time.UTC {
		t.Errorf("without an office: %s", got)
	}
}
