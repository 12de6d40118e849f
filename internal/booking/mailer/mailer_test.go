// SPDX-License-Identifier: Apache-2.0

package mailer_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
	"github.com/termintreu/termintreu/internal/booking/mailer"
	"github.com/termintreu/termintreu/internal/booking/store"
)

// booked confirms a booking in a language and gives its token.
func booked(t *testing.T, tenant *fixture.Tenant, language string) string {
	t.Helper()
	expiry := booking.Expiry{Hold: time.Hour, Unconfirmed: time.Hour}
	begin := time.Now().Add(48 * time.Hour).Truncate(time.Hour)
	token := booking.NewNonce()
	hold := store.Hold{Office: "einwohneramt", Service: "ausweis", Channel: "OnSite", Counters: 2, Locale: language, Token: token,
		Slot: booking.Slot{Start: begin, End: begin.Add(time.Hour)}}
	contact := booking.Contact{GivenName: "Zoë", FamilyName: "Quittenbaum", Email: "zoe.q@example.org"}
	if err := tenant.Store.Hold(t.Context(), hold, expiry); err != nil {
		t.Fatal(err)
	}
	if err := tenant.Store.SaveContact(t.Context(), token, contact, "2026-05-31", expiry); err != nil {
		t.Fatal(err)
	}
	if _, err := tenant.Store.Confirm(t.Context(), token, true, expiry); err != nil {
		t.Fatal(err)
	}
	return token
}

func drain(t *testing.T, tenant *fixture.Tenant) (log string, results []string) {
	t.Helper()
	var written bytes.Buffer
	sender := &mailer.Sender{Store: tenant.Store, Snapshot: func() *booking.Snapshot { return tenant.Snapshot(t) }, Clock: time.Now,
		Log: slog.New(slog.NewJSONHandler(&written, nil)), Sent: func(result string) { results = append(results, result) }}
	if err := sender.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	return written.String(), results
}

func count(t *testing.T, tenant *fixture.Tenant, condition string) (rows int) {
	t.Helper()
	if err := tenant.Superuser(t).QueryRow(t.Context(), "SELECT count(*) FROM mail_outbox WHERE "+condition).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestConfirmationAndCancellationReachTheCitizenInTheirLanguage(t *testing.T) {
	for language, want := range map[string][]string{
		"de": {"Ihr Termin ist gebucht", "Identitätskarte beantragen", "Guten Tag Zoë Quittenbaum"},
		"en": {"Your appointment is booked", "Apply for an identity card", "Dear Zoë Quittenbaum"},
	} {
		t.Run(language, func(t *testing.T) {
			tenant, inbox := fixture.New(t), &fixture.Relay{}
			tenant.Document.Mail = inbox.Serve(t, true)
			token := booked(t, tenant, language)
			drain(t, tenant)
			if _, err := tenant.Store.Cancel(t.Context(), token, true); err != nil {
				t.Fatal(err)
			}
			drain(t, tenant)
			if len(inbox.Mails()) != 2 {
				t.Fatalf("%d mails", len(inbox.Mails()))
			}
			confirmation := decode(t, inbox.Mails()[0])
			for _, text := range append(want, "https://termine.example.org/"+language+"/appointments/"+token, "method=REQUEST", "METHOD:REQUEST\r\n", "SEQUENCE:0", "Spiegelgasse 6") {
				if !strings.Contains(confirmation, text) {
					t.Errorf("the confirmation lacks %q:\n%s", text, confirmation)
				}
			}
			if cancellation := decode(t, inbox.Mails()[1]); !strings.Contains(cancellation, "method=CANCEL") || !strings.Contains(cancellation, "SEQUENCE:1") || strings.Contains(cancellation, token) {
				t.Errorf("the cancellation is\n%s", cancellation)
			}
			if left := count(t, tenant, "true"); left != 0 {
				t.Errorf("%d mails are kept after they were sent", left)
			}
		})
	}
}

// decode gives every part of a mail, each after its type.
func decode(t *testing.T, raw string) string {
	t.Helper()
	var all strings.Builder
	for _, part := range parts(t, raw) {
		all.WriteString(part.kind + "\n" + part.content + "\n")
	}
	return all.String()
}

type part struct{ kind, content string }

// parts of a mail, those of parts included.
func parts(t *testing.T, raw string) []part {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return partsOf(t, message.Header.Get("Content-Type"), message.Header.Get("Content-Transfer-Encoding"), message.Body)
}

func partsOf(t *testing.T, kind, encoding string, body io.Reader) (all []part) {
	t.Helper()
	media, parameters, err := mime.ParseMediaType(kind)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(media, "multipart/") {
		inner := multipart.NewReader(body, parameters["boundary"])
		for next, err := inner.NextRawPart(); err == nil; next, err = inner.NextRawPart() {
			all = append(all, partsOf(t, next.Header.Get("Content-Type"), next.Header.Get("Content-Transfer-Encoding"), next)...)
		}
		return all
	}
	switch encoding {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return []part{{kind, string(content)}}
}

func TestARelayThatCannotTakeMailGetsItLaterAndNothingIsLogged(t *testing.T) {
	for _, test := range []struct {
		name      string
		refusal   *smtp.SMTPError
		encrypted bool
		result    string
	}{
		{"a relay that says later", &smtp.SMTPError{Code: 451, Message: "zoe.q@example.org greylisted"}, true, "retried"},
		{"a relay that says never", &smtp.SMTPError{Code: 550, Message: "zoe.q@example.org unknown"}, true, "failed"},
		{"a relay without STARTTLS (B4)", nil, false, "retried"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tenant, inbox := fixture.New(t), &fixture.Relay{Refusal: test.refusal}
			tenant.Document.Mail = inbox.Serve(t, test.encrypted)
			token := booked(t, tenant, "de")
			log, results := drain(t, tenant)
			if len(results) != 1 || results[0] != test.result || len(inbox.Mails()) != 0 {
				t.Errorf("results %v and %d mails, log %s", results, len(inbox.Mails()), log)
			}
			for _, secret := range []string{"zoe.q", "Quittenbaum", token} {
				if strings.Contains(log, secret) {
					t.Errorf("the log holds %q: %s", secret, log)
				}
			}
			condition := map[string]string{"retried": "failed_at IS NULL AND next_attempt_at > now()", "failed": "failed_at IS NOT NULL"}[test.result]
			if count(t, tenant, condition) != 1 {
				t.Error("the mail is not where it should be")
			}
		})
	}
}
