// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DataRegionStatus is what was measured of a region.
type DataRegionStatus struct {
	// ObservedGeneration is the generation the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions of the region: Ready, Reconciling, and AdmissionEnforced, the verdict over the admission policies.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// TrustedNodes is how many nodes carry a trusted label value.
	// +optional
	TrustedNodes *int32 `json:"trustedNodes,omitempty"`
	// Tenants is how many tenants, retained ones included, have data in the region.
	// +optional
	Tenants *int32 `json:"tenants,omitempty"`
	// Servers as last met, each with what tells it from every other.
	// +optional
	// +listType=map
	// +listMapKey=name
	Servers []ServerStatus `json:"servers,omitempty"`
	// Databases as last audited.
	// +optional
	// +listType=map
	// +listMapKey=server
	// +listMapKey=database
	Databases []DatabaseStatus `json:"databases,omitempty"`
	// Stores as last listed.
	// +optional
	// +listType=map
	// +listMapKey=name
	Stores []StoreStatus `json:"stores,omitempty"`
	// Retained lists data whose BookingTenant is gone: still purged, expired and audited until its end. The oldest
	// hundred are shown.
	// +optional
	// +listType=map
	// +listMapKey=dataID
	// +kubebuilder:validation:MaxItems=100
	Retained []RetainedData `json:"retained,omitempty"`
}

// ServerStatus is what a database server showed of itself when it was last met.
type ServerStatus struct {
	// Name of the server.
	Name string `json:"name"`
	// SystemIdentifier the name stands for: the declared one, else the first that was seen.
	// +optional
	// +kubebuilder:validation:MaxLength=20
	SystemIdentifier string `json:"systemIdentifier,omitempty"`
	// Seen is the system identifier shown last, when it is another one.
	// +optional
	// +kubebuilder:validation:MaxLength=20
	Seen string `json:"seen,omitempty"`
	// Connection that showed it.
	// +optional
	Connection *ConnectionStatus `json:"connection,omitempty"`
}

// ConnectionStatus is the other end of a verified TLS connection.
type ConnectionStatus struct {
	// Address that was reached, as IP:port; a failover changes it without alarm.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Address string `json:"address,omitempty"`
	// Key is the SHA-256 of the public key that was presented, in hex; a new certificate changes it without alarm.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Key string `json:"key,omitempty"`
	// CertificateUntil is when the first certificate of the verified chain ends.
	// +optional
	CertificateUntil *metav1.Time `json:"certificateUntil,omitempty"`
}

// DatabaseStatus is the last audit of one database.
type DatabaseStatus struct {
	// Server that holds the database.
	Server string `json:"server"`
	// Database name.
	Database string `json:"database"`
	// Reachable is Unknown until the first audit, False when the last one failed.
	// +optional
	Reachable metav1.ConditionStatus `json:"reachable,omitempty"`
	// Message says why the last audit failed.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
	// Tenants in the database.
	// +optional
	Tenants *int32 `json:"tenants,omitempty"`
}

// StoreStatus is the last listing of one store.
type StoreStatus struct {
	// Name of the store.
	Name string `json:"name"`
	// Reachable is Unknown until the first listing, False when the last one failed.
	// +optional
	Reachable metav1.ConditionStatus `json:"reachable,omitempty"`
	// Message says why the last listing failed.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
	// BucketMark is the version of the operator's mark in the bucket the name stands for: the first that was seen.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	BucketMark string `json:"bucketMark,omitempty"`
	// Connection the bucket was last listed over.
	// +optional
	Connection *ConnectionStatus `json:"connection,omitempty"`
}

// RetainedData is what a removed BookingTenant left behind.
type RetainedData struct {
	// DataID is the opaque name of the data: its schema, roles and prefix at the stores.
	DataID string `json:"dataID"`
	// Namespace of the removed tenant.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// Name of the removed tenant.
	// +optional
	Name string `json:"name,omitempty"`
	// Since is when the contract ended: the deletion of the BookingTenant.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// Until is when what is left is deleted.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// Overdue is the number of records past their period and still there.
	// +optional
	Overdue *int64 `json:"overdue,omitempty"`
	// Jobs is True when purge and expiry are as they were when the tenant was removed and run on trusted nodes alone,
	// False while an incident lasts, and Unknown while nobody can say.
	// +optional
	Jobs metav1.ConditionStatus `json:"jobs,omitempty"`
	// Incidents are breaches that were noticed, newest first; a healed one stays until others take its place.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4
	Incidents []Incident `json:"incidents,omitempty"`
}
