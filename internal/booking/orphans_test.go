// SPDX-License-Identifier: Apache-2.0

package booking_test

import (
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
)

func TestAppointmentsTheCatalogueHasNoRoomForAreCounted(t *testing.T) {
	// The first Monday of March 2026, 09:00 in Zurich.
	begin := at(t, "2026-03-02T08:00:00Z")
	booked := []booking.Booked{{Office: "office", Service: "service", Channel: v1alpha1.ChannelOnSite, Counter: 3, Start: begin, End: begin.Add(time.Hour)}}
	for name, test := range map[string]struct {
		change func(*v1alpha1.Catalogue)
		want   int
	}{
		"nothing changed":        {func(*v1alpha1.Catalogue) {}, 0},
		"another grid":           {func(c *v1alpha1.Catalogue) { c.Offices[0].SlotLength = "45m" }, 0},
		"the office is gone":     {func(c *v1alpha1.Catalogue) { c.Offices[0].Name = "other" }, 1},
		"the service is gone":    {func(c *v1alpha1.Catalogue) { c.Services[0].Name = "other" }, 1},
		"the office dropped it":  {func(c *v1alpha1.Catalogue) { c.Offices[0].Services = []v1alpha1.CatalogueName{"other"} }, 1},
		"the channel is gone":    {func(c *v1alpha1.Catalogue) { c.Services[0].Channels = []v1alpha1.Channel{v1alpha1.ChannelPhone} }, 1},
		"the counter is gone":    {func(c *v1alpha1.Catalogue) { c.Offices[0].Counters = 2 }, 1},
		"the office closes then": {func(c *v1alpha1.Catalogue) { c.Offices[0].Closures = []v1alpha1.Closure{{From: "2026-03-02"}} }, 1},
		"it closes earlier":      {func(c *v1alpha1.Catalogue) { c.Offices[0].OpeningHours[0].Until = "09:30" }, 1},
		"it opens other weeks": {func(c *v1alpha1.Catalogue) {
			c.Offices[0].OpeningHours[0].WeeksOfMonth = []v1alpha1.WeekOfMonth{v1alpha1.WeekSecond}
		}, 1},
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
		if got := read.Orphans(booked); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
