// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// TenantFinalizer keeps a BookingTenant until its data is retained under supervision, or deleted and its absence
	// verified.
	TenantFinalizer = "booking.termintreu.dev/data"
	// LabelRegion binds a namespace to the DataRegion it names: the admission policies of that region select by it.
	// Only the operator may write it on a namespace.
	LabelRegion = "booking.termintreu.dev/region"
)

// BookingTenantSpec is one booking instance of one or more controllers.
//
// +kubebuilder:validation:XValidation:rule="self.regionRef.name == oldSelf.regionRef.name",message="a tenant cannot change its region in place: export it, create it in the other region, import, and delete it here"
// +kubebuilder:validation:XValidation:rule="self.catalogue.offices.all(o, self.controllers.exists(c, c.name == o.controller))",message="every office must name one of spec.controllers in its controller field"
// +kubebuilder:validation:XValidation:rule="self.catalogue.services.all(s, self.locales.all(l, l in s.displayName))",message="give every service a displayName in each of spec.locales"
// +kubebuilder:validation:XValidation:rule="!has(self.appearance) || !has(self.appearance.name) || self.locales.all(l, l in self.appearance.name)",message="give appearance.name in each of spec.locales"
type BookingTenantSpec struct {
	// Controllers in the sense of Art. 4(7) GDPR; each office names the one it belongs to (A2, B10).
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Controllers []Controller `json:"controllers"`
	// RegionRef names the DataRegion the tenant's data lives in. It cannot change.
	RegionRef ObjectReference `json:"regionRef"`
	// RetentionPolicyRef names the RetentionPolicy the tenant keeps.
	RetentionPolicyRef ObjectReference `json:"retentionPolicyRef"`
	// ProcessingAgreement under Art. 28 GDPR between the authority and the platform; no instance serves before it is
	// in force (M1, T9).
	ProcessingAgreement ProcessingAgreement `json:"processingAgreement"`
	// Instance is the booking deployment.
	// +optional
	Instance InstanceSpec `json:"instance,omitempty"`
	// Catalogue of what can be booked where and when.
	Catalogue Catalogue `json:"catalogue"`
	// Staff is who of the authority works with the appointments, under /staff of the site. Without it, that path is
	// not there (T5).
	// +optional
	Staff *StaffSpec `json:"staff,omitempty"`
	// Appearance of the site.
	// +optional
	Appearance *Appearance `json:"appearance,omitempty"`
	// Locales the site speaks, the first being the default.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	Locales []Locale `json:"locales"`
	// Backup of the tenant's schema.
	Backup BackupSpec `json:"backup"`
	// DeletionPolicy says what becomes of the data when the BookingTenant is deleted.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// Offboarding ends the contract. It can be taken back or changed until the contract has ended.
	// +optional
	Offboarding *Offboarding `json:"offboarding,omitempty"`
	// Paused stops the operator from changing anything for this tenant. Purge and backup go on; verdicts are not
	// renewed and so become Unknown.
	// +optional
	Paused bool `json:"paused,omitempty"`
}

// Locale is a language the site speaks.
//
// +kubebuilder:validation:Enum=de;en;fr;it;uk
type Locale string

// DeletionPolicy says what becomes of a tenant's data when its BookingTenant is deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

const (
	// DeletionRetain keeps schema and backups without application access; purge, expiry and audit go on until the
	// period of category TenantData has passed, then everything is deleted.
	DeletionRetain DeletionPolicy = "Retain"
	// DeletionDelete drops schema and roles and removes the backups at once, but for what a store has locked, which
	// nobody can delete: expiry takes it when the lock has ended.
	DeletionDelete DeletionPolicy = "Delete"
)

// Controller determines purposes and means of the processing (Art. 4(7) GDPR).
type Controller struct {
	// Name of the controller, as the notice prints it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=160
	Name string `json:"name"`
	// Address of the controller.
	Address PostalAddress `json:"address"`
	// Email the controller is reached at.
	Email EmailAddress `json:"email"`
	// Web site of the controller.
	Web WebAddress `json:"web"`
	// DataProtectionOfficer of the controller.
	DataProtectionOfficer Contact `json:"dataProtectionOfficer"`
	// SupervisoryAuthority complaints go to; its postal address and phone are part of the notice (A16).
	SupervisoryAuthority SupervisoryAuthority `json:"supervisoryAuthority"`
}

// EmailAddress is a mail address.
//
// +kubebuilder:validation:MaxLength=254
// +kubebuilder:validation:XValidation:rule="self.matches('^[^@\\\\s]+@[^@\\\\s]+[.][^@\\\\s]+$')",message="write a mail address such as datenschutz@example.org"
type EmailAddress string

// WebAddress is an https URL.
//
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="isURL(self) && self.startsWith('https://')",message="write a web address as an https:// URL"
type WebAddress string

// Contact is an office, not a private person, that can be asked.
type Contact struct {
	// Name of the office.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=160
	Name string `json:"name"`
	// Email of the office.
	Email EmailAddress `json:"email"`
	// Phone of the office.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Phone string `json:"phone,omitempty"`
}

// SupervisoryAuthority is where citizens complain (Art. 77 GDPR or cantonal law).
type SupervisoryAuthority struct {
	// Name of the authority.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=160
	Name string `json:"name"`
	// Address of the authority.
	Address PostalAddress `json:"address"`
	// Phone of the authority.
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=40
	Phone string `json:"phone"`
	// Web site of the authority.
	// +optional
	Web *WebAddress `json:"web,omitempty"`
}

// ProcessingAgreement is the contract under Art. 28(3) GDPR.
type ProcessingAgreement struct {
	// InForceFrom is the first day the agreement is in force.
	InForceFrom Date `json:"inForceFrom"`
	// InForceUntil is the last day, when the agreement has an end.
	// +optional
	InForceUntil *Date `json:"inForceUntil,omitempty"`
	// Reference of the agreement in the authority's files.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=120
	Reference string `json:"reference"`
	// DocumentSHA256 is the digest of the signed document.
	DocumentSHA256 SHA256 `json:"documentSHA256"`
}

// InstanceSpec is the booking deployment.
type InstanceSpec struct {
	// Replicas of the instance.
	// +optional
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	Replicas int32 `json:"replicas,omitempty"`
	// Hosts the site answers at; the first is the site's URL. Without one, no Ingress is made.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Hosts []Host `json:"hosts,omitempty"`
	// TLSSecretName names a Secret of type kubernetes.io/tls in the tenant's namespace for the hosts.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	TLSSecretName string `json:"tlsSecretName,omitempty"`
	// Resources of each replica.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Host is a DNS host name.
//
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)+$')",message="write a host as a full DNS name in lower case without scheme, port or path, such as termine.example.org"
type Host string

// StaffSpec is the client of the tenant at the region's identity provider, and who may do what.
type StaffSpec struct {
	// ClientID of this tenant at the provider. Each tenant has a client of its own, so that no authority holds the
	// secret of another.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClientID string `json:"clientID"`
	// ClientSecretRef names a Secret in the tenant's namespace with key clientSecret, and nextClientSecret while the
	// secret is being exchanged.
	ClientSecretRef SecretReference `json:"clientSecretRef"`
	// Grants of roles. Whoever has none is not let in.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Grants []StaffGrant `json:"grants"`
}

// StaffGrant gives a role to whoever has one of the values in the provider's claim.
type StaffGrant struct {
	// Role that is given.
	Role StaffRole `json:"role"`
	// Values of the claim, such as the names of groups.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Values []string `json:"values"`
	// Offices the role is given at. Defaults to all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Offices []CatalogueName `json:"offices,omitempty"`
}

// StaffRole is what somebody at the staff side needs to know and do (T5).
//
// +kubebuilder:validation:Enum=Clerk;CounterLead;Administrator;Officer;Auditor
type StaffRole string

const (
	// StaffClerk runs the day of an office: sees appointments, calls, completes, and books for callers.
	StaffClerk StaffRole = "Clerk"
	// StaffCounterLead is a clerk who may also break a rule for a reason, and take back what was noted by mistake.
	StaffCounterLead StaffRole = "CounterLead"
	// StaffAdministrator sees who is signed in and signs them out; no appointment.
	StaffAdministrator StaffRole = "Administrator"
	// StaffOfficer is the data protection officer: finds an appointment by its code, opens and ends abuse cases and
	// restrictions, reads the audit log.
	StaffOfficer StaffRole = "Officer"
	// StaffAuditor reads the audit log, which holds identifiers only.
	StaffAuditor StaffRole = "Auditor"
)

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
}

// RequiredField is something a service must know of a citizen.
//
// +kubebuilder:validation:Enum=PostalAddress
type RequiredField string

// RequiredFieldPostalAddress is street, postal code and town, asked for appointments on site alone (A6).
const RequiredFieldPostalAddress RequiredField = "PostalAddress"

// BackupSpec is when and for whom the tenant's schema is backed up.
type BackupSpec struct {
	// Schedule of the backup.
	Schedule Schedule `json:"schedule"`
	// TimeZone of the schedule, an IANA name.
	// +optional
	// +kubebuilder:default="Etc/UTC"
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
	// Copies of each backup, each at another store of the region.
	// +optional
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=8
	Copies int32 `json:"copies,omitempty"`
	// Recipients are age public keys the backup is encrypted to: age1… (X25519) or age1pq1… (hybrid
	// post-quantum). The private keys never enter the cluster.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Recipients []AgeRecipient `json:"recipients"`
}

// AgeRecipient is an age public key.
//
// +kubebuilder:validation:MaxLength=2048
// +kubebuilder:validation:XValidation:rule="self.size() >= 62 && self.matches('^age1(pq1)?[02-9ac-hj-np-z]+$')",message="give an age public key as age-keygen prints it (age1… or age1pq1…), never a secret key"
type AgeRecipient string

// BookingTenantStatus is what was measured of a tenant.
type BookingTenantStatus struct {
	// ObservedGeneration is the generation the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: Ready, Reconciling and Stalled follow kstatus; DatabaseReady and InstanceAvailable tell of the
	// parts; ResidencyEnforced, ProcessorsPermitted, RetentionEnforced, BackupsCurrent and their
	// summary Compliant are verdicts.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// URL of the booking site.
	// +optional
	URL string `json:"url,omitempty"`
	// DataID is the opaque name of the tenant's data: its schema, roles and prefix at the stores.
	// +optional
	DataID string `json:"dataID,omitempty"`
	// Database the tenant was placed in.
	// +optional
	Database *DatabasePlacement `json:"database,omitempty"`
	// Compliance tells how long the verdicts stand.
	// +optional
	Compliance *ComplianceStatus `json:"compliance,omitempty"`
	// Evidence behind the verdicts on residency and processors: what was observed, and what was declared.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=48
	Evidence []EvidenceItem `json:"evidence,omitempty"`
	// Residency is where the tenant's pods and jobs run.
	// +optional
	Residency *ResidencyStatus `json:"residency,omitempty"`
	// Retention is what is stored and what is overdue.
	// +optional
	Retention *RetentionStatus `json:"retention,omitempty"`
	// Backup is what lies at the stores.
	// +optional
	Backup *BackupStatus `json:"backup,omitempty"`
	// RecoveryKey is when its holder last answered the challenge of a restore.
	// +optional
	RecoveryKey *RecoveryKeyStatus `json:"recoveryKey,omitempty"`
	// Offboarding is how far the end of the contract has come; absent before it has ended.
	// +optional
	Offboarding *OffboardingStatus `json:"offboarding,omitempty"`
}

// RecoveryKeyStatus is the proof that somebody outside the cluster can open the tenant's backups.
type RecoveryKeyStatus struct {
	// ProvenAt is when the restore that was answered had finished.
	ProvenAt metav1.Time `json:"provenAt"`
	// Recipients is a digest of those the tenant had then; others are not proven by it.
	Recipients string `json:"recipients"`
}

// DatabasePlacement is where the tenant's schema lives.
type DatabasePlacement struct {
	// Server of the region.
	Server string `json:"server"`
	// Name of the database.
	Name string `json:"name"`
	// Schema of the tenant.
	Schema string `json:"schema"`
}

// ResidencyStatus is where the tenant's pods and jobs run.
type ResidencyStatus struct {
	// MeasuredAt is when the nodes were looked at.
	// +optional
	MeasuredAt *metav1.Time `json:"measuredAt,omitempty"`
	// Nodes under the tenant's pods and jobs.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Nodes []NodeEvidence `json:"nodes,omitempty"`
	// Server is the database server the tenant's schema lies on.
	// +optional
	Server string `json:"server,omitempty"`
	// Stores that hold the tenant's backups.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Stores []string `json:"stores,omitempty"`
	// Countries the tenant's data is processed in or accessed from, as the DataRegion's processors declare.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Countries []CountryCode `json:"countries,omitempty"`
	// Incidents are the last sixteen breaches of residency, healed ones included.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Incidents []Incident `json:"incidents,omitempty"`
}

// Incident is one breach of residency that was noticed.
type Incident struct {
	// What broke the promise, such as "Pod basel/einwohneramt-booking-1".
	// +kubebuilder:validation:MaxLength=400
	What string `json:"what"`
	// Where it was found, such as the name of a node.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Where string `json:"where,omitempty"`
	// Reason is one of the reasons of ResidencyEnforced.
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`
	// Message tells what was seen.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
	// NoticedAt is when it was noticed.
	NoticedAt metav1.Time `json:"noticedAt"`
	// HealedAt is when it was seen mended; absent while it lasts.
	// +optional
	HealedAt *metav1.Time `json:"healedAt,omitempty"`
	// Action the operator took.
	// +optional
	Action IncidentAction `json:"action,omitempty"`
}

// IncidentAction is what the operator did about an incident.
//
// +kubebuilder:validation:Enum=Evicted;EvictionBlocked;Reported
type IncidentAction string

const (
	// IncidentEvicted means the pod was evicted.
	IncidentEvicted IncidentAction = "Evicted"
	// IncidentEvictionBlocked means the Eviction API refused, such as for a PodDisruptionBudget; it is tried again.
	IncidentEvictionBlocked IncidentAction = "EvictionBlocked"
	// IncidentReported means the incident was reported and nothing else.
	IncidentReported IncidentAction = "Reported"
)

// EvidenceItem is one fact a verdict rests on.
type EvidenceItem struct {
	// What the fact is about, such as "Database server pg-ch-1".
	// +kubebuilder:validation:MaxLength=200
	What string `json:"what"`
	// Where it was seen or is said to be, such as a node, a country or an address.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Where string `json:"where,omitempty"`
	// Value that was seen or written down.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Value string `json:"value,omitempty"`
	// Source tells whether somebody looked.
	Source EvidenceSource `json:"source"`
	// At is when the operator looked; absent for what was declared.
	// +optional
	At *metav1.Time `json:"at,omitempty"`
}

// NodeEvidence is one node under pods of the tenant.
type NodeEvidence struct {
	// Name of the node.
	Name string `json:"name"`
	// Value of the region's node label, empty when the node has none.
	// +optional
	Value string `json:"value,omitempty"`
	// Trusted tells whether the region trusts the node.
	// +optional
	Trusted metav1.ConditionStatus `json:"trusted,omitempty"`
	// Pods of the tenant on the node.
	// +optional
	Pods int32 `json:"pods,omitempty"`
}

// RetentionStatus is what is stored and what is overdue.
type RetentionStatus struct {
	// MeasuredAt is when the database was audited, by the database's clock.
	// +optional
	MeasuredAt *metav1.Time `json:"measuredAt,omitempty"`
	// Overdue is the number of records past their period and still there; absent when unknown.
	// +optional
	Overdue *int64 `json:"overdue,omitempty"`
	// MeasuredBy names the database role and the database the audit ran as and in.
	// +optional
	MeasuredBy string `json:"measuredBy,omitempty"`
	// Policy is the revision of the RetentionPolicy the database was found to enforce; absent while it enforces another.
	// +optional
	Policy *EnforcedPolicy `json:"policy,omitempty"`
	// SuspendedUntil is set while the policy pauses deletion.
	// +optional
	SuspendedUntil *metav1.Time `json:"suspendedUntil,omitempty"`
	// Runs are the last purges, newest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	Runs []PurgeRun `json:"runs,omitempty"`
	// LastPurge is when the purge last finished.
	// +optional
	LastPurge *metav1.Time `json:"lastPurge,omitempty"`
	// Categories stored.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=16
	Categories []CategoryEvidence `json:"categories,omitempty"`
}

// EnforcedPolicy is a revision of a RetentionPolicy.
type EnforcedPolicy struct {
	// Name of the policy.
	Name string `json:"name"`
	// Generation of the policy.
	Generation int64 `json:"generation"`
	// Since is when the newest of its rules came into force in the database.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
}

// PurgeRun is one purge over all categories.
type PurgeRun struct {
	// StartedAt is when the purge began.
	StartedAt metav1.Time `json:"startedAt"`
	// FinishedAt is when nothing due was left; absent when the purge ended before.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Removed records.
	Removed int64 `json:"removed"`
}

// CategoryEvidence is the audit of one category.
type CategoryEvidence struct {
	// Category of data.
	Category Category `json:"category"`
	// Period the rule gives.
	// +optional
	Period Period `json:"period,omitempty"`
	// Overdue records: past period and tolerance.
	// +optional
	Overdue *int64 `json:"overdue,omitempty"`
	// Oldest is the earliest start event among the records, absent when there is none.
	// +optional
	Oldest *metav1.Time `json:"oldest,omitempty"`
	// Removed is the number of records the last purge removed.
	// +optional
	Removed *int64 `json:"removed,omitempty"`
	// LastRun is when the last purge of the category finished.
	// +optional
	LastRun *metav1.Time `json:"lastRun,omitempty"`
	// NextDue is the earliest moment a record can fall due, absent when there is none.
	// +optional
	NextDue *metav1.Time `json:"nextDue,omitempty"`
	// Held is the number of holds on records: restrictions (Art. 18 GDPR) and abuse cases.
	// +optional
	Held *int64 `json:"held,omitempty"`
}

// BackupStatus is what lies at the stores.
type BackupStatus struct {
	// Last is the snapshot start of the newest backup that lies at as many stores as the tenant asks copies of.
	// +optional
	Last *metav1.Time `json:"last,omitempty"`
	// Oldest is the snapshot start of the oldest version at any store.
	// +optional
	Oldest *metav1.Time `json:"oldest,omitempty"`
	// LastRestorable is the newest backup that was shown to be restorable.
	// +optional
	LastRestorable *RestorableEvidence `json:"lastRestorable,omitempty"`
	// Stores as last listed.
	// +optional
	// +listType=map
	// +listMapKey=name
	Stores []BackupStoreEvidence `json:"stores,omitempty"`
}

// RestoreProof is how a backup was shown to be restorable.
type RestoreProof string

// RestoreProofListed means that the copy was read back from a store, decrypted to its last byte by an identity that
// lived in the job's memory only, and listed by pg_restore, which found tables with rows in it.
const RestoreProofListed RestoreProof = "Listed"

// RestorableEvidence is what the manifest at a store says of a backup that was read back from one.
type RestorableEvidence struct {
	// Snapshot start of the backup.
	Snapshot metav1.Time `json:"snapshot"`
	// ShownAt is when it was shown, by the clock of the backup's job.
	// +optional
	ShownAt *metav1.Time `json:"shownAt,omitempty"`
	// Shown is what was shown.
	Shown RestoreProof `json:"shown"`
	// Tables whose rows were found.
	// +optional
	Tables int32 `json:"tables,omitempty"`
	// Store whose copy was read back.
	Store string `json:"store"`
}

// LockMode is the mode of an object lock, as the store names it.
type LockMode string

// Lock modes. Only COMPLIANCE keeps a copy from the store's own administrator.
const (
	LockModeCompliance LockMode = "COMPLIANCE"
	LockModeGovernance LockMode = "GOVERNANCE"
	// LockModeNone means the store shows no lock.
	LockModeNone LockMode = "NONE"
)

// BackupStoreEvidence is the listing of one store.
type BackupStoreEvidence struct {
	// Name of the store.
	Name string `json:"name"`
	// MeasuredAt is when the store was listed.
	// +optional
	MeasuredAt *metav1.Time `json:"measuredAt,omitempty"`
	// Newest snapshot start at the store.
	// +optional
	Newest *metav1.Time `json:"newest,omitempty"`
	// Oldest snapshot start at the store, over every version.
	// +optional
	Oldest *metav1.Time `json:"oldest,omitempty"`
	// Backups that can be read at the store.
	// +optional
	Backups int32 `json:"backups,omitempty"`
	// Lock the store shows on its newest backup; absent while it was not read.
	// +optional
	Lock LockMode `json:"lock,omitempty"`
	// LockedUntil is when that lock ends.
	// +optional
	LockedUntil *metav1.Time `json:"lockedUntil,omitempty"`
	// LockReadAt is when the lock was read.
	// +optional
	LockReadAt *metav1.Time `json:"lockReadAt,omitempty"`
}

// BookingTenant is one booking instance whose place and periods are enforced and measured.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bt,categories=termintreu
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="keep the name of a BookingTenant to 40 characters: names of its jobs are made from it"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.offboarding) || has(self.spec.offboarding) && self.spec.offboarding == oldSelf.spec.offboarding",message="the contract has ended: spec.offboarding can no longer be changed or taken back; go on in a new tenant"
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.regionRef.name`
// +kubebuilder:printcolumn:name="Policy",type=string,JSONPath=`.spec.retentionPolicyRef.name`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Compliant",type=string,JSONPath=`.status.conditions[?(@.type=="Compliant")].status`
// +kubebuilder:printcolumn:name="Overdue",type=integer,JSONPath=`.status.retention.overdue`
// +kubebuilder:printcolumn:name="Last-Backup",type=date,JSONPath=`.status.backup.last`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.url`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Valid-Until",type=string,priority=1,JSONPath=`.status.compliance.validUntil`
// +kubebuilder:printcolumn:name="Why",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Compliant")].message`
type BookingTenant struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec declares the instance.
	Spec BookingTenantSpec `json:"spec"`
	// Status is what was measured.
	// +optional
	Status BookingTenantStatus `json:"status,omitempty"`
}

// BookingTenantList is a list of BookingTenants.
//
// +kubebuilder:object:root=true
type BookingTenantList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BookingTenant `json:"items"`
}
