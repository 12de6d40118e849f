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
// +kubebuilder:validation:XValidation:rule="has(self.bootstrap) == has(oldSelf.bootstrap)",message="spec.bootstrap is what a tenant begins with, so it can be neither added nor removed later: create another BookingTenant with it, or without it"
// +kubebuilder:validation:XValidation:rule="self.catalogue.offices.all(o, self.controllers.exists(c, c.name == o.controller))",message="every office must name one of spec.controllers in its controller field"
// +kubebuilder:validation:XValidation:rule="self.catalogue.services.all(s, self.locales.all(l, l in s.displayName))",message="give every service a displayName in each of spec.locales"
// +kubebuilder:validation:XValidation:rule="self.catalogue.services.all(s, !has(s.consents) || s.consents.all(c, self.locales.all(l, l in c.text)))",message="give every consent of a service its text in each of spec.locales: nobody can agree to what they cannot read"
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
	// Bootstrap is what a new tenant begins with. It can be mended until it is done.
	// +optional
	Bootstrap *Bootstrap `json:"bootstrap,omitempty"`
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
	// Challenge is what holding a time costs a browser, against bookings by machines; nothing when absent.
	// +optional
	Challenge Challenge `json:"challenge,omitempty"`
	// Resources of each replica.
	// +optional
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
}

// Challenge is what holding a time costs a browser.
//
// +kubebuilder:validation:Enum=ProofOfWork
type Challenge string

// ChallengeProofOfWork has the browser do a moment's work, by a script of the site's own; without JavaScript the citizen
// waits a few seconds instead. Nobody else is asked and nothing is stored in the browser.
const ChallengeProofOfWork Challenge = "ProofOfWork"

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

// BookingTenant is one booking instance whose place and periods are enforced and measured.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bt,categories=termintreu
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="keep the name of a BookingTenant to 40 characters: names of its jobs are made from it"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.offboarding) || has(self.spec.offboarding) && self.spec.offboarding == oldSelf.spec.offboarding",message="the contract has ended: spec.offboarding can no longer be changed or taken back; go on in a new tenant"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.import) || !has(oldSelf.status.import.finishedAt) || !has(self.spec.bootstrap) || !has(oldSelf.spec.bootstrap) || self.spec.bootstrap == oldSelf.spec.bootstrap",message="the import is done and never runs again, so spec.bootstrap can no longer be changed: import into another BookingTenant"
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
