// SPDX-License-Identifier: Apache-2.0

// Package invite writes appointments as calendar files. Calendars are synchronised to who knows where, so a file holds
// time and place and neither who comes, nor why, nor the secret link (A18).
package invite

import (
	"time"

	ics "github.com/arran4/golang-ical"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/locale"
)

// ContentType of a calendar file.
const ContentType = "text/calendar; charset=utf-8"

// Parties of an invitation by mail; without them the file is one to download.
type Parties struct{ Organizer, Attendee string }

// File writes the calendar file of an appointment. The UID never changes; each move and the cancellation have a higher
// sequence, so that calendars replace what they had.
func File(appointment *booking.Appointment, office *booking.Office, words *locale.Locale, parties *Parties, now time.Time) string {
	cancelled := appointment.State == booking.StateCancelled
	calendar := ics.NewCalendarFor("Termintreu")
	event := calendar.AddEvent(appointment.ID + "@termintreu")
	event.SetDtStampTime(now)
	event.SetStartAt(appointment.Start)
	event.SetEndAt(appointment.End)
	event.SetClass(ics.ClassificationPrivate)
	title := appointment.Office
	if office != nil {
		title = office.DisplayName
		if appointment.Channel == "OnSite" {
			event.SetLocation(office.Address.Street + ", " + office.Address.PostalCode + " " + office.Address.City)
		}
	}
	event.SetSummary(words.Say("calendar.summary", "office", title))
	calendar.SetMethod(ics.MethodPublish)
	if parties != nil {
		calendar.SetMethod(ics.MethodRequest)
		event.SetOrganizer("mailto:" + parties.Organizer)
		event.AddAttendee(parties.Attendee, ics.ParticipationStatusAccepted, ics.WithRSVP(false))
	}
	event.SetStatus(ics.ObjectStatusConfirmed)
	event.SetSequence(appointment.Sequence)
	if cancelled {
		calendar.SetMethod(ics.MethodCancel)
		event.SetStatus(ics.ObjectStatusCancelled)
	}
	return calendar.Serialize(ics.WithNewLineWindows) // RFC 5545 wants CRLF
}
