// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"encoding/hex"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// WaitingMail is a mail of the appointment that the relay has not taken yet.
type WaitingMail struct {
	Kind     string    `json:"kind"`
	Created  time.Time `json:"createdAt"`
	Attempts int       `json:"attempts"`
	Failed   bool      `json:"failed"`
}

// Record is everything stored about an appointment and who booked it, but for the hash of its token.
type Record struct {
	Appointment
	Counter              int32
	Origin               Origin
	Created              time.Time
	Confirmed, Cancelled *time.Time
	// Called, Completed and Missed are what the staff noted.
	Called, Completed, Missed *time.Time
	// Objected is when the citizen objected (Art. 21 GDPR), Restricted until when they restricted the use (Art. 18).
	Objected, Restricted *time.Time
	// Held is until when a restriction or a case keeps the record; nil when none does.
	Held *time.Time
	// NoticeDate is the version of the notice that was acknowledged, YYYY-MM-DD; empty without a contact.
	NoticeDate     string
	ContactCreated *time.Time
	Consents       []Consent
	Mails          []WaitingMail
}

// Due is when a record of a category falls due for deletion; zero when the policy has no rule that tells. The next run
// after it deletes.
func (r *Record) Due(document *settings.Instance, category v1alpha1.Category) time.Time {
	start := r.End
	switch {
	case r.State == StateHeld || r.State == StatePending:
		return r.Deadline
	case r.Cancelled != nil && r.Cancelled.Before(start):
		start = *r.Cancelled
	}
	period, err := PeriodOf(document, category).Duration()
	if err != nil {
		return time.Time{}
	}
	return start.Add(period)
}

// Export is a Record as a file for whom it is about: structured, common, machine-readable (Art. 20 GDPR, A16).
type Export struct {
	Format string `json:"format"`
	// CreatedAt is the time of the export; all times are RFC 3339 in UTC.
	CreatedAt   time.Time            `json:"createdAt"`
	Controller  *v1alpha1.Controller `json:"controller,omitempty"`
	Appointment ExportedAppointment  `json:"appointment"`
	Contact     *ExportedContact     `json:"contact,omitempty"`
	Consents    []ExportedConsent    `json:"consents,omitempty"`
	WaitingMail []WaitingMail        `json:"waitingMail"`
	// Rules by which everything is deleted.
	Rules        []settings.Rule `json:"rules"`
	BackupPeriod v1alpha1.Period `json:"backupPeriod"`
}

// ExportedAppointment is the appointment's row.
type ExportedAppointment struct {
	ID          string           `json:"id"`
	Office      string           `json:"office"`
	OfficeName  string           `json:"officeName,omitempty"`
	Counter     int32            `json:"counter"`
	Service     string           `json:"service"`
	ServiceName string           `json:"serviceName,omitempty"`
	Channel     v1alpha1.Channel `json:"channel"`
	StartsAt    time.Time        `json:"startsAt"`
	EndsAt      time.Time        `json:"endsAt"`
	State       State            `json:"state"`
	Locale      string           `json:"locale"`
	Sequence    int              `json:"sequence"`
	CreatedAt   time.Time        `json:"createdAt"`
	ConfirmedAt *time.Time       `json:"confirmedAt,omitempty"`
	CancelledAt *time.Time       `json:"cancelledAt,omitempty"`
	Origin      Origin           `json:"origin"`
	CalledAt    *time.Time       `json:"calledAt,omitempty"`
	CompletedAt *time.Time       `json:"completedAt,omitempty"`
	MissedAt    *time.Time       `json:"missedAt,omitempty"`
	// ObjectedAt is when the citizen objected to the use, RestrictedUntil when their restriction of it ends.
	ObjectedAt      *time.Time `json:"objectedAt,omitempty"`
	RestrictedUntil *time.Time `json:"restrictedUntil,omitempty"`
	// ReminderBefore is how long before the appointment a reminder is sent, where the citizen asked for one.
	ReminderBefore v1alpha1.Period `json:"reminderBefore,omitempty"`
	DueAt          time.Time       `json:"deletionDueAt,omitzero"`
}

// ExportedContact is the contact's row.
type ExportedContact struct {
	GivenName  string     `json:"givenName"`
	FamilyName string     `json:"familyName"`
	Email      string     `json:"email,omitempty"`
	Phone      string     `json:"phone,omitempty"`
	Street     string     `json:"street,omitempty"`
	PostalCode string     `json:"postalCode,omitempty"`
	City       string     `json:"city,omitempty"`
	NoticeDate string     `json:"noticeDate"`
	CreatedAt  *time.Time `json:"createdAt,omitempty"`
	DueAt      time.Time  `json:"deletionDueAt,omitzero"`
}

// ExportedConsent is a consent's row; Text is what was agreed to, where the catalogue still has it.
type ExportedConsent struct {
	Scope       v1alpha1.ConsentScope `json:"scope"`
	Origin      Origin                `json:"origin"`
	Locale      string                `json:"locale,omitempty"`
	Text        string                `json:"text,omitempty"`
	TextSHA256  string                `json:"textSHA256,omitempty"`
	GivenAt     time.Time             `json:"givenAt"`
	WithdrawnAt *time.Time            `json:"withdrawnAt,omitempty"`
}

func exportConsents(record *Record, service *Service) []ExportedConsent {
	var exported []ExportedConsent
	for _, consent := range record.Consents {
		entry := ExportedConsent{Scope: consent.Scope, Origin: consent.Origin, Locale: consent.Locale,
			TextSHA256: hex.EncodeToString(consent.TextSHA256), GivenAt: consent.Given.UTC(), WithdrawnAt: consent.Withdrawn}
		if service != nil {
			entry.Text = service.TextOf(consent)
		}
		exported = append(exported, entry)
	}
	return exported
}

// NewExport puts a record in the words of the site, in a language.
func NewExport(record *Record, snapshot *Snapshot, language string, now time.Time) Export {
	export := Export{Format: "termintreu.dev/appointment/v1", CreatedAt: now.UTC(), WaitingMail: record.Mails,
		Rules: snapshot.Notice.Rules, BackupPeriod: snapshot.Notice.BackupPeriod}
	if export.WaitingMail == nil {
		export.WaitingMail = []WaitingMail{}
	}
	export.Appointment = ExportedAppointment{
		ID: record.ID, Office: record.Office, Counter: record.Counter, Service: record.Service, Channel: record.Channel,
		StartsAt: record.Start.UTC(), EndsAt: record.End.UTC(), State: record.State, Locale: record.Locale, Sequence: record.Sequence,
		CreatedAt: record.Created.UTC(), ConfirmedAt: record.Confirmed, CancelledAt: record.Cancelled,
		Origin: record.Origin, CalledAt: record.Called, CompletedAt: record.Completed, MissedAt: record.Missed,
		ObjectedAt: record.Objected, RestrictedUntil: record.Restricted,
		DueAt: record.Due(snapshot.Instance, v1alpha1.CategoryAppointment).UTC(),
	}
	if record.Appointment.Reminder > 0 {
		export.Appointment.ReminderBefore = v1alpha1.FormatPeriod(record.Appointment.Reminder)
	}
	service := snapshot.Catalogue.Service(record.Service)
	export.Consents = exportConsents(record, service)
	if service != nil {
		export.Appointment.ServiceName = service.Title(language)
	}
	if office := snapshot.Catalogue.Office(record.Office); office != nil {
		export.Appointment.OfficeName = office.DisplayName
		for n := range snapshot.Notice.Controllers {
			if snapshot.Notice.Controllers[n].Name == office.Controller {
				export.Controller = &snapshot.Notice.Controllers[n]
			}
		}
	}
	if contact := record.Contact; contact != nil {
		export.Contact = &ExportedContact{contact.GivenName, contact.FamilyName, contact.Email, contact.Phone,
			contact.Street, contact.PostalCode, contact.City, record.NoticeDate,
			record.ContactCreated, record.Due(snapshot.Instance, v1alpha1.CategoryContact).UTC()}
	}
	return export
}
