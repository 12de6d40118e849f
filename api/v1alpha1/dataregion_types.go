// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DataRegionSpec declares a place where personal data may live and everything that touches the data there.
//
// +kubebuilder:validation:XValidation:rule="self.platformNamespace == oldSelf.platformNamespace",message="the platform namespace of a region cannot change, since the purge and backup jobs of its tenants live there; create another region and move the tenants by export and import"
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

// DatabaseServer is a PostgreSQL server, version 15 or later, reached over TLS with verified host name.
//
// +kubebuilder:validation:XValidation:rule="has(self.clusterRef) || has(self.host) && has(self.caBundle) && has(self.adminSecretRef) && has(self.endpointCIDRs)",message="give host, caBundle, adminSecretRef and endpointCIDRs of the server, or the CloudNativePG Cluster it is in clusterRef"
type DatabaseServer struct {
	// Name of the server within the region.
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="name a server in lower-case letters, digits and hyphens"
	Name string `json:"name"`
	// ClusterRef names a CloudNativePG Cluster of the same Kubernetes cluster that is the server. Host, CA and admin
	// Secret then follow its conventions where they are not given, the nodes of its pods are observed, and what its
	// spec.backup keeps counts among the other copies.
	// +optional
	ClusterRef *ClusterReference `json:"clusterRef,omitempty"`
	// Host name, which the server's certificate must carry. Defaults to the read-write Service of the Cluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host,omitempty"`
	// Port of the server.
	// +optional
	// +kubebuilder:default=5432
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// Databases that hold tenants, each a bounded number of schemas; all owned by the role of the admin Secret.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Databases []string `json:"databases"`
	// TenantsPerDatabase is the largest number of tenants placed in one database.
	// +optional
	// +kubebuilder:default=500
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=2000
	TenantsPerDatabase int32 `json:"tenantsPerDatabase,omitempty"`
	// CABundle is the PEM bundle the server's certificate is verified with. Defaults to the server CA of the Cluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	CABundle string `json:"caBundle,omitempty"`
	// SystemIdentifier is the server's own, as SELECT system_identifier FROM pg_control_system() shows it. Without one,
	// the first that is seen stands, and a server that shows another is a finding. Give it when the data was moved to
	// another server on purpose, or the server was upgraded by pg_upgrade, which draws a new one.
	// +optional
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+$')",message="give the system identifier in digits and quotes, as SELECT system_identifier FROM pg_control_system() shows it"
	SystemIdentifier string `json:"systemIdentifier,omitempty"`
	// AdminSecretRef names a Secret in the operator's namespace with keys username and password of a role that may
	// create roles and owns the databases, and is no superuser. Defaults to the Cluster's own Secret NAME-app.
	// +optional
	AdminSecretRef SecretReference `json:"adminSecretRef,omitzero"`
	// Processor that runs the server.
	Processor Processor `json:"processor"`
	// EndpointCIDRs the server is reached at; tenants may connect nowhere else. The pods of a Cluster are reached
	// without.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	EndpointCIDRs []CIDR `json:"endpointCIDRs,omitempty"`
	// OtherCopies of the server's databases that somebody else makes and expires: archives of the write-ahead log, base
	// backups, snapshots of volumes. They are capped by the backup period of every policy in use (B2). What is not
	// declared here must not exist: nobody can see it from the cluster.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	OtherCopies []OtherCopy `json:"otherCopies,omitempty"`
}

// ClusterReference names a CloudNativePG Cluster (postgresql.cnpg.io/v1).
type ClusterReference struct {
	// Namespace of the Cluster.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// Name of the Cluster.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	Name string `json:"name"`
}

// OtherCopy is a copy of a whole server that is declared, not observed.
type OtherCopy struct {
	// Name of the copy within the server.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name"`
	// Kind of the copy.
	// +kubebuilder:validation:Enum=WALArchive;BaseBackup;VolumeSnapshot
	Kind string `json:"kind"`
	// Period after which a record that was deleted is in no such copy any more: for a WAL archive, that of the oldest
	// base backup it can be replayed on.
	Period Period `json:"period"`
	// Processor that keeps the copy, when it is not the server's.
	// +optional
	Processor *Processor `json:"processor,omitempty"`
}

// IdentityProvider is how a store makes an identity for one tenant that reaches only the tenant's prefix.
//
// +kubebuilder:validation:Enum=VersityGateway
type IdentityProvider string

const (
	// IdentityProviderVersityGateway makes accounts through the admin API of the Versity S3 Gateway and binds them
	// to a prefix by bucket policy.
	IdentityProviderVersityGateway IdentityProvider = "VersityGateway"
)

// BackupStore is an S3 object store reached over HTTPS.
type BackupStore struct {
	// Name of the store within the region.
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="name a store in lower-case letters, digits and hyphens"
	Name string `json:"name"`
	// Endpoint URL of the store.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.startsWith('https://')",message="give the store's endpoint as an https:// URL: backups travel over encrypted connections only"
	Endpoint string `json:"endpoint"`
	// Bucket that holds the backups; versioning must be enabled.
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=63
	Bucket string `json:"bucket"`
	// SigningRegion is the region name requests are signed for.
	// +optional
	// +kubebuilder:default="us-east-1"
	// +kubebuilder:validation:MaxLength=40
	SigningRegion string `json:"signingRegion,omitempty"`
	// CABundle is the PEM bundle the store's certificate is verified with. Defaults to the system's.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	CABundle string `json:"caBundle,omitempty"`
	// AdminSecretRef names a Secret in the operator's namespace with keys accessKeyID and secretAccessKey of the
	// identity that lists the bucket and makes one identity per tenant.
	AdminSecretRef SecretReference `json:"adminSecretRef"`
	// IdentityProvider says how identities per tenant are made.
	IdentityProvider IdentityProvider `json:"identityProvider"`
	// ObjectLock says what is claimed of the store's copies. Copies are locked wherever the bucket can; with Required,
	// BackupsCurrent is True only while the newest copy was seen locked and was shown to be restorable.
	// +optional
	ObjectLock ObjectLock `json:"objectLock,omitempty"`
	// Processor that runs the store.
	Processor Processor `json:"processor"`
	// EndpointCIDRs the store is reached at.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	EndpointCIDRs []CIDR `json:"endpointCIDRs"`
}

// ObjectLock is what a region claims of the locks of a store's copies.
//
// +kubebuilder:validation:Enum=Required
type ObjectLock string

// ObjectLockRequired means that a newest copy without a lock in mode COMPLIANCE breaks the claim.
const ObjectLockRequired ObjectLock = "Required"

// MailRelay takes mail to citizens over SMTP with STARTTLS.
type MailRelay struct {
	// Host name, which the relay's certificate must carry.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host"`
	// Port of the relay.
	// +optional
	// +kubebuilder:default=587
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// From is the sender's address.
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule="self.matches('^[^@ ]+@[^@ ]+$')",message="give the sender as a mail address, such as termine@example.org"
	From string `json:"from"`
	// CABundle is the PEM bundle the relay's certificate is verified with. Defaults to the system's.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	CABundle string `json:"caBundle,omitempty"`
	// Processor that runs the relay.
	Processor Processor `json:"processor"`
	// EndpointCIDRs the relay is reached at.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	EndpointCIDRs []CIDR `json:"endpointCIDRs"`
}

// StaffIdentity is the OpenID Connect provider the staff of the region's tenants signs in at.
type StaffIdentity struct {
	// Issuer URL, exactly as the provider's discovery document says it.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.startsWith('https://')",message="give the issuer as an https:// URL, as the provider's /.well-known/openid-configuration says it"
	Issuer string `json:"issuer"`
	// CABundle is the PEM bundle the provider's certificate is verified with. Defaults to the system's.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	CABundle string `json:"caBundle,omitempty"`
	// Claim of the ID token that holds the groups of a person: a list of texts. A dot leads into an object, as in
	// realm_access.roles.
	// +optional
	// +kubebuilder:default="groups"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=120
	Claim string `json:"claim,omitempty"`
	// Processor that runs the provider.
	Processor Processor `json:"processor"`
	// EndpointCIDRs the provider is reached at.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	EndpointCIDRs []CIDR `json:"endpointCIDRs"`
}

// RegionIngress is the ingress controller in front of the region's booking sites.
type RegionIngress struct {
	// ClassName of the Ingress objects.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ClassName string `json:"className"`
	// Annotations put on every Ingress, for what the controller must be told of its own: that instances speak TLS, and
	// what verifies them. {namespace} and {service} stand for those of the tenant's Service, whose name the Secret has
	// that holds the authority in ca.crt.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Annotations map[string]string `json:"annotations,omitempty"`
	// Namespace the controller's pods run in.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// PodSelector selects the controller's pods; only they may connect to instances.
	PodSelector metav1.LabelSelector `json:"podSelector"`
	// Port citizens reach booking sites at over HTTPS.
	// +optional
	// +kubebuilder:default=443
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// LogPeriod is how long the ingress keeps access logs.
	LogPeriod Period `json:"logPeriod"`
	// Processor that runs the ingress.
	Processor Processor `json:"processor"`
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
