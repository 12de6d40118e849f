// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	// Import is how far spec.bootstrap.import has come; absent without it.
	// +optional
	Import *ImportStatus `json:"import,omitempty"`
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
	// Erasures citizens asked for that are hidden and wait for a store to have their journal.
	// +optional
	Erasures *ErasureEvidence `json:"erasures,omitempty"`
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

// ErasureEvidence counts erasures on request (Art. 17 GDPR).
type ErasureEvidence struct {
	// Waiting erasures; what is to be erased is hidden already.
	Waiting int64 `json:"waiting"`
	// Overdue ones wait for longer than the newest backup may be old.
	Overdue int64 `json:"overdue"`
	// Oldest is when the first of them was asked for.
	// +optional
	Oldest *metav1.Time `json:"oldest,omitempty"`
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
	// Archived is what was handed over; absent where no rule hands over.
	// +optional
	Archived *ArchivedEvidence `json:"archived,omitempty"`
}

// ArchivedEvidence is what the receipts say of a category that is handed over. Each receipt was taken once every archive
// had shown the record, its SHA-256, its lock and the lock's end.
type ArchivedEvidence struct {
	// Records the archives hold.
	// +optional
	Records *int64 `json:"records,omitempty"`
	// LastRun is when the last record was handed over.
	// +optional
	LastRun *metav1.Time `json:"lastRun,omitempty"`
	// Until is when the last of them may go.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// Failure of the last record that was not handed over: the archive's name and the class of the error.
	// +optional
	// +kubebuilder:validation:MaxLength=82
	Failure string `json:"failure,omitempty"`
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
	// RestoreTest is the last restore of a backup into a scratch schema that came out equal, table by table.
	// +optional
	RestoreTest *RestoreTestEvidence `json:"restoreTest,omitempty"`
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

// RestoreTestEvidence is what the database remembers of the restores on trial the backup's job made in it.
type RestoreTestEvidence struct {
	// At is when a restored backup was last found equal to what it was taken from; absent when none ever was.
	// +optional
	At *metav1.Time `json:"at,omitempty"`
	// Snapshot start of that backup.
	// +optional
	Snapshot *metav1.Time `json:"snapshot,omitempty"`
	// Tables that were compared.
	// +optional
	Tables int32 `json:"tables,omitempty"`
	// Rows that were compared.
	// +optional
	Rows int64 `json:"rows,omitempty"`
	// Differing is how many tables of the last trial of all were not equal.
	// +optional
	Differing int32 `json:"differing,omitempty"`
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
