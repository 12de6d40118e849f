// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// ConsentScope is what rests on a consent.
//
// +kubebuilder:validation:Enum=Service;PostalAddress
type ConsentScope string

// Scopes of consents.
const (
	// ConsentService: the whole booking. Without the consent it cannot be made; withdrawing it cancels the appointment
	// and erases it.
	ConsentService ConsentScope = "Service"
	// ConsentPostalAddress: a postal address the service does not need. Withdrawing deletes the address alone.
	ConsentPostalAddress ConsentScope = "PostalAddress"
)

// Consent is asked of citizens where it is what the processing rests on (Art. 6(1)(a) GDPR), by a box that is not
// ticked and apart from the notice. It is withdrawn behind the link of the booking as easily as it was given.
type Consent struct {
	// Scope is what rests on the consent.
	Scope ConsentScope `json:"scope"`
	// Text citizens agree to, in every locale of the tenant. What is stored with a consent is the SHA-256 of the text as it
	// was read, so keep older texts where this object is kept.
	Text LocalizedText `json:"text"`
}
