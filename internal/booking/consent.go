// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// AskedConsent is a consent as a page asks for it.
type AskedConsent struct {
	Scope v1alpha1.ConsentScope
	// Text in the language of the page, Locale.
	Text, Locale string
}

// consentFields are the boxes of the contact form; they stand for nothing but a consent.
var consentFields = map[v1alpha1.ConsentScope]Field{
	v1alpha1.ConsentService: FieldConsentService, v1alpha1.ConsentPostalAddress: FieldConsentPostalAddress,
}

// Field of the form.
func (c AskedConsent) Field() Field { return consentFields[c.Scope] }

// Hash is the SHA-256 of the text. The box has it as its value, so that agreeing to a text that has been changed in the
// meantime is told from agreeing to the one in force.
func (c AskedConsent) Hash() string { return hex.EncodeToString(c.sum()) }

func (c AskedConsent) sum() []byte {
	sum := sha256.Sum256([]byte(c.Text))
	return sum[:]
}

// Consent is one that was given, and perhaps withdrawn (T2).
type Consent struct {
	Scope v1alpha1.ConsentScope
	// Origin is by which way it was given.
	Origin     Origin
	Locale     string
	TextSHA256 []byte
	Given      time.Time
	Withdrawn  *time.Time
}

// AsksConsent gives what a service asks for on a channel, in a language; none where consent is not the basis.
func (s *Service) AsksConsent(channel v1alpha1.Channel, language string) []AskedConsent {
	var asked []AskedConsent
	for _, consent := range s.Service.Consents {
		if consent.Scope == v1alpha1.ConsentPostalAddress && channel != v1alpha1.ChannelOnSite {
			continue
		}
		asked = append(asked, AskedConsent{consent.Scope, inLanguage(consent.Text, language), language})
	}
	return asked
}

// TextOf gives the text a consent was given to; empty when the catalogue has another one by now.
func (s *Service) TextOf(consent Consent) string {
	for _, asked := range s.AsksConsent(v1alpha1.ChannelOnSite, consent.Locale) {
		if asked.Scope == consent.Scope && bytes.Equal(asked.sum(), consent.TextSHA256) {
			return asked.Text
		}
	}
	return ""
}

// ParseConsents reads which consents were given, without the way they came, and adds to faults what keeps them from being
// one: none where the booking rests on it, an older text, or an address without the consent it rests on.
func ParseConsents(form url.Values, asked []AskedConsent, contact Contact, faults Faults) []Consent {
	var given []Consent
	for _, consent := range asked {
		value, field := form.Get(string(consent.Field())), consent.Field()
		switch {
		case value == consent.Hash():
			given = append(given, Consent{Scope: consent.Scope, Locale: consent.Locale, TextSHA256: consent.sum()})
		case value != "":
			faults[field] = "fault.consent_changed"
		case consent.Scope == v1alpha1.ConsentService:
			faults[field] = "fault.consent"
		case contact.hasAddress():
			faults[field] = "fault.consent_address"
		}
	}
	return given
}

// agreedToAddress tells whether the form has a consent to an address ticked.
func agreedToAddress(form url.Values) bool { return form.Get(string(FieldConsentPostalAddress)) != "" }

// HasConsent tells whether a service asks for a consent of a scope.
func (s *Service) HasConsent(scope v1alpha1.ConsentScope) bool {
	return slices.ContainsFunc(s.Service.Consents, func(c v1alpha1.Consent) bool { return c.Scope == scope })
}
