// SPDX-License-Identifier: Apache-2.0

package mailer_test

import (
	"html"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-ical"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/booking/internal/fixture"
)

// diary is a citizen's calendar program after RFC 5546, on a parser that is not the one that writes.
type diary map[string]ical.Event

// receive does with a mail what a program does with an invitation: an older one changes nothing.
func (d diary) receive(t *testing.T, raw string) {
	t.Helper()
	file := partOf(t, raw, "text/calendar")
	calendar, err := ical.NewDecoder(strings.NewReader(file.content)).Decode()
	if err != nil {
		t.Fatalf("%v in\n%s", err, file.content)
	}
	method, err := calendar.Props.Text(ical.PropMethod)
	if err != nil || !strings.Contains(file.kind, "method="+method) || len(calendar.Events()) != 1 {
		t.Fatalf("the method is %q in a part %s with %d events, error %v", method, file.kind, len(calendar.Events()), err)
	}
	event := calendar.Events()[0]
	uid, err := event.Props.Text(ical.PropUID)
	if err != nil || uid == "" {
		t.Fatalf("no UID, error %v", err)
	}
	if known, found := d[uid]; found && sequence(t, event) < sequence(t, known) {
		return
	}
	if method == "CANCEL" {
		delete(d, uid)
		return
	}
	d[uid] = event
}

func sequence(t *testing.T, event ical.Event) int {
	t.Helper()
	number, err := event.Props.Get(ical.PropSequence).Int()
	if err != nil {
		t.Fatal(err)
	}
	return number
}

func partOf(t *testing.T, raw, kind string) part {
	t.Helper()
	all := parts(t, raw)
	n := slices.IndexFunc(all, func(p part) bool { return strings.HasPrefix(p.kind, kind) })
	if n < 0 {
		t.Fatalf("the mail has no part %s", kind)
	}
	return all[n]
}

// expect that the diary holds one entry at a time, whatever else was in it before.
func (d diary) expect(t *testing.T, at time.Time) {
	t.Helper()
	if len(d) != 1 {
		t.Fatalf("%d entries instead of one", len(d))
	}
	for _, event := range d {
		start, err := event.DateTimeStart(time.UTC)
		if err != nil || !start.Equal(at) {
			t.Errorf("the entry is at %s, error %v, want %s", start, err, at)
		}
	}
}

func TestAMoveUpdatesTheCalendarEntryInPlaceAndACancellationRemovesIt(t *testing.T) { // RFC 5546
	tenant, inbox := fixture.New(t), &fixture.Relay{}
	tenant.Document.Mail = inbox.Serve(t, true)
	token := booked(t, tenant, "de")
	drain(t, tenant)
	found, err := tenant.Store.Find(t.Context(), token, booking.Expiry{Hold: time.Hour, Unconfirmed: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	begin := found.Start.Add(24 * time.Hour)
	slot := booking.Slot{Start: begin, End: begin.Add(time.Hour)}
	if _, err := tenant.Store.Move(t.Context(), token, "einwohneramt", 2, slot, true, booking.Expiry{Hold: time.Hour, Unconfirmed: time.Hour}); err != nil {
		t.Fatal(err)
	}
	drain(t, tenant)
	if _, err := tenant.Store.Cancel(t.Context(), token, true); err != nil {
		t.Fatal(err)
	}
	drain(t, tenant)
	mails := inbox.Mails()
	if len(mails) != 3 {
		t.Fatalf("%d mails", len(mails))
	}
	diary := diary{}
	diary.receive(t, mails[0])
	diary.expect(t, found.Start)
	diary.receive(t, mails[1])
	diary.expect(t, begin)
	diary.receive(t, mails[0])
	diary.expect(t, begin)
	seen := maps.Clone(diary)
	diary.receive(t, mails[2])
	if len(diary) != 0 {
		t.Errorf("after the cancellation %d entries are left", len(diary))
	}
	// A18: calendars are synchronised to who knows where.
	for _, event := range seen {
		for _, name := range []string{ical.PropSummary, ical.PropDescription, ical.PropLocation, ical.PropComment} {
			text, _ := event.Props.Text(name)
			for _, secret := range []string{"Zoë", "Quittenbaum", "zoe.q", token, "Identitätskarte"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s holds %q", name, secret)
				}
			}
		}
	}
}

func TestTextAndHTMLOfAMailSayTheSameAndLoadNothing(t *testing.T) {
	for _, language := range []string{"de", "en", "fr", "it", "uk"} {
		tenant, inbox := fixture.New(t), &fixture.Relay{}
		tenant.Document.Mail = inbox.Serve(t, true)
		tenant.Document.Appearance = &v1alpha1.Appearance{Accent: "#7a1f3d"}
		token := booked(t, tenant, language)
		drain(t, tenant)
		mail := inbox.Mails()[0]
		plain, page := partOf(t, mail, "text/plain"), partOf(t, mail, "text/html")
		visible := html.UnescapeString(page.content)
		for line := range strings.Lines(plain.content) {
			line = strings.TrimSpace(line)
			if label, address, cut := strings.Cut(line, ": https"); cut {
				line = "https" + strings.TrimSpace(address)
				if !strings.Contains(visible, label) {
					t.Errorf("%s: the HTML lacks %q", language, label)
				}
			}
			if !strings.Contains(visible, line) {
				t.Errorf("%s: the HTML lacks %q:\n%s", language, line, visible)
			}
		}
		if !strings.Contains(visible, `<html lang="`+language+`"`) || !strings.Contains(visible, "#7a1f3d") || !strings.Contains(visible, token) {
			t.Errorf("%s: language, accent or link is missing:\n%s", language, visible)
		}
		for _, loaded := range []string{"<img", "src=", "url(", "<link", "<script", "@import", "ZgotmplZ"} {
			if strings.Contains(visible, loaded) {
				t.Errorf("%s: the HTML holds %q", language, loaded)
			}
		}
	}
}
