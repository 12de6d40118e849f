// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// RestoreFinalizer keeps a TenantRestore until its quarantine is gone and the application let in again.
	RestoreFinalizer = "booking.termintreu.dev/quarantine"
	// AnnotationAnswer holds what `termintreu restore answer` printed. It is encrypted to the restore's one-time
	// recipient, so that whoever reads it learns nothing.
	AnnotationAnswer = "booking.termintreu.dev/answer"
)

// RestoreStep is how far a restore has come.
//
// +kubebuilder:validation:Enum=Preparing;Fetching;WaitingForKey;Loading;Purging;Replaying;Proven;Swapped
type RestoreStep string

// Steps of a restore, in their order.
const (
	// RestorePreparing locks the application out and makes the quarantine.
	RestorePreparing RestoreStep = "Preparing"
	// RestoreFetching looks for the backup and the erasure journal at the stores.
	RestoreFetching RestoreStep = "Fetching"
	// RestoreWaitingForKey waits until the holder of the recovery key has answered status.challenge.
	RestoreWaitingForKey RestoreStep = "WaitingForKey"
	// RestoreLoading puts the backup's rows into the quarantine.
	RestoreLoading RestoreStep = "Loading"
	// RestorePurging deletes what has fallen due since the backup was taken.
	RestorePurging RestoreStep = "Purging"
	// RestoreReplaying erases again whoever the erasure journal names.
	RestoreReplaying RestoreStep = "Replaying"
	// RestoreProven has counted that nothing is overdue and nobody of the journal is there.
	RestoreProven RestoreStep = "Proven"
	// RestoreSwapped has put the restored schema in the place of the one before.
	RestoreSwapped RestoreStep = "Swapped"
)

// TenantRestoreSpec says what to bring back. It cannot change: make another TenantRestore.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a restore cannot be changed once it was asked for: delete it and make another"
type TenantRestoreSpec struct {
	// TenantRef names the BookingTenant, in the same namespace, whose data is replaced by that of its backup.
	TenantRef ObjectReference `json:"tenantRef"`
	// Store of the region the backup must come from; the first that has it whole, when empty.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Store string `json:"store,omitempty"`
	// At is the moment to go back to: the newest backup whose snapshot began by then. Absent means the newest.
	// +optional
	At *metav1.Time `json:"at,omitempty"`
	// IdentitySecretRef names a Secret of the same namespace whose key "identity" holds an age secret key, as
	// age-keygen writes it. It is the weaker way, since the key is then in the cluster. Without it, the holder of the
	// key answers status.challenge offline.
	// +optional
	IdentitySecretRef *ObjectReference `json:"identitySecretRef,omitempty"`
	// WithoutJournalOf names stores whose erasure journal may be missing, such as one that is lost for good. Whoever
	// was erased and is journalled there alone comes back.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	WithoutJournalOf []string `json:"withoutJournalOf,omitempty"`
}

// TenantRestoreStatus is how far the restore has come, and its proof.
type TenantRestoreStatus struct {
	// ObservedGeneration is the generation the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions Ready, Reconciling and Stalled follow kstatus. A restore that is Stalled has failed, left the data in
	// use as it was, and is not tried again.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Step the restore is at.
	// +optional
	Step RestoreStep `json:"step,omitempty"`
	// Rows loaded so far.
	// +optional
	Rows int64 `json:"rows,omitempty"`
	// Challenge to answer with `termintreu restore answer` while the step is WaitingForKey. It holds nothing secret.
	// +optional
	Challenge string `json:"challenge,omitempty"`
	// StartedAt is when the restore began, by the operator's clock.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// FinishedAt is when it ended, well or not, by the operator's clock.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Result is the proof, once there is one.
	// +optional
	Result *RestoreResult `json:"result,omitempty"`
}

// RestoreResult is what was restored and what was counted afterwards.
type RestoreResult struct {
	// SnapshotStart of the backup.
	SnapshotStart metav1.Time `json:"snapshotStart"`
	// Store it was read from.
	Store string `json:"store"`
	// SHA256 (hex) of the encrypted backup.
	SHA256 string `json:"sha256"`
	// Rows loaded.
	Rows int64 `json:"rows"`
	// Purged records: past their period since the backup was taken.
	Purged int64 `json:"purged"`
	// Erased records: found in the backup although somebody had asked for their erasure.
	Erased int64 `json:"erased"`
	// JournalEntries that were replayed.
	JournalEntries int64 `json:"journalEntries"`
	// Overdue records counted afterwards.
	Overdue int64 `json:"overdue"`
	// JournalHits counted afterwards.
	JournalHits int64 `json:"journalHits"`
	// KeyProvenFor is a digest of the tenant's recipients when the holder of the recovery key answered offline; empty
	// when the key was read from a Secret.
	// +optional
	KeyProvenFor string `json:"keyProvenFor,omitempty"`
	// Seconds from the first byte to the proof, without waiting for the key.
	Seconds int64 `json:"seconds"`
}

// TenantRestore brings a tenant's backup back, without whoever was erased or has fallen due since it was taken.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=tr,categories=termintreu
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.spec.tenantRef.name`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Snapshot",type=string,JSONPath=`.status.result.snapshotStart`
// +kubebuilder:printcolumn:name="Erased",type=integer,JSONPath=`.status.result.erased`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Why",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type TenantRestore struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what to bring back.
	Spec TenantRestoreSpec `json:"spec"`
	// Status is how far it has come.
	// +optional
	Status TenantRestoreStatus `json:"status,omitempty"`
}

// TenantRestoreList is a list of TenantRestores.
//
// +kubebuilder:object:root=true
type TenantRestoreList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TenantRestore `json:"items"`
}
