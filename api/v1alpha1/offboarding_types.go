// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Offboarding ends the contract. From now on the site takes no bookings; at the end of the contract it stops, everything
// is exported to the authority, and after the period of category TenantData schema and roles are deleted and a
// DeletionCertificate is issued.
type Offboarding struct {
	// ContractEnd is when the site stops and the export is made. Until then citizens see and cancel what they booked.
	ContractEnd metav1.Time `json:"contractEnd"`
	// Export of everything the tenant has, to every store the tenant has copies at.
	// +optional
	Export ExportSpec `json:"export,omitempty"`
}

// ExportSpec says who can open an export.
type ExportSpec struct {
	// Recipients are the authority's age public keys the export is encrypted to. Defaults to those of spec.backup.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Recipients []AgeRecipient `json:"recipients,omitempty"`
}

// OffboardingStatus is how far the end of a contract has come.
type OffboardingStatus struct {
	// Since is when the application lost its access to the data.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// Until is when the data is deleted; absent before it was exported.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// Export as it was read back from every store.
	// +optional
	Export *ExportRecord `json:"export,omitempty"`
	// Certificate names the DeletionCertificate, once schema and roles were read back absent.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Certificate string `json:"certificate,omitempty"`
}

// ExportRecord names an export that lies at stores.
type ExportRecord struct {
	// At is when the export was begun.
	At metav1.Time `json:"at"`
	// Stores that hold it.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Stores []string `json:"stores,omitempty"`
	// Records of all entities.
	Records int64 `json:"records"`
	// Objects at each store: the export of everything first, then one for each of several controllers.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MaxItems=33
	Objects []ExportObject `json:"objects,omitempty"`
}

// ExportObject is one encrypted file, the same at each store.
type ExportObject struct {
	// Key of the file at the store.
	// +kubebuilder:validation:MaxLength=512
	Key string `json:"key"`
	// Size of the encrypted file in bytes.
	Size int64 `json:"size"`
	// SHA256 of the encrypted file.
	SHA256 SHA256 `json:"sha256"`
}
