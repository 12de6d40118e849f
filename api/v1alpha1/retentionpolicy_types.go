// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Category is a kind of personal data with a rule of its own.
//
// +kubebuilder:validation:Enum=Hold;UnconfirmedBooking;Contact;Appointment;Message;Attachment;AccessLog;AbuseCase;SessionAddress;SessionMetadata;SignatureBiometrics;Consent;AuditLog;ErasureJournal;MailOutbox;TenantData
type Category string

// The categories of requirements.md; a policy may rule any of them, and must rule those the schema stores.
const (
	CategoryHold                Category = "Hold"
	CategoryUnconfirmedBooking  Category = "UnconfirmedBooking"
	CategoryContact             Category = "Contact"
	CategoryAppointment         Category = "Appointment"
	CategoryMessage             Category = "Message"
	CategoryAttachment          Category = "Attachment"
	CategoryAccessLog           Category = "AccessLog"
	CategoryAbuseCase           Category = "AbuseCase"
	CategorySessionAddress      Category = "SessionAddress"
	CategorySessionMetadata     Category = "SessionMetadata"
	CategorySignatureBiometrics Category = "SignatureBiometrics"
	CategoryConsent             Category = "Consent"
	CategoryAuditLog            Category = "AuditLog"
	CategoryErasureJournal      Category = "ErasureJournal"
	CategoryMailOutbox          Category = "MailOutbox"
	CategoryTenantData          Category = "TenantData"
)

// StartEvent is what starts a period running (DIN 66398: Startzeitpunkt).
//
// +kubebuilder:validation:Enum=Creation;AppointmentEnd;CaseOpened;Signing;Withdrawal;Erasure;Sent;ContractEnd
type StartEvent string

// Start events of periods.
const (
	// StartCreation is the moment the record was stored; for sessions, their set-up.
	StartCreation StartEvent = "Creation"
	// StartAppointmentEnd is the end of the appointment, or its cancellation when that is earlier.
	StartAppointmentEnd StartEvent = "AppointmentEnd"
	StartCaseOpened     StartEvent = "CaseOpened"
	StartSigning        StartEvent = "Signing"
	// StartWithdrawal is the withdrawal of a consent or the end of its purpose.
	StartWithdrawal StartEvent = "Withdrawal"
	StartErasure    StartEvent = "Erasure"
	// StartSent is the sending of a message, or its last failure.
	StartSent StartEvent = "Sent"
	// StartContractEnd is the deletion of the BookingTenant.
	StartContractEnd StartEvent = "ContractEnd"
)

// Action is what happens to a record at the end of its period.
//
// +kubebuilder:validation:Enum=Delete;Anonymize;Strip;Archive
type Action string

// Actions at the end of a period.
const (
	// ActionDelete removes the record.
	ActionDelete Action = "Delete"
	// ActionAnonymize removes the record and keeps a count that no person can be recognised in.
	ActionAnonymize Action = "Anonymize"
	// ActionStrip removes the personal fields of a record and keeps the rest.
	ActionStrip Action = "Strip"
	// ActionArchive hands the record over to the region's archives, encrypted and locked until a date of its own, and
	// deletes it once each of them has shown it (T8).
	ActionArchive Action = "Archive"
)

// RetentionRule is one rule of a deletion concept: what, from when, how long, then what; and who answers for it.
//
// +kubebuilder:validation:XValidation:rule="!(self.category in ['Hold','UnconfirmedBooking','AccessLog','SessionAddress','SessionMetadata','AuditLog']) || self.startEvent == 'Creation'",message="this category starts at its creation: set startEvent to Creation"
// +kubebuilder:validation:XValidation:rule="!(self.category in ['Contact','Appointment','Message','Attachment']) || self.startEvent == 'AppointmentEnd'",message="this category starts when the appointment ends or is cancelled: set startEvent to AppointmentEnd"
// +kubebuilder:validation:XValidation:rule="self.category != 'MailOutbox' || self.startEvent == 'Sent'",message="mail starts when it was sent or has failed: set startEvent to Sent"
// +kubebuilder:validation:XValidation:rule="self.category != 'TenantData' || self.startEvent == 'ContractEnd'",message="what a tenant leaves behind starts when its contract ends: set startEvent to ContractEnd"
// +kubebuilder:validation:XValidation:rule="self.action != 'Anonymize' || self.category in ['Appointment','SessionAddress']",message="only appointments (to counts) and session addresses are anonymised: use Delete, or Strip for access logs"
// +kubebuilder:validation:XValidation:rule="self.action != 'Archive' || self.category in ['Message','Attachment','Consent']",message="only documents are handed over to an archive, which are Message, Attachment and Consent: use Delete, or Anonymize for appointments"
// +kubebuilder:validation:XValidation:rule="(self.action == 'Archive') == has(self.archive)",message="say in archive how long the archive keeps what it is handed and what law asks for it, and do so for the action Archive alone"
// +kubebuilder:validation:XValidation:rule="!has(self.archive) || int(self.archive.period.substring(0, self.archive.period.size() - 1)) * (self.archive.period.endsWith('d') ? 1440 : self.archive.period.endsWith('h') ? 60 : 1) > int(self.period.substring(0, self.period.size() - 1)) * (self.period.endsWith('d') ? 1440 : self.period.endsWith('h') ? 60 : 1)",message="archive.period counts from the same start event as period: make it longer than that, or use Delete, since nothing would be left to archive"
// +kubebuilder:validation:XValidation:rule="self.category != 'AbuseCase' || self.startEvent == 'CaseOpened'",message="an abuse case starts when it is opened: set startEvent to CaseOpened"
// +kubebuilder:validation:XValidation:rule="self.category != 'SignatureBiometrics' || self.startEvent == 'Signing'",message="signature data starts at the signing: set startEvent to Signing"
// +kubebuilder:validation:XValidation:rule="self.category != 'Consent' || self.startEvent == 'Withdrawal'",message="a consent starts when it is withdrawn or its purpose has ended: set startEvent to Withdrawal"
// +kubebuilder:validation:XValidation:rule="self.category != 'ErasureJournal' || self.startEvent == 'Erasure'",message="the erasure journal starts at the erasure: set startEvent to Erasure"
// +kubebuilder:validation:XValidation:rule="self.action != 'Strip' || self.category == 'AccessLog'",message="only access logs are stripped: use Delete, or Anonymize for appointments"
type RetentionRule struct {
	// Category the rule is for.
	Category Category `json:"category"`
	// StartEvent starts the period.
	StartEvent StartEvent `json:"startEvent"`
	// Period from the start event to the action.
	Period Period `json:"period"`
	// Action at the end of the period.
	Action Action `json:"action"`
	// Archive says how long the archive keeps what it is handed; for the action Archive alone.
	// +optional
	Archive *ArchiveRule `json:"archive,omitempty"`
	// DeletionClass of DIN 66398, such as "KS-30": period and start in the authority's own scheme.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	DeletionClass string `json:"deletionClass"`
	// Justification of the period.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=500
	Justification string `json:"justification"`
	// Responsible role for the rule, not a person's name.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=120
	Responsible string `json:"responsible"`
	// ApprovedOn is the day the rule was approved.
	ApprovedOn Date `json:"approvedOn"`
}

// ArchiveRule is what the law asks of an archive (T8).
type ArchiveRule struct {
	// Period from the rule's start event until the archive's lock on the record ends. What is in an archive already
	// keeps the end it was locked with.
	Period Period `json:"period"`
	// LegalBasis of the period, as the privacy notice cites it, such as "§ 147 Abs. 3 AO".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	LegalBasis string `json:"legalBasis"`
}

// RetentionPolicySpec is a deletion concept after DIN 66398 and ISO/IEC 27555 that many tenants share.
//
// +kubebuilder:validation:XValidation:rule="['Hold','UnconfirmedBooking','Contact','Appointment','MailOutbox','TenantData'].all(c, self.rules.exists(r, r.category == c))",message="give a rule for each category an instance stores: Hold, UnconfirmedBooking, Contact, Appointment, MailOutbox and TenantData"
// +kubebuilder:validation:XValidation:rule="self.rules.all(n, oldSelf.rules.all(o, o.category != n.category || int(n.period.substring(0, n.period.size() - 1)) * (n.period.endsWith('d') ? 1440 : n.period.endsWith('h') ? 60 : 1) <= int(o.period.substring(0, o.period.size() - 1)) * (o.period.endsWith('d') ? 1440 : o.period.endsWith('h') ? 60 : 1))) || (has(self.changeReason) && (!has(oldSelf.changeReason) || self.changeReason != oldSelf.changeReason))",message="a period may be lengthened only for a stated reason: write a new spec.changeReason; what was collected before keeps the shorter period"
type RetentionPolicySpec struct {
	// Regime is the data protection law the concept is written under, such as "GDPR" or "IDG BS" (B8).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=60
	Regime string `json:"regime"`
	// LegalBasis of the processing, as the privacy notice cites it, such as "§ 9 IDG (SG 153.260)".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	LegalBasis string `json:"legalBasis"`
	// Rules, one a category. A category without a rule is not stored.
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Rules []RetentionRule `json:"rules"`
	// Backup rules the copies.
	Backup BackupRule `json:"backup"`
	// Enforcement says when records are purged.
	Enforcement Enforcement `json:"enforcement"`
	// Tolerance is how long after its period a record may still be there before it counts as overdue: at least the
	// longest gap between two purges.
	Tolerance Period `json:"tolerance"`
	// ChangeReason says why a period was lengthened; lengthening one without a new reason is refused. It never applies
	// to what was collected under the shorter period.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=500
	ChangeReason string `json:"changeReason,omitempty"`
	// Suspension pauses deletion for a stated reason and until a date only. While it lasts, every tenant of the policy
	// shows RetentionEnforced False.
	// +optional
	Suspension *Suspension `json:"suspension,omitempty"`
}

// Suspension of deletion, which goes on by itself at its end.
type Suspension struct {
	// Reason of the pause, such as a court's order.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=500
	Reason string `json:"reason"`
	// Until is the last moment of the pause.
	Until metav1.Time `json:"until"`
}

// DefaultRestoreTestEvery is how often a restore is tried where a policy says nothing.
const DefaultRestoreTestEvery Period = "7d"

// BackupRule is the period of backups.
type BackupRule struct {
	// Period from the start of the snapshot until every version of the backup is gone from every store.
	Period Period `json:"period"`
	// MaximumAge is the oldest the newest backup may be before it counts as missing. An erasure on request waits no
	// longer for its journal to lie at a store, which a backup brings there; one that does is overdue.
	MaximumAge Period `json:"maximumAge"`
	// RestoreTestEvery is how often a backup is restored into a scratch schema and compared, table by table, with what it
	// was taken from. A proof that is older, by more than a backup may be, proves nothing any more.
	// +optional
	// +kubebuilder:default="7d"
	RestoreTestEvery Period `json:"restoreTestEvery,omitempty"`
	// DeletionClass of DIN 66398.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	DeletionClass string `json:"deletionClass"`
	// Justification of the period.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=500
	Justification string `json:"justification"`
}

// Enforcement is when the purge runs.
type Enforcement struct {
	// Schedule of the purge.
	Schedule Schedule `json:"schedule"`
	// TimeZone of the schedule, an IANA name.
	// +optional
	// +kubebuilder:default="Etc/UTC"
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
	// RewriteStorageEvery asks the purge to write the tables anew when the last rewrite is older, so that the bytes of
	// deleted records are in no file of the database any more. Bookings wait while a table is written.
	// +optional
	RewriteStorageEvery *Period `json:"rewriteStorageEvery,omitempty"`
}

// MaxPolicyHistory is how many changes of a policy its status remembers.
const MaxPolicyHistory = 20

// PolicyChange is one change of one period.
type PolicyChange struct {
	// At is when the operator saw the change.
	At metav1.Time `json:"at"`
	// Generation of the policy that brought it.
	Generation int64 `json:"generation"`
	// Category the rule is for; empty for the period of backups.
	// +optional
	Category Category `json:"category,omitempty"`
	// From is the period before; empty when the rule is new.
	// +optional
	From Period `json:"from,omitempty"`
	// To is the period after; empty when the rule is gone.
	// +optional
	To Period `json:"to,omitempty"`
	// Reason is spec.changeReason at the time of a longer period.
	// +optional
	Reason string `json:"reason,omitempty"`
}

// PolicyPeriod is a period as the operator last saw it.
type PolicyPeriod struct {
	// Category the rule is for.
	Category Category `json:"category"`
	// Period of the rule.
	Period Period `json:"period"`
}

// RetentionPolicyStatus tells who uses the policy.
type RetentionPolicyStatus struct {
	// ObservedGeneration is the generation the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the policy: Ready, Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Tenants that refer to the policy.
	// +optional
	Tenants *int32 `json:"tenants,omitempty"`
	// Periods as the operator last saw them.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=16
	Periods []PolicyPeriod `json:"periods,omitempty"`
	// History of changed periods, newest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	History []PolicyChange `json:"history,omitempty"`
}

// RetentionPolicy is a deletion concept; many tenants share one, and none can weaken it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=rp,categories=termintreu
// +kubebuilder:printcolumn:name="Regime",type=string,JSONPath=`.spec.regime`
// +kubebuilder:printcolumn:name="Contact",type=string,JSONPath=`.spec.rules[?(@.category=="Contact")].period`
// +kubebuilder:printcolumn:name="Backup",type=string,JSONPath=`.spec.backup.period`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Tenants",type=integer,JSONPath=`.status.tenants`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type RetentionPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the deletion concept.
	Spec RetentionPolicySpec `json:"spec"`
	// Status tells who uses it.
	// +optional
	Status RetentionPolicyStatus `json:"status,omitempty"`
}

// RetentionPolicyList is a list of RetentionPolicies.
//
// +kubebuilder:object:root=true
type RetentionPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []RetentionPolicy `json:"items"`
}
