// SPDX-License-Identifier: Apache-2.0

package booking_test

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
)

const noticeDate = "2026-05-31"

func filled(changes ...string) url.Values {
	form := url.Values{"given_name": {"Ada"}, "family_name": {"Lovelace"}, "email": {"ada@example.org"}, "notice": {"yes"}, "notice_date": {noticeDate}}
	for n := 0; n < len(changes); n += 2 {
		form.Set(changes[n], changes[n+1])
	}
	return form
}

func TestTheContactFormAsksForWhatIsNeededAndNoMore(t *testing.T) {
	for _, test := range []struct {
		name   string
		form   url.Values
		asked  booking.Asked
		faults []booking.Field
	}{
		{"names and e-mail suffice (A4)", filled(), booking.Asked{}, nil},
		{"no e-mail where it is optional (A5)", filled("email", ""), booking.Asked{EmailOptional: true}, nil},
		{"e-mail where it is not", filled("email", ""), booking.Asked{}, []booking.Field{"email"}},
		{"a phone number for phone appointments (A6)", filled(), booking.Asked{Phone: true}, []booking.Field{"phone"}},
		{"a phone number in digits", filled("phone", "call me"), booking.Asked{Phone: true}, []booking.Field{"phone"}},
		{"a good phone number", filled("phone", "+41 61 555 01 23"), booking.Asked{Phone: true}, nil},
		{"an address where it is needed (A6)", filled(), booking.Asked{Address: true}, []booking.Field{"city", "postal_code", "street"}},
		{"a good address", filled("street", "Spiegelgasse 6", "postal_code", "4001", "city", "Basel"), booking.Asked{Address: true}, nil},
		{"blank names", filled("given_name", " ", "family_name", "\t"), booking.Asked{}, []booking.Field{"family_name", "given_name"}},
		{"control characters", filled("given_name", "A\x00da"), booking.Asked{}, []booking.Field{"given_name"}},
		{"a header in the e-mail", filled("email", "ada@example.org>\r\nBcc: x@example.org"), booking.Asked{}, []booking.Field{"email"}},
		{"a display name in the e-mail", filled("email", "Ada <ada@example.org>"), booking.Asked{}, []booking.Field{"email"}},
		{"an e-mail without a domain", filled("email", "ada@localhost"), booking.Asked{}, []booking.Field{"email"}},
		{"a notice not acknowledged (T2)", filled("notice", ""), booking.Asked{}, []booking.Field{"notice"}},
		{"an older notice acknowledged (B9)", filled("notice_date", "2025-01-01"), booking.Asked{}, []booking.Field{"notice"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, faults := booking.ParseContact(test.form, test.asked, noticeDate)
			if got := slices.Sorted(maps.Keys(faults)); !slices.Equal(got, test.faults) {
				t.Errorf("faults are %v, want %v", got, test.faults)
			}
		})
	}
}

func TestAPhoneNumberNobodyAskedForIsDropped(t *testing.T) {
	contact, _ := booking.ParseContact(filled("phone", "+41 61 555 01 23"), booking.Asked{}, noticeDate)
	if contact.Phone != "" {
		t.Error("a phone number is stored for an appointment without a call (T3)")
	}
}

func FuzzParseContact(f *testing.F) {
	f.Add("given_name=Ada&family_name=Lovelace&email=ada%40example.org&notice=yes&notice_date=2026-05-31", true)
	f.Add("given_name=%00&family_name=%ff&email=%22a%22%40b.c&phone=1", false)
	f.Fuzz(func(t *testing.T, query string, phone bool) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		contact, faults := booking.ParseContact(form, booking.Asked{Phone: phone}, noticeDate)
		if len(faults) > 0 {
			return
		}
		for _, text := range []string{contact.GivenName, contact.FamilyName, contact.Email, contact.Phone} {
			if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n") || len(text) > 400 {
				t.Errorf("accepted %q", text)
			}
		}
		if contact.GivenName == "" || contact.FamilyName == "" || !strings.Contains(contact.Email, "@") || phone == (contact.Phone == "") {
			t.Errorf("accepted an incomplete contact")
		}
	})
}

// FuzzParseConsents: whatever a form holds, a consent is one only when the box of the text in force was sent, and an
// address is accepted with its consent alone.
func FuzzParseConsents(f *testing.F) {
	service := &booking.Service{Service: v1alpha1.Service{Channels: []v1alpha1.Channel{v1alpha1.ChannelOnSite}, Consents: []v1alpha1.Consent{
		{Scope: v1alpha1.ConsentService, Text: v1alpha1.LocalizedText{"de": "Ich willige ein."}},
		{Scope: v1alpha1.ConsentPostalAddress, Text: v1alpha1.LocalizedText{"de": "Auch in die Adresse."}},
	}}}
	asked := service.AsksConsent(v1alpha1.ChannelOnSite, "de")
	contact := "given_name=Ada&family_name=Lovelace&email=ada%40example.org&notice=yes&notice_date=2026-05-31"
	address := "&street=Spiegelgasse+6&postal_code=4001&city=Basel"
	f.Add(contact + "&consent_service=" + asked[0].Hash())
	f.Add(contact + "&consent_service=" + asked[0].Hash() + "&consent_postal_address=" + asked[1].Hash() + address)
	f.Add(contact + "&consent_service=" + asked[1].Hash() + address)
	f.Add(contact + "&consent_service=yes&consent_postal_address=yes")
	f.Add("consent_service=%00&consent_postal_address=%ff" + address)
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		contact, faults := booking.ParseContact(form, service.Asks(v1alpha1.ChannelOnSite), noticeDate)
		given := booking.ParseConsents(form, asked, contact, faults)
		if len(faults) > 0 {
			return
		}
		agreed := map[v1alpha1.ConsentScope]bool{}
		for _, consent := range given {
			agreed[consent.Scope] = true
			if len(consent.TextSHA256) != 32 {
				t.Errorf("a consent to no text: %+v", consent)
			}
		}
		if !agreed[v1alpha1.ConsentService] || agreed[v1alpha1.ConsentPostalAddress] != (contact.City != "") {
			t.Errorf("accepted with %v and an address of %d letters", agreed, len(contact.City))
		}
	})
}

func FuzzParseHold(f *testing.F) {
	service := &booking.Service{Service: v1alpha1.Service{Channels: []v1alpha1.Channel{v1alpha1.ChannelPhone}}}
	f.Add("start=2026-06-01T08:00:00Z&channel=Phone&nonce=" + booking.NewNonce())
	f.Add("start=-&channel=&nonce=")
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		hold, ok := booking.ParseHold(form, service)
		if ok && (hold.Start.IsZero() || hold.Channel != v1alpha1.ChannelPhone || len(hold.Nonce) < 43) {
			t.Errorf("accepted %+v", hold)
		}
	})
}
