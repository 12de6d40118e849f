// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DeletionCertificateSpec is what was to be deleted, written down before the first of it was.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a certificate tells what was; it cannot be changed"
type DeletionCertificateSpec struct {
	// Tenant whose data it was.
	Tenant TenantIdentity `json:"tenant"`
	// DataID was the opaque name of the data: its schema, roles and prefix at the stores.
	// +kubebuilder:validation:MaxLength=63
	DataID string `json:"dataID"`
	// Region the data lay in.
	// +kubebuilder:validation:MaxLength=253
	Region string `json:"region"`
	// Server and Database that held the schema.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Server string `json:"server,omitempty"`
	// Database that held the schema.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Database string `json:"database,omitempty"`
	// Controllers (Art. 4(7) GDPR) of the data.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Controllers []string `json:"controllers,omitempty"`
	// ContractEnd is when the contract ended.
	// +optional
	ContractEnd *metav1.Time `json:"contractEnd,omitempty"`
	// Export that was made for the authority, as its Job read it back.
	// +optional
	Export *ExportRecord `json:"export,omitempty"`
	// CountedAt is when the records were counted; absent when nobody could count them.
	// +optional
	CountedAt *metav1.Time `json:"countedAt,omitempty"`
	// Records per category as last counted.
	// +optional
	// +listType=map
	// +listMapKey=category
	Records []RecordCount `json:"records,omitempty"`
	// Archived are the records that were handed over to archives, by the receipts that let them be deleted.
	// +optional
	// +listType=map
	// +listMapKey=category
	// +kubebuilder:validation:MaxItems=16
	Archived []ArchivedCount `json:"archived,omitempty"`
}

// ArchivedCount is how many records of a category archives hold, and until when.
type ArchivedCount struct {
	// Category of the records.
	Category Category `json:"category"`
	// Count of the records.
	Count int64 `json:"count"`
	// Archives of the region that hold them, by name.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4
	Archives []string `json:"archives,omitempty"`
	// Until is when the last of their locks ends.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// TenantIdentity tells a BookingTenant from one of the same name that came after it.
type TenantIdentity struct {
	// Namespace of the BookingTenant.
	Namespace string `json:"namespace"`
	// Name of the BookingTenant.
	Name string `json:"name"`
	// UID of the BookingTenant.
	UID string `json:"uid"`
}

// RecordCount is how many records of a category there were.
type RecordCount struct {
	// Category of the records.
	Category Category `json:"category"`
	// Count of the records.
	Count int64 `json:"count"`
}

// DeletionCertificateStatus is what was deleted, and what remains.
type DeletionCertificateStatus struct {
	// Conditions: Issued once the deletion was verified and signed, Complete once no store holds a version of a backup
	// or an export any longer.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Sequence of the certificate among those of this cluster, counted from 1.
	// +optional
	Sequence *int64 `json:"sequence,omitempty"`
	// DeletedAt is when schema and roles were read back absent.
	// +optional
	DeletedAt *metav1.Time `json:"deletedAt,omitempty"`
	// KeyID is the SHA-256 (hex) of the public key in DER.
	// +optional
	KeyID string `json:"keyID,omitempty"`
	// Deletion is the signed statement.
	// +optional
	Deletion *SignedStatement `json:"deletion,omitempty"`
	// Completion is the signed statement that the backups are gone too.
	// +optional
	Completion *SignedStatement `json:"completion,omitempty"`
	// Backups that remained when the schema was gone, exports included.
	// +optional
	// +listType=map
	// +listMapKey=store
	// +kubebuilder:validation:MaxItems=32
	Backups []RemainingBackups `json:"backups,omitempty"`
}

// SignedStatement is a text and its Ed25519 signature.
type SignedStatement struct {
	// Text in UTF-8, one fact a line.
	Text string `json:"text"`
	// Signature of the text, 64 bytes in base64.
	Signature string `json:"signature"`
}

// RemainingBackups is what a store held of a tenant once its schema was gone.
type RemainingBackups struct {
	// Store that holds them.
	Store string `json:"store"`
	// Versions of backups and exports, hidden ones included; absent when the store did not answer.
	// +optional
	Versions *int64 `json:"versions,omitempty"`
	// Until is when the youngest version is past its period.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// GoneAt is when the store was listed and held none.
	// +optional
	GoneAt *metav1.Time `json:"goneAt,omitempty"`
}

// DeletionCertificate proves what became of a tenant's data. It outlives the tenant; whoever has its text, its signature
// and the platform's public key can verify it without this software.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=dcert,categories=termintreu
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.spec.tenant.namespace`
// +kubebuilder:printcolumn:name="Tenant",type=string,JSONPath=`.spec.tenant.name`
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.spec.region`
// +kubebuilder:printcolumn:name="Deleted",type=date,JSONPath=`.status.deletedAt`
// +kubebuilder:printcolumn:name="Issued",type=string,JSONPath=`.status.conditions[?(@.type=="Issued")].status`
// +kubebuilder:printcolumn:name="Complete",type=string,JSONPath=`.status.conditions[?(@.type=="Complete")].status`
type DeletionCertificate struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what was to be deleted.
	Spec DeletionCertificateSpec `json:"spec"`
	// Status is what was deleted.
	// +optional
	Status DeletionCertificateStatus `json:"status,omitempty"`
}

// DeletionCertificateList is a list of DeletionCertificates.
//
// +kubebuilder:object:root=true
type DeletionCertificateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DeletionCertificate `json:"items"`
}
