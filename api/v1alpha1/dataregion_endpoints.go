// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// BackupStore is an S3 object store reached over HTTPS, for backups or as an archive.
type BackupStore struct {
	// Name of the store within the region.
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="name a store in lower-case letters, digits and hyphens"
	Name string `json:"name"`
	// Endpoint URL of the store.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="isURL(self) && self.startsWith('https://')",message="give the store's endpoint as an https:// URL: backups travel over encrypted connections only"
	Endpoint string `json:"endpoint"`
	// Bucket that holds the backups, or is the archive; versioning must be enabled, and for an archive object lock too.
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
	// PodSelector selects the controller's pods; only they, and what EndpointCIDRs names, may connect to instances.
	PodSelector metav1.LabelSelector `json:"podSelector"`
	// EndpointCIDRs connections come from where they do not come from the controller's pods: of an ingress outside the
	// cluster, or of nodes whose network hides the pods' own addresses.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	EndpointCIDRs []CIDR `json:"endpointCIDRs,omitempty"`
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
