// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Catalogue is what can be booked.
//
// +kubebuilder:validation:XValidation:rule="self.offices.all(o, !has(o.services) || o.services.all(s, self.services.exists(x, x.name == s)))",message="an office may offer only services that catalogue.services lists"
type Catalogue struct {
	// Offices citizens come to, call, or meet by video.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Offices []Office `json:"offices"`
	// Services the offices offer.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Services []Service `json:"services"`
	// ReleaseDelay is how long, at least, a time that was cancelled or left by a move is kept from citizens: it is offered
	// again at a random moment between this and twice this, so that nobody can hand one over by cancelling at an agreed
	// moment. The staff may book it at once. At most a day.
	// +optional
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="int(self.substring(0, self.size() - 1)) * (self.endsWith('d') ? 1440 : self.endsWith('h') ? 60 : 1) <= 1440",message="offer a cancelled time again after a day at the latest"
	ReleaseDelay Period `json:"releaseDelay,omitempty"`
}

// CatalogueName names an office or service in URLs.
//
// +kubebuilder:validation:MaxLength=40
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="name offices and services in lower-case letters, digits and hyphens; displayName is what citizens read"
type CatalogueName string

// Office is a place, or a team, with counters and opening hours.
//
// +kubebuilder:validation:XValidation:rule="self.openingHours.all(h, !has(h.publicCounters) || h.publicCounters <= self.counters)",message="publicCounters cannot be more than the office's counters"
type Office struct {
	// Name of the office in URLs.
	Name CatalogueName `json:"name"`
	// DisplayName citizens read.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=120
	DisplayName string `json:"displayName"`
	// Controller the office belongs to: the name of one of spec.controllers.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=160
	Controller string `json:"controller"`
	// Address of the office.
	Address PostalAddress `json:"address"`
	// TimeZone of the opening hours, an IANA name such as Europe/Zurich.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$')",message="write the time zone as an IANA name, such as Europe/Zurich"
	TimeZone string `json:"timeZone"`
	// Counters that serve citizens at the same time.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=200
	Counters int32 `json:"counters"`
	// SlotLength is the grid appointments begin on.
	// +optional
	// +kubebuilder:default="15m"
	SlotLength Period `json:"slotLength,omitempty"`
	// BookableDays is how many days ahead citizens may book.
	// +optional
	// +kubebuilder:default=60
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=365
	BookableDays int32 `json:"bookableDays,omitempty"`
	// Services the office offers. Defaults to all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Services []CatalogueName `json:"services,omitempty"`
	// OpeningHours of the office.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.filter(b, b.day == a.day && b.from < a.until && a.from < b.until && !has(a.validFrom) && !has(a.validUntil) && !has(a.weeksOfMonth) && !has(b.validFrom) && !has(b.validUntil) && !has(b.weeksOfMonth)).size() <= 1)",message="two opening hours on the same day cross each other: merge them or separate them"
	OpeningHours []OpeningHours `json:"openingHours"`
	// Holidays are the public holidays the office is closed on, by the law of a Land or canton. Closures add what is
	// closed beyond them. Defaults to none.
	// +optional
	Holidays HolidayCalendar `json:"holidays,omitempty"`
	// Closures, such as company holidays, or holidays of one municipality alone.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Closures []Closure `json:"closures,omitempty"`
}

// Weekday of opening hours.
//
// +kubebuilder:validation:Enum=Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday
type Weekday string

// TimeOfDay is a wall-clock time of the office, written as HH:MM; 24:00 is the end of the day.
//
// +kubebuilder:validation:MaxLength=5
// +kubebuilder:validation:XValidation:rule="self.matches('^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$')",message="write a time of day as HH:MM between 00:00 and 24:00"
type TimeOfDay string

// OpeningHours is one stretch of one weekday.
//
// +kubebuilder:validation:XValidation:rule="self.from < self.until",message="opening hours must end after they begin, on the same day"
// +kubebuilder:validation:XValidation:rule="!has(self.everyWeeks) || has(self.validFrom)",message="everyWeeks counts from the week of validFrom: give that too"
// +kubebuilder:validation:XValidation:rule="!has(self.validFrom) || !has(self.validUntil) || self.validFrom <= self.validUntil",message="opening hours must be valid until the day they are valid from, or later"
type OpeningHours struct {
	// Day of the week.
	Day Weekday `json:"day"`
	// From is when the office opens.
	From TimeOfDay `json:"from"`
	// Until is when the last appointment must have ended.
	Until TimeOfDay `json:"until"`
	// ValidFrom is the first day these hours hold.
	// +optional
	ValidFrom *Date `json:"validFrom,omitempty"`
	// ValidUntil is the last day these hours hold.
	// +optional
	ValidUntil *Date `json:"validUntil,omitempty"`
	// EveryWeeks opens only every so many weeks, counted from the week of validFrom.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=52
	EveryWeeks int32 `json:"everyWeeks,omitempty"`
	// WeeksOfMonth opens only on the first to fifth such weekday of a month, or on the last.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=6
	WeeksOfMonth []WeekOfMonth `json:"weeksOfMonth,omitempty"`
	// PublicCounters are how many of the office's counters citizens book themselves; the others are kept for those who
	// call or come. Defaults to all.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PublicCounters *int32 `json:"publicCounters,omitempty"`
}

// WeekOfMonth counts the days of one name in a month.
//
// +kubebuilder:validation:Enum=First;Second;Third;Fourth;Fifth;Last
type WeekOfMonth string

// Weeks of a month.
const (
	WeekFirst  WeekOfMonth = "First"
	WeekSecond WeekOfMonth = "Second"
	WeekThird  WeekOfMonth = "Third"
	WeekFourth WeekOfMonth = "Fourth"
	WeekFifth  WeekOfMonth = "Fifth"
	WeekLast   WeekOfMonth = "Last"
)

// HolidayCalendar names a Land or canton by ISO 3166-2 whose public holidays are the same in all its municipalities.
// Where they are not (such as in AG, FR or SO, or for the Assumption in Bavaria), list closures instead or as well.
//
// +kubebuilder:validation:Enum=DE-BB;DE-BE;DE-BW;DE-BY;DE-HB;DE-HE;DE-HH;DE-MV;DE-NI;DE-NW;DE-RP;DE-SH;DE-SL;DE-SN;DE-ST;DE-TH;CH-BE;CH-BL;CH-BS;CH-GE;CH-GL;CH-GR;CH-LU;CH-NW;CH-SG;CH-SH;CH-TG;CH-TI;CH-UR;CH-VD;CH-VS;CH-ZG;CH-ZH
type HolidayCalendar string

// Closure is a stretch of days on which nothing can be booked.
//
// +kubebuilder:validation:XValidation:rule="!has(self.until) || self.from <= self.until",message="a closure must end on or after the day it begins"
type Closure struct {
	// From is the first day of the closure.
	From Date `json:"from"`
	// Until is the last day of the closure. Defaults to From.
	// +optional
	Until *Date `json:"until,omitempty"`
	// Reason citizens read, such as the name of a public holiday.
	// +optional
	// +kubebuilder:validation:MaxLength=120
	Reason string `json:"reason,omitempty"`
}

// Channel of an appointment; it decides which contact fields are asked (A6).
//
// +kubebuilder:validation:Enum=OnSite;Phone;Video
type Channel string

// Channels of appointments.
const (
	ChannelOnSite Channel = "OnSite"
	ChannelPhone  Channel = "Phone"
	ChannelVideo  Channel = "Video"
)

// Service is something citizens book an appointment for.
//
// +kubebuilder:validation:XValidation:rule="!has(self.requiredFields) || self.requiredFields.size() == 0 || 'OnSite' in self.channels",message="a postal address may be asked for on site only: add OnSite to the service's channels, or remove PostalAddress from requiredFields"
// +kubebuilder:validation:XValidation:rule="!has(self.consents) || !self.consents.exists(c, c.scope == 'Service') || has(self.legalBasis)",message="name the provision the consent rests on in the service's legalBasis, such as Art. 6(1)(a) GDPR: the notice prints it"
// +kubebuilder:validation:XValidation:rule="!has(self.legalBasis) || !self.legalBasis.matches('Art[.]? ?6 ?([(]1[)]|Abs[.]? ?1) ?([(]a[)]|(lit|Bst)[.]? ?a([^a-z]|$))') || (has(self.consents) && self.consents.exists(c, c.scope == 'Service'))",message="legalBasis names consent, but nobody is asked for it: add consents with scope Service and a text, or name another legal basis"
// +kubebuilder:validation:XValidation:rule="!has(self.consents) || !self.consents.exists(c, c.scope == 'PostalAddress') || ('OnSite' in self.channels && !(has(self.requiredFields) && 'PostalAddress' in self.requiredFields))",message="a postal address rests on consent only where it is given freely, on site: remove PostalAddress from requiredFields or from consents, or add OnSite to the service's channels"
type Service struct {
	// Name of the service in URLs.
	Name CatalogueName `json:"name"`
	// DisplayName citizens read, in every locale of the tenant.
	DisplayName LocalizedText `json:"displayName"`
	// Duration of an appointment.
	Duration Period `json:"duration"`
	// Channels the service is offered by.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Channels []Channel `json:"channels"`
	// EmailOptional lets citizens book without a mail address (A5); the link is then shown on the page only.
	// +optional
	EmailOptional bool `json:"emailOptional,omitempty"`
	// LegalBasis of the processing for this service, when it differs from the policy's (T2).
	// +optional
	// +kubebuilder:validation:MaxLength=300
	LegalBasis string `json:"legalBasis,omitempty"`
	// RequiredFields are what the service must know beyond name and mail address. A phone number is asked for where the
	// channel is Phone, and nowhere else (A6).
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1
	RequiredFields []RequiredField `json:"requiredFields,omitempty"`
	// Consents the service asks for: only where consent is what the processing rests on (T2). The policy needs a rule for
	// Consent.
	// +optional
	// +listType=map
	// +listMapKey=scope
	// +kubebuilder:validation:MaxItems=2
	Consents []Consent `json:"consents,omitempty"`
	// ReminderBefore offers a reminder by mail this long before the appointment, to whoever ticks that they want one and
	// gives a mail address: minutes, hours or days, such as 24h, at most 31 days. Without it, nobody is reminded.
	// +optional
	// +kubebuilder:validation:XValidation:rule="int(self.substring(0, self.size() - 1)) * (self.endsWith('d') ? 1440 : self.endsWith('h') ? 60 : 1) <= 44640",message="remind at most 31 days before the appointment"
	ReminderBefore Period `json:"reminderBefore,omitempty"`
}

// RequiredField is something a service must know of a citizen.
//
// +kubebuilder:validation:Enum=PostalAddress
type RequiredField string

// RequiredFieldPostalAddress is street, postal code and town, asked for appointments on site alone (A6).
const RequiredFieldPostalAddress RequiredField = "PostalAddress"
