// SPDX-License-Identifier: Apache-2.0

package mailer

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"html/template"
	"strings"
	"time"

	mail "github.com/wneessen/go-mail"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/invite"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/booking/store"
	"github.com/termintreu/termintreu/internal/look"
)

//go:embed mail.html
var page string

// The palette's colours are checked; html/template would refuse them in a style otherwise.
var layout = template.Must(template.New("mail").Funcs(template.FuncMap{
	"css": func(colour v1alpha1.Colour) template.CSS { return template.CSS(colour) },
}).Parse(page))

// letter is what a mail says; its text and its HTML say the same.
type letter struct {
	Tag, Subject, Brand, Greeting, Lead string
	// When and Details tell the appointment, a line each.
	When    string
	Details []string
	// Hint is a further sentence, empty for none.
	Hint string
	// Link is the secret link, empty where none is needed.
	LinkText, LinkLabel, Link     string
	PrivacyLabel, Privacy, Signed string
	look.Palette
}

// Compose writes a mail in the language the appointment was booked in. Nothing in it is loaded from anywhere: no
// picture tells who read it when.
func Compose(snapshot *booking.Snapshot, next *store.Mail, now time.Time) (*mail.Msg, error) {
	appointment := next.Appointment
	words := locale.Get(appointment.Locale)
	if words == nil {
		words = locale.Get(snapshot.Languages[0])
	}
	office := snapshot.Catalogue.Office(appointment.Office)
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := message.From(snapshot.Mail.From); err != nil {
		return nil, err
	}
	if err := message.To(appointment.Contact.Email); err != nil {
		return nil, err
	}
	message.SetDateWithValue(now)
	// The sender's domain, not the pod's name, which says nothing to anybody outside.
	message.SetMessageIDWithValue(rand.Text() + snapshot.Mail.From[strings.LastIndex(snapshot.Mail.From, "@"):])
	message.SetGenHeader("Auto-Submitted", "auto-generated")
	message.SetGenHeader("Content-Language", words.Tag)
	said := newLetter(snapshot, next, words, office)
	message.Subject(said.Subject)
	message.SetBodyString(mail.TypeTextPlain, said.text())
	var page bytes.Buffer
	if err := layout.Execute(&page, said); err != nil {
		return nil, err
	}
	message.AddAlternativeString(mail.TypeTextHTML, page.String())
	if next.Kind == store.MailReminder {
		return message, nil // the calendar has the entry already
	}
	parties := &invite.Parties{Organizer: snapshot.Mail.From, Attendee: appointment.Contact.Email}
	method := "REQUEST"
	if next.Kind == store.MailCancelled {
		method = "CANCEL"
	}
	file := invite.File(&appointment, office, words, parties, now)
	return message, message.AttachReader("termin.ics", strings.NewReader(file),
		mail.WithFileContentType(mail.ContentType("text/calendar; charset=utf-8; method="+method)))
}

func newLetter(snapshot *booking.Snapshot, next *store.Mail, words *locale.Locale, office *booking.Office) letter {
	appointment := next.Appointment
	start := appointment.Start.In(snapshot.Catalogue.Zone(appointment.Office))
	date, clock := words.Date(start), words.Clock(start, booking.Repeated(start))
	said := letter{
		Tag: words.Tag, Palette: snapshot.Palette, When: date + ", " + clock, Brand: snapshot.Name(words.Tag),
		Subject:  words.Say("mail."+string(next.Kind)+".subject", "date", date, "time", clock),
		Greeting: words.Say("mail.greeting", "name", appointment.Contact.GivenName+" "+appointment.Contact.FamilyName),
		Lead:     words.Say("mail." + string(next.Kind) + ".lead"),
		Details:  details(snapshot, &appointment, words, office),
	}
	if office != nil {
		said.Signed = office.Controller
	}
	if said.Brand == "" {
		said.Brand = said.Signed
	}
	if next.Kind != store.MailCancelled {
		said.Details = append(said.Details, words.Say("code.yours")+" "+next.Code)
	}
	if next.Kind == store.MailReminder {
		// Only a hash of the link is known by now.
		said.Hint = words.Say("mail.reminder.hint")
	}
	if snapshot.URL != "" {
		if next.Token != "" {
			said.LinkText, said.LinkLabel = words.Say("mail.link"), words.Say("mail.link_button")
			said.Link = snapshot.URL + "/" + words.Tag + "/appointments/" + next.Token
		}
		said.PrivacyLabel, said.Privacy = words.Say("mail.privacy"), snapshot.URL+"/"+words.Tag+"/privacy"
	}
	return said
}

func details(snapshot *booking.Snapshot, appointment *booking.Appointment, words *locale.Locale, office *booking.Office) []string {
	var lines []string
	if service := snapshot.Catalogue.Service(appointment.Service); service != nil {
		lines = append(lines, service.Title(words.Tag))
	}
	lines = append(lines, words.Say("channel."+string(appointment.Channel)))
	if office != nil {
		lines = append(lines, office.DisplayName)
		if appointment.Channel == v1alpha1.ChannelOnSite {
			lines = append(lines, office.Address.Street, office.Address.PostalCode+" "+office.Address.City)
		}
	}
	return lines
}

// text is the letter for readers of plain text.
func (l letter) text() string {
	var body strings.Builder
	paragraph := func(lines ...string) { body.WriteString(strings.Join(lines, "\n") + "\n\n") }
	paragraph(l.Greeting)
	paragraph(l.Lead)
	paragraph(append([]string{l.When}, l.Details...)...)
	if l.Link != "" {
		paragraph(l.LinkText, l.Link)
	}
	if l.Hint != "" {
		paragraph(l.Hint)
	}
	if l.Privacy != "" {
		paragraph(l.PrivacyLabel + " " + l.Privacy)
	}
	if l.Signed != "" {
		paragraph(l.Signed)
	}
	return strings.TrimRight(body.String(), "\n") + "\n"
}
