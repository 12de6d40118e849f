// SPDX-License-Identifier: Apache-2.0

// Package mailer sends what waits in the outbox. Replies of relays repeat addresses, so errors are told by code only.
package mailer

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	mail "github.com/wneessen/go-mail"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/invite"
	"github.com/termintreu/termintreu/internal/booking/locale"
	"github.com/termintreu/termintreu/internal/booking/store"
	"github.com/termintreu/termintreu/internal/settings"
)

const sendTimeout = 30 * time.Second

// Sender sends mails of the outbox.
type Sender struct {
	Store    *store.Store
	Snapshot func() *booking.Snapshot
	Clock    func() time.Time
	Log      *slog.Logger
	// Sent is told the outcome of each mail: sent, retried, failed, dropped.
	Sent func(result string)
}

// Drain sends every mail that is due and returns when none is left. Rows survive the sender: another one repeats what
// was claimed and never finished.
func (s *Sender) Drain(ctx context.Context) error {
	for ctx.Err() == nil {
		snapshot := s.Snapshot()
		if snapshot.Mail == nil {
			return nil
		}
		next, err := s.Store.ClaimMail(ctx)
		if err != nil || next == nil {
			return err
		}
		if err := s.one(ctx, snapshot, next); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sender) one(ctx context.Context, snapshot *booking.Snapshot, next *store.Mail) error {
	if next.Appointment.Contact.Email == "" {
		// The contact went in the meantime: there is nobody to write to.
		s.Sent("dropped")
		return s.Store.MailDone(ctx, next.ID)
	}
	err := s.send(ctx, snapshot, next)
	if err == nil {
		s.Sent("sent")
		return s.Store.MailDone(ctx, next.ID)
	}
	code, permanent := reason(err)
	s.Log.Warn("mail not sent", "mail", next.ID, "attempt", next.Attempts, "reason", code, "permanent", permanent)
	s.Sent(map[bool]string{true: "failed", false: "retried"}[permanent])
	return s.Store.MailFailed(ctx, next, permanent)
}

// reason tells an error without its text, which may name the citizen.
func reason(err error) (code string, permanent bool) {
	var sending *mail.SendError
	if errors.As(err, &sending) {
		return fmt.Sprintf("relay code %d %s", sending.ErrorCode(), sending.EnhancedStatusCode()), sending.ErrorCode() >= 500
	}
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return "the relay's certificate is not trusted", false
	case errors.Is(err, mail.ErrNoActiveConnection), errors.Is(err, context.DeadlineExceeded):
		return "the relay does not answer", false
	case errors.Is(err, errAddress):
		return "the address is refused by the mail library", true
	}
	return "no connection to the relay, or it offers no STARTTLS", false
}

var errAddress = errors.New("address refused")

func (s *Sender) send(ctx context.Context, snapshot *booking.Snapshot, next *store.Mail) error {
	message, err := Compose(snapshot, next, s.Clock())
	if err != nil {
		return errAddress
	}
	client, err := newClient(snapshot.Mail)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return client.DialAndSendWithContext(ctx, message)
}

func newClient(relay *settings.Mail) (*mail.Client, error) {
	transport := &tls.Config{ServerName: relay.Host, MinVersion: tls.VersionTLS12}
	if relay.CABundle != "" {
		transport.RootCAs = x509.NewCertPool()
		if !transport.RootCAs.AppendCertsFromPEM([]byte(relay.CABundle)) {
			return nil, fmt.Errorf("mail relay %s: the CA bundle holds no certificate", relay.Host)
		}
	}
	// Mandatory: a relay that offers no STARTTLS gets nothing (B4).
	return mail.NewClient(relay.Host, mail.WithPort(int(relay.Port)), mail.WithTLSPolicy(mail.TLSMandatory),
		mail.WithTLSConfig(transport), mail.WithTimeout(sendTimeout), mail.WithHELO("localhost"), mail.WithoutNoop())
}

// Compose writes a mail in the language the appointment was booked in.
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
	start := appointment.Start.UTC()
	if office != nil {
		start = start.In(office.Location)
	}
	date, clock := words.Date(start), words.Clock(start, booking.Repeated(start))
	message.Subject(words.Say("mail."+string(next.Kind)+".subject", "date", date, "time", clock))
	message.SetBodyString(mail.TypeTextPlain, text(snapshot, next, words, office, date+", "+clock))
	parties := &invite.Parties{Organizer: snapshot.Mail.From, Attendee: appointment.Contact.Email}
	method := "REQUEST"
	if next.Kind == store.MailCancelled {
		method = "CANCEL"
	}
	file := invite.File(&appointment, office, words, parties, now)
	return message, message.AttachReader("termin.ics", strings.NewReader(file),
		mail.WithFileContentType(mail.ContentType("text/calendar; charset=utf-8; method="+method)))
}

func text(snapshot *booking.Snapshot, next *store.Mail, words *locale.Locale, office *booking.Office, when string) string {
	appointment := next.Appointment
	var body strings.Builder
	paragraph := func(lines ...string) { body.WriteString(strings.Join(lines, "\n") + "\n\n") }
	paragraph(words.Say("mail.greeting", "name", appointment.Contact.GivenName+" "+appointment.Contact.FamilyName))
	paragraph(words.Say("mail." + string(next.Kind) + ".lead"))
	details := []string{when}
	if service := snapshot.Catalogue.Service(appointment.Service); service != nil {
		details = append(details, service.Title(words.Tag))
	}
	details = append(details, words.Say("channel."+string(appointment.Channel)))
	if office != nil {
		details = append(details, office.DisplayName)
		if appointment.Channel == "OnSite" {
			details = append(details, office.Address.Street, office.Address.PostalCode+" "+office.Address.City)
		}
	}
	paragraph(details...)
	if snapshot.URL != "" {
		if next.Token != "" {
			paragraph(words.Say("mail.link"), snapshot.URL+"/"+words.Tag+"/appointments/"+next.Token)
		}
		paragraph(words.Say("mail.privacy") + " " + snapshot.URL + "/" + words.Tag + "/privacy")
	}
	if office != nil {
		paragraph(office.Controller)
	}
	return strings.TrimRight(body.String(), "\n") + "\n"
}
