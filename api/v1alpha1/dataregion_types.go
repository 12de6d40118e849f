// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DataRegionSpec declares a place where personal data may live and everything that touches the data there.
//
// +kubebuilder:validation:XValidation:rule="self.platformNamespace == oldSelf.platformNamespace",message="the platform namespace of a region cannot change, since the purge and backup jobs of its tenants live there; create another region and move the tenants by export and import"
// +kubebuilder:validation:XValidation:rule="!has(self.archives) || self.archives.all(a, has(a.objectLock) && !self.backupStores.exists(b, b.name == a.name || b.endpoint == a.endpoint && b.bucket == a.bucket))",message="an archive is written once: set objectLock to Required, and give it a name and a bucket of its own, since expiry deletes what lies in a bucket of backups"
type DataRegionSpec struct {
	// Country the region lies in.
	Country CountryCode `json:"country"`
	// AllowedCountries are the countries processors of this region may process or access data in. Defaults to the
	// region's country alone.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=40
	AllowedCountries []CountryCode `json:"allowedCountries,omitempty"`
	// Regime is the data protection law in force there, such as "GDPR" or "IDG BS" (B8).
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=60
	Regime string `json:"regime"`
	// Nodes marks the nodes trusted with personal data.
	Nodes NodeTrust `json:"nodes"`
	// Namespaces says which namespaces may hold tenants of this region.
	Namespaces NamespaceAccess `json:"namespaces"`
	// PlatformNamespace is owned by the platform, not by an authority: the purge, backup and expiry jobs of every
	// tenant and their Secrets live there, out of the reach of the tenants' administrators.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	PlatformNamespace string `json:"platformNamespace"`
	// DatabaseServers are the PostgreSQL servers of the region; a new tenant goes to the least full.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	DatabaseServers []DatabaseServer `json:"databaseServers"`
	// BackupStores are the S3 object stores of the region; every backup goes to as many of them as the tenant asks
	// copies of.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	BackupStores []BackupStore `json:"backupStores"`
	// Archives are write-once S3 object stores for documents under a statutory period: what a rule with the action
	// Archive hands over goes to every one of them, locked in mode COMPLIANCE until its own date (T8).
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=4
	Archives []BackupStore `json:"archives,omitempty"`
	// MailRelay carries confirmations to citizens. Without one, no mail is sent and links are shown on the page only.
	// +optional
	MailRelay *MailRelay `json:"mailRelay,omitempty"`
	// Ingress terminates TLS for the booking sites, so it sees every form (B4).
	// +optional
	Ingress *RegionIngress `json:"ingress,omitempty"`
	// StaffIdentity is where the staff of the tenants signs in. Without it, no tenant has a staff side.
	// +optional
	StaffIdentity *StaffIdentity `json:"staffIdentity,omitempty"`
	// Egress says what the network of the tenants is tried with, and what the outcome counts for.
	// +optional
	// +kubebuilder:default={}
	Egress EgressRule `json:"egress,omitzero"`
	// Admission names who may pass the admission policies around the region's namespaces and nodes.
	// +optional
	// +kubebuilder:default={}
	Admission AdmissionRule `json:"admission,omitzero"`
	// Drift says what happens to a pod of a tenant on a node that is not, or no longer, trusted.
	// +optional
	// +kubebuilder:default=Evict
	Drift DriftAction `json:"drift,omitempty"`
}

// AdmissionRule names who may bind pods to nodes and change the label of trusted nodes. Everybody else is refused by
// ValidatingAdmissionPolicies, cluster administrators included, whether the operator runs or not.
type AdmissionRule struct {
	// Schedulers are the user names that may bind pods in the region's namespaces.
	// +optional
	// +listType=set
	// +kubebuilder:default={"system:kube-scheduler"}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Schedulers []string `json:"schedulers,omitempty"`
	// NodeAdministrators are user or group names that may change or remove the label of a trusted node, or give it to
	// a node that carries another value. Nobody may while it is empty. Kubelets never may.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	NodeAdministrators []string `json:"nodeAdministrators,omitempty"`
}

// EgressRule says how it is seen whether the network enforces NetworkPolicies. Every instance tries to connect to the
// API server of the cluster, which its NetworkPolicy does not allow, and to its database server, which it does.
type EgressRule struct {
	// Requirement says whether Compliant demands that EgressRestricted is True, or only reports it beside.
	// +optional
	// +kubebuilder:default=Reported
	Requirement EgressRequirement `json:"requirement,omitempty"`
	// UndeclaredAddresses are further addresses of the platform's own, as IP:port, that answer everybody else in the
	// cluster and must be refused to tenants, too.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	UndeclaredAddresses []Address `json:"undeclaredAddresses,omitempty"`
}

// EgressRequirement is what a claim over the network counts for.
//
// +kubebuilder:validation:Enum=Required;Reported
type EgressRequirement string

const (
	// EgressRequired makes Compliant demand that EgressRestricted is True.
	EgressRequired EgressRequirement = "Required"
	// EgressReported shows EgressRestricted beside Compliant, which does not depend on it.
	EgressReported EgressRequirement = "Reported"
)

// Address is an IP address and a TCP port, such as 192.0.2.7:443 or [2001:db8::7]:443.
//
// +kubebuilder:validation:MaxLength=52
// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9.]+|\\\\[[0-9a-fA-F:.]+\\\\]):[0-9]{1,5}$')",message="write an address as IP:port, such as 192.0.2.7:443 or [2001:db8::7]:443"
type Address string

// DriftAction is what happens to a pod on a node that is not, or no longer, trusted.
//
// +kubebuilder:validation:Enum=Evict;Report
type DriftAction string

const (
	// DriftEvict reports the pod and evicts it through the Eviction API, so that PodDisruptionBudgets hold.
	DriftEvict DriftAction = "Evict"
	// DriftReport only reports the pod.
	DriftReport DriftAction = "Report"
)

// NodeTrust is the label that marks trusted nodes.
type NodeTrust struct {
	// Label key, usually topology.kubernetes.io/region.
	// +kubebuilder:default="topology.kubernetes.io/region"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Label string `json:"label,omitempty"`
	// Values of the label that are trusted.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Values []string `json:"values"`
}

// NamespaceAccess selects namespaces by name, by label, or both; a namespace that matches either may be used.
//
// +kubebuilder:validation:XValidation:rule="has(self.names) || has(self.selector)",message="name the namespaces that may use this region in names, or select them by label in selector"
type NamespaceAccess struct {
	// Names of namespaces.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=63
	Names []string `json:"names,omitempty"`
	// Selector over the labels of namespaces.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// DataRegion is a place where personal data may live, and everything that touches the data there.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=dr,categories=termintreu
// +kubebuilder:printcolumn:name="Country",type=string,JSONPath=`.spec.country`
// +kubebuilder:printcolumn:name="Regime",type=string,JSONPath=`.spec.regime`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.trustedNodes`
// +kubebuilder:printcolumn:name="Tenants",type=integer,JSONPath=`.status.tenants`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DataRegion struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec declares the region.
	Spec DataRegionSpec `json:"spec"`
	// Status is what was measured.
	// +optional
	Status DataRegionStatus `json:"status,omitempty"`
}

// DataRegionList is a list of DataRegions.
//
// +kubebuilder:object:root=true
type DataRegionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DataRegion `json:"items"`
}
