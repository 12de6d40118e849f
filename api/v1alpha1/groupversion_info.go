// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the kinds of booking.termintreu.dev/v1alpha1: the BookingTenant of an authority, the
// RetentionPolicy it promises to keep, the DataRegion its data may live in, and the DeletionCertificate of its end.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=booking.termintreu.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the group and version of every kind in this package.
	GroupVersion = schema.GroupVersion{Group: "booking.termintreu.dev", Version: "v1alpha1"}

	// SchemeGroupVersion is the name client generators expect for GroupVersion.
	SchemeGroupVersion = GroupVersion

	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme registers the kinds of this package.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&BookingTenant{}, &BookingTenantList{},
		&RetentionPolicy{}, &RetentionPolicyList{},
		&DataRegion{}, &DataRegionList{},
		&DeletionCertificate{}, &DeletionCertificateList{},
		&TenantRestore{}, &TenantRestoreList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
