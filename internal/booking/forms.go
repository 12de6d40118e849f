// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

const (
	maxName  = 100
	maxEmail = 254
	maxPhone = 40
	minPhone = 5
)

// Contact is what a citizen says about themselves; an empty field was not asked for or not given (A4, A5, A6).
type Contact struct {
	GivenName, FamilyName, Email, Phone string
	Street, PostalCode, City            string
	// Reminder is how long before the appointment the citizen wants a mail; zero for none.
	Reminder time.Duration
}

// hasAddress tells whether anything of a postal address was given.
func (c Contact) hasAddress() bool { return c.Street != "" || c.PostalCode != "" || c.City != "" }

// Asked says which contact fields a booking asks for.
type Asked struct {
	EmailOptional bool
	Phone         bool
	Address       bool
	// AddressOptional: the address rests on a consent of its own, and need not be given.
	AddressOptional bool
	// Reminder that is offered; zero for none.
	Reminder time.Duration
}

// Asks tells which contact fields a service asks for on a channel: a phone number only where one is called, an address
// only on site and where the service declares that it needs one (A6), or that one may be given freely.
func (s *Service) Asks(channel v1alpha1.Channel) Asked {
	freely := s.HasConsent(v1alpha1.ConsentPostalAddress)
	return Asked{EmailOptional: s.EmailOptional, Phone: channel == v1alpha1.ChannelPhone, AddressOptional: freely, Reminder: s.Reminder,
		Address: channel == v1alpha1.ChannelOnSite && (freely || slices.Contains(s.RequiredFields, v1alpha1.RequiredFieldPostalAddress))}
}

// Correcting gives what the correction of a contact asks for: an address that rests on consent only while there is one,
// since a new one would need a new consent.
func (a Asked) Correcting(contact *Contact) Asked {
	if a.AddressOptional {
		a.Address, a.AddressOptional = contact != nil && contact.City != "", false
	}
	return a
}

// Field of a form, as the form names it.
type Field string

// Fields of the contact form.
const (
	FieldGivenName            Field = "given_name"
	FieldFamilyName           Field = "family_name"
	FieldEmail                Field = "email"
	FieldPhone                Field = "phone"
	FieldReminder             Field = "reminder"
	FieldStreet               Field = "street"
	FieldPostalCode           Field = "postal_code"
	FieldCity                 Field = "city"
	FieldConsentPostalAddress Field = "consent_postal_address"
	FieldConsentService       Field = "consent_service"
	FieldNotice               Field = "notice"
	FieldNoticeDate           Field = "notice_date"
	FieldStart                Field = "start"
	FieldChannel              Field = "channel"
	FieldProof                Field = "proof"
	FieldNonce                Field = "nonce"
)

// ContactFields in the order forms ask for them.
var ContactFields = []Field{FieldGivenName, FieldFamilyName, FieldEmail, FieldPhone, FieldStreet, FieldPostalCode, FieldCity,
	FieldConsentPostalAddress, FieldConsentService, FieldNotice}

// Faults are the keys of messages by field, never what was entered.
type Faults map[Field]string

// ParseContact reads the contact form. noticeDate is the date of the notice in force: acknowledging an older one does
// not count (T2, B9). Fields nobody asked for are dropped, whatever the browser sends (T3).
func ParseContact(form url.Values, asked Asked, noticeDate string) (Contact, Faults) {
	contact, faults := ParseCorrection(form, asked)
	switch {
	case form.Get(string(FieldNotice)) != "yes":
		faults[FieldNotice] = "fault.notice"
	case form.Get(string(FieldNoticeDate)) != noticeDate:
		faults[FieldNotice] = "fault.notice_changed"
	}
	return contact, faults
}

// ParseCorrection reads the contact form without the notice, which has been acknowledged before.
func ParseCorrection(form url.Values, asked Asked) (Contact, Faults) {
	faults := Faults{}
	contact := Contact{
		GivenName:  line(form, FieldGivenName),
		FamilyName: line(form, FieldFamilyName),
		Email:      line(form, FieldEmail),
	}
	for field, name := range map[Field]string{FieldGivenName: contact.GivenName, FieldFamilyName: contact.FamilyName} {
		if fault := nameFault(name); fault != "" {
			faults[field] = fault
		}
	}
	if contact.Email == "" && !asked.EmailOptional {
		faults[FieldEmail] = "fault.missing"
	} else if contact.Email != "" && !validEmail(contact.Email) {
		faults[FieldEmail] = "fault.email"
	}
	if asked.Reminder > 0 && form.Get(string(FieldReminder)) == "yes" {
		contact.Reminder = asked.Reminder
		if contact.Email == "" {
			faults[FieldEmail] = "fault.reminder"
		}
	}
	if asked.Phone {
		contact.Phone = line(form, FieldPhone)
		if contact.Phone == "" {
			faults[FieldPhone] = "fault.missing"
		} else if !validPhone(contact.Phone) {
			faults[FieldPhone] = "fault.phone"
		}
	}
	if asked.Address {
		contact.Street, contact.PostalCode, contact.City = line(form, FieldStreet), line(form, FieldPostalCode), line(form, FieldCity)
		if asked.AddressOptional && !contact.hasAddress() && !agreedToAddress(form) {
			return contact, faults
		}
		for field, text := range map[Field]string{FieldStreet: contact.Street, FieldPostalCode: contact.PostalCode, FieldCity: contact.City} {
			if fault := nameFault(text); fault != "" {
				faults[field] = fault
			}
		}
	}
	return contact, faults
}

func line(form url.Values, field Field) string {
	return strings.Join(strings.Fields(form.Get(string(field))), " ")
}

func nameFault(name string) string {
	switch {
	case name == "":
		return "fault.missing"
	case utf8.RuneCountInString(name) > maxName:
		return "fault.long"
	case !printable(name):
		return "fault.characters"
	}
	return ""
}

func printable(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	return strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// validEmail accepts a bare address only: a display name or a comment would end up in headers.
func validEmail(text string) bool {
	if len(text) > maxEmail || !printable(text) || strings.ContainsAny(text, " <>\",;:\\()") {
		return false
	}
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text {
		return false
	}
	domain := text[strings.LastIndex(text, "@")+1:]
	return strings.Contains(strings.Trim(domain, "."), ".")
}

func validPhone(text string) bool {
	digits := 0
	for _, r := range text {
		switch {
		case '0' <= r && r <= '9':
			digits++
		case !strings.ContainsRune("+ ()/.-", r):
			return false
		}
	}
	return digits >= minPhone && len(text) <= maxPhone
}

// HoldForm is a wish for a slot.
type HoldForm struct {
	Start   time.Time
	Channel v1alpha1.Channel
	// Nonce makes submitting the same page twice one hold.
	Nonce string
}

// ParseHold reads the form of a slot's button; false when no page of ours could have sent it.
func ParseHold(form url.Values, service *Service) (HoldForm, bool) {
	start, valid := ParseStart(form)
	if !valid {
		return HoldForm{}, false
	}
	channel, offered := service.Channel(form.Get(string(FieldChannel)))
	nonce := form.Get(string(FieldNonce))
	if !offered || !wellFormedSecret(nonce) {
		return HoldForm{}, false
	}
	return HoldForm{start, channel, nonce}, true
}

// ParseStart reads the time of a slot's button; false when no page of ours could have sent it.
func ParseStart(form url.Values) (time.Time, bool) {
	start, err := time.Parse(time.RFC3339, form.Get(string(FieldStart)))
	return start, err == nil && start.Year() >= 2000 && start.Year() <= 9999
}
