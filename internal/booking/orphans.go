// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"cmp"
	"slices"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// Why the catalogue has no room for an appointment.
const (
	causeOffice     = "the office is gone"
	causeService    = "the service is gone"
	causeNotOffered = "the office does not offer it any more"
	causeChannel    = "its channel is gone"
	causeCounter    = "its counter is gone"
	causeClosed     = "the office is closed then"
)

// Booked is a confirmed appointment as far as the catalogue is concerned; it says nothing of who comes.
type Booked struct {
	Office, Service string
	Channel         v1alpha1.Channel
	Counter         int32
	Start, End      time.Time
}

// Orphans counts appointments the catalogue has no room for any more, by office, service and cause, in this order:
// their office, service, channel or counter is gone, or the office is closed at their time. They stay as they are;
// somebody has to write to those who come.
func (c *Catalogue) Orphans(booked []Booked) []settings.Orphans {
	counted := map[settings.Orphans]int{}
	for _, appointment := range booked {
		if cause := c.lacks(appointment); cause != "" {
			counted[settings.Orphans{Office: appointment.Office, Service: appointment.Service, Cause: cause}]++
		}
	}
	orphans := make([]settings.Orphans, 0, len(counted))
	for group, appointments := range counted {
		group.Appointments = appointments
		orphans = append(orphans, group)
	}
	slices.SortFunc(orphans, func(a, b settings.Orphans) int {
		return cmp.Or(cmp.Compare(a.Office, b.Office), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Cause, b.Cause))
	})
	return orphans
}

// lacks says what of an appointment the catalogue has not, or "".
func (c *Catalogue) lacks(appointment Booked) string {
	office, service := c.Office(appointment.Office), c.Service(appointment.Service)
	switch {
	case office == nil:
		return causeOffice
	case service == nil:
		return causeService
	case !office.Offers(service):
		return causeNotOffered
	case !slices.Contains(service.Channels, appointment.Channel):
		return causeChannel
	case appointment.Counter > office.Counters:
		return causeCounter
	case !office.openDuring(appointment.Start, appointment.End):
		return causeClosed
	}
	return ""
}

// openDuring tells whether the office is open for a whole stretch of time, whatever grid its slots begin on.
func (o *Office) openDuring(start, end time.Time) bool {
	year, month, day := start.In(o.Location).Date()
	civil := time.Date(year, month, day, 12, 0, 0, 0, time.UTC)
	if o.closed(civil.Format(time.DateOnly)) {
		return false
	}
	for _, hours := range o.hours[civil.Weekday()] {
		opens, closes := o.wallClock(year, month, day, hours.from), o.wallClock(year, month, day, hours.until)
		if hours.holds(civil) && !start.Before(opens) && !end.After(closes) {
			return true
		}
	}
	return false
}
