// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Date is a calendar day, written as YYYY-MM-DD.
//
// +kubebuilder:validation:MaxLength=10
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$')",message="write a date as YYYY-MM-DD, such as 2026-05-31"
type Date string

// CountryCode is an ISO 3166-1 alpha-2 code, such as CH.
//
// +kubebuilder:validation:MaxLength=2
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z]{2}$')",message="write a country as its two-letter ISO 3166-1 code in capitals, such as CH, DE or SE"
type CountryCode string

// CIDR is a network address range, such as 192.0.2.0/24.
//
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="write an address range in CIDR notation, such as 192.0.2.10/32"
type CIDR string

// Schedule is a cron expression with five fields, handed to a CronJob as it is written.
//
// +kubebuilder:validation:MaxLength=100
// +kubebuilder:validation:XValidation:rule="self.matches('^(@(hourly|daily|midnight|weekly)|[0-9A-Za-z*/,?-]+( +[0-9A-Za-z*/,?-]+){4})$')",message="write a schedule as five cron fields (minute hour day month weekday), such as '15 2 * * *', without TZ=: the time zone has a field of its own"
type Schedule string

// LocalizedText is a text in several languages, keyed by BCP 47 language tag.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=8
// +kubebuilder:validation:XValidation:rule="self.all(tag, tag.matches('^[a-z]{2}$') && self[tag].size() > 0 && self[tag].size() <= 400)",message="key each text by a two-letter language tag, such as de or en, and leave none empty"
type LocalizedText map[string]string

// PostalAddress is where a letter reaches somebody.
type PostalAddress struct {
	// Street and house number, or post-office box.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=120
	Street string `json:"street"`
	// PostalCode in the form usual in the country.
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=12
	PostalCode string `json:"postalCode"`
	// City or town.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=80
	City string `json:"city"`
	// Country of the address.
	Country CountryCode `json:"country"`
}

// Certificate is evidence somebody else gave, such as a certification under Art. 42 GDPR, ISO/IEC 27001 or BSI C5 (D3).
type Certificate struct {
	// Kind of the certificate, such as "ISO/IEC 27001", "BSI C5" or "Art. 42 GDPR".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=60
	Kind string `json:"kind"`
	// Scope names what was certified.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	Scope string `json:"scope,omitempty"`
	// Issuer of the certificate.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=120
	Issuer string `json:"issuer"`
	// ValidUntil is the last day the certificate is valid.
	ValidUntil Date `json:"validUntil"`
	// DocumentSHA256 is the SHA-256 of the certificate's document, in lower-case hexadecimal digits.
	// +optional
	DocumentSHA256 *SHA256 `json:"documentSHA256,omitempty"`
}

// SHA256 is a digest in lower-case hexadecimal digits.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="write a SHA-256 digest as 64 lower-case hexadecimal digits, as sha256sum prints it"
type SHA256 string

// Processor is a company that handles personal data on the authority's behalf (Art. 28 GDPR): who it is, where it
// sits, where it works, and how long it may keep anything (D1, D2, A12).
type Processor struct {
	// Name of the processor.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=120
	Name string `json:"name"`
	// Seat is the country the processor is established in.
	Seat CountryCode `json:"seat"`
	// UltimateOperator is the company beneath the processor that runs the machines, when it is another one.
	// +optional
	// +kubebuilder:validation:MaxLength=120
	UltimateOperator string `json:"ultimateOperator,omitempty"`
	// Country the data is processed in here.
	Country CountryCode `json:"country"`
	// Site the data is processed at, such as a city or data centre.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=120
	Site string `json:"site"`
	// AlsoProcessesIn lists further countries the processor processes or accesses the data from.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=40
	AlsoProcessesIn []CountryCode `json:"alsoProcessesIn,omitempty"`
	// MaximumPeriod is the longest the processor may hold personal data, live and in backups together. A
	// RetentionPolicy that needs longer is refused for tenants of this region (D6).
	// +optional
	MaximumPeriod *Period `json:"maximumPeriod,omitempty"`
	// Certificates the processor holds.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Certificates []Certificate `json:"certificates,omitempty"`
}

// ObjectReference names a cluster-scoped object.
type ObjectReference struct {
	// Name of the object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
}

// SecretReference names a Secret in the namespace the field's description says.
type SecretReference struct {
	// Name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// EvidenceSource tells whether a fact was looked at or written down.
//
// +kubebuilder:validation:Enum=Observed;Declared
type EvidenceSource string

const (
	// EvidenceObserved means the operator looked.
	EvidenceObserved EvidenceSource = "Observed"
	// EvidenceDeclared means somebody wrote it down; it suffices only for what nobody can observe from the cluster.
	EvidenceDeclared EvidenceSource = "Declared"
)

// ComplianceStatus is the verdict and how long it stands.
type ComplianceStatus struct {
	// CheckedAt is when the verdict was reached.
	// +optional
	CheckedAt *metav1.Time `json:"checkedAt,omitempty"`
	// ValidUntil is when the oldest evidence behind the verdict goes stale. Later than that, every reader must take
	// the compliance conditions as Unknown, whatever they say.
	// +optional
	ValidUntil *metav1.Time `json:"validUntil,omitempty"`
}
