// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Bootstrap is what a new tenant begins with.
type Bootstrap struct {
	// Import takes in what the authority brings from another place, before the site takes its first booking (D4).
	Import ImportSpec `json:"import"`
}

// ImportSpec names an export as `spec.offboarding` writes one. Somebody who may write to the store puts it there, under
// the prefix of the new tenant and with the name it had; status.import says where it is waited for.
type ImportSpec struct {
	// File is the name of the export: what stands behind the slash in status.offboarding.export.objects of the old place.
	File ExportFile `json:"file"`
	// SHA256 of the file, as status.offboarding.export.objects of the old place gives it. Another file is not taken in.
	SHA256 SHA256 `json:"sha256"`
	// Store of the region the export is put at. Defaults to the first the tenant has backups at.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Store string `json:"store,omitempty"`
	// IdentitySecretRef names a Secret of the same namespace whose key "identity" holds the age secret key the export
	// opens with, as age-keygen writes it. It is the weaker way, since the key is then in the cluster. Without it, the
	// holder of the key answers status.import.challenge offline.
	// +optional
	IdentitySecretRef *ObjectReference `json:"identitySecretRef,omitempty"`
}

// ExportFile is the name of an export at a store.
//
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{8}T[0-9]{6}Z[.]export(-[1-9][0-9]?)?[.]tar[.]zst[.]age$')",message="keep the name the export had at the old place, without what stands before its slash, such as 20991231T230000Z.export.tar.zst.age"
type ExportFile string

// ImportStatus is how far the import of a new tenant has come, and its proof.
type ImportStatus struct {
	// Store and Key tell where the export must lie.
	// +optional
	Store string `json:"store,omitempty"`
	// Key of the export at the store.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Key string `json:"key,omitempty"`
	// Step the import is at; absent while the export is waited for. Purging comes after the records were read back the
	// same, and Swapped is the end.
	// +optional
	Step RestoreStep `json:"step,omitempty"`
	// Challenge to answer with `termintreu restore answer` while the step is WaitingForKey. It holds nothing secret.
	// +optional
	Challenge string `json:"challenge,omitempty"`
	// Failure is why the last attempt ended without anything taken in.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Failure string `json:"failure,omitempty"`
	// StartedAt is when the last attempt began, by the operator's clock.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// FinishedAt is when the site was given what was taken in. From then on it never runs again.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Result is the proof, once there is one.
	// +optional
	Result *ImportResult `json:"result,omitempty"`
}

// ImportResult is what was taken in and what was counted.
type ImportResult struct {
	// SHA256 of the encrypted file that was read to its end.
	SHA256 SHA256 `json:"sha256"`
	// Size of that file in bytes.
	Size int64 `json:"size"`
	// Records that were stored and read back: as many, entity by entity, and with the same digest as the export has.
	Records int64 `json:"records"`
	// Purged of them before the site served: past their period by then.
	Purged int64 `json:"purged"`
	// Overdue records counted afterwards.
	Overdue int64 `json:"overdue"`
	// Seconds from the first byte to the proof, without waiting for the key.
	Seconds int64 `json:"seconds"`
}
