// SPDX-License-Identifier: Apache-2.0

package mailer_test

import (
	"mime"
	"net/mail"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
)

func TestAReminderTellsTimeAndPlaceInTheCitizensLanguageAndIsGoneOnceSent(t *testing.T) {
	for language, want := range map[string]string{"de": "Ihr Termin steht bevor", "en": "Your appointment is coming up", "fr": "Votre rendez-vous approche",
		"it": "Il suo appuntamento si avvicina", "uk": "Незабаром ваш запис"} {
		t.Run(language, func(t *testing.T) {
			tenant, inbox := fixture.New(t), &fixture.Relay{}
			tenant.Document.Locales, tenant.Document.Mail = []v1alpha1.Locale{"de", "en", "fr", "it", "uk"}, inbox.Serve(t, true)
			token := booked(t, tenant, language)
			drain(t, tenant)
			change(t, tenant, `UPDATE appointment SET remind_before = interval '3 days', confirmed_at = now() - interval '9 days'`)
			if queued, err := tenant.Store.QueueReminders(t.Context()); err != nil || queued != 1 {
				t.Fatalf("%d reminders, error %v", queued, err)
			}
			drain(t, tenant)
			mails := inbox.Mails()
			if len(mails) != 2 {
				t.Fatalf("%d mails", len(mails))
			}
			said := decode(t, mails[1])
			for _, text := range []string{want, "Einwohneramt", "Spiegelgasse 6", booking.Code(booking.TokenHash(token)), "/" + language + "/privacy", "text/plain", "text/html"} {
				if !strings.Contains(said, text) {
					t.Errorf("the reminder lacks %q:\n%s", text, said)
				}
			}
			if strings.Contains(said, token) || strings.Contains(said, "text/calendar") {
				t.Errorf("the reminder holds the secret link or a second calendar entry:\n%s", said)
			}
			read, err := mail.ReadMessage(strings.NewReader(mails[1]))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
			if err != nil || subject == "" || strings.Contains(subject, "mail.") {
				t.Errorf("subject %q, error %v", subject, err)
			}
			for _, personal := range []string{"Zoë", "Quittenbaum", "zoe.q", booking.Code(booking.TokenHash(token))} {
				if strings.Contains(subject, personal) {
					t.Errorf("the subject tells %q: %s", personal, subject)
				}
			}
			if left := count(t, tenant, "true"); left != 0 {
				t.Errorf("%d mails are kept after they were sent", left)
			}
		})
	}
}

func TestAReminderOfWhatHasBegunWhileTheRelayWasDownIsDropped(t *testing.T) {
	tenant, inbox := fixture.New(t), &fixture.Relay{}
	tenant.Document.Mail = inbox.Serve(t, true)
	booked(t, tenant, "de")
	drain(t, tenant)
	change(t, tenant, `UPDATE appointment SET remind_before = interval '3 days', confirmed_at = now() - interval '9 days'`)
	if _, err := tenant.Store.QueueReminders(t.Context()); err != nil {
		t.Fatal(err)
	}
	change(t, tenant, `UPDATE appointment SET starts_at = now() - interval '1 minute'`)
	if _, results := drain(t, tenant); len(results) != 1 || results[0] != "dropped" || len(inbox.Mails()) != 1 || count(t, tenant, "true") != 0 {
		t.Errorf("results %v, %d mails", results, len(inbox.Mails()))
	}
}

func change(t *testing.T, tenant *fixture.Tenant, sql string) {
	t.Helper()
	if _, err := tenant.Superuser(t).Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
