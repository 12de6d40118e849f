// SPDX-License-Identifier: Apache-2.0

// Package mailer sends what waits in the outbox. Replies of relays repeat addresses, so errors are told by code only.
package mailer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	mail "github.com/wneessen/go-mail"

	"github.com/termintreu/termintreu/internal/booking"
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
	if next.Appointment.Contact.Email == "" || pointless(next, s.Clock()) {
		// The contact went in the meantime, so that there is nobody to write to, or there is nothing to remind of.
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

// pointless tells a reminder of what was cancelled, or has begun, while the relay was down.
func pointless(next *store.Mail, now time.Time) bool {
	return next.Kind == store.MailReminder && (next.Appointment.State != booking.StateConfirmed || !next.Appointment.Start.After(now))
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
