// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Booked is a confirmed appointment as far as the catalogue is concerned; it says nothing of who comes.
type Booked struct {
	Office, Service string
	Channel         v1alpha1.Channel
	Counter         int32
	Start, End      time.Time
}

// Orphans counts appointments the catalogue has no room for any more: their office, service, channel or counter is
// gone, or the office is closed at their time. They stay as they are; somebody has to write to those who come.
func (c *Catalogue) Orphans(booked []Booked) (orphans int) {
	for _, appointment := range booked {
		if !c.has(appointment) {
			orphans++
		}
	}
	return orphans
}

func (c *Catalogue) has(appointment Booked) bool {
	office, service := c.Office(appointment.Office), c.Service(appointment.Service)
	if office == nil || service == nil || !office.Offers(service) || appointment.Counter > office.Counters {
		return false
	}
	_, offered := service.Channel(string(appointment.Channel))
	return offered && office.openDuring(appointment.Start, appointment.End)
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
