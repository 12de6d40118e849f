// SPDX-License-Identifier: Apache-2.0

// Package plan turns wishes into a Plan: what one tenant must look like, as a pure function of tenant, policy, region
// and operator defaults. What cannot be is refused here with a reason and the mend, before anything is touched.
package plan

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// Plan is everything one tenant must look like.
type Plan struct {
	// Tenant is the BookingTenant's namespace and name.
	Tenant types.NamespacedName
	// UID of the BookingTenant, for owner references.
	UID types.UID
	// DataID is the opaque name of the tenant's data: schema, stem of its roles, prefix at the stores.
	DataID string
	// Image every operand runs.
	Image string
	// ImagePullPolicy of operands.
	ImagePullPolicy corev1.PullPolicy
	// OperatorNamespace may scrape the metrics of instances; empty when nobody may.
	OperatorNamespace string

	Region Region
	// Processors of the tenant's data, each with what it does.
	Processors []ProcessorUse
	Database   Database
	Instance   Instance
	Purge      Purge
	Backup     Backup
	// Archive is nil where no rule hands over.
	Archive *Archive `json:",omitempty"`
}

// Region is what the plan needs to know of the DataRegion.
type Region struct {
	Name    string
	Country v1alpha1.CountryCode
	// AllowedCountries processors may work in or access data from; the region's own when it names none.
	AllowedCountries  []v1alpha1.CountryCode
	NodeLabel         string
	NodeValues        []string
	PlatformNamespace string
	// EgressRequired tells whether Compliant demands that EgressRestricted is True.
	EgressRequired bool `json:",omitempty"`
}

// ProcessorUse is a processor and what it does, such as "backup store bern".
type ProcessorUse struct {
	Where     string
	Processor v1alpha1.Processor
}

// Database is where the tenant's schema lives and what it enforces.
type Database struct {
	Server v1alpha1.DatabaseServer
	Name   string
	Rules  []Rule
	// Tolerance after a period before a record counts as overdue.
	Tolerance time.Duration
	// Suspension pauses deletion; nil when nothing does.
	Suspension *Suspension `json:",omitempty"`
}

// Suspension of deletion: visibly non-compliant, and over by itself at its end.
type Suspension struct {
	Reason string
	Until  time.Time
}

// Rule is one rule of the policy with its period as a duration.
type Rule struct {
	Category   v1alpha1.Category
	StartEvent v1alpha1.StartEvent
	Period     time.Duration
	Action     v1alpha1.Action
	// ArchivePeriod is zero but for ActionArchive.
	ArchivePeriod time.Duration `json:",omitempty"`
}

// Instance is the booking deployment in the tenant's namespace.
type Instance struct {
	// Replicas is zero while the site must not serve.
	Replicas      int32
	Hosts         []string
	TLSSecretName string
	URL           string
	Resources     *corev1.ResourceRequirements
	Settings      settings.Instance
	// StaffSecretName names the authority's Secret with the client's secret at the identity provider; empty when there
	// is no staff side.
	StaffSecretName string `json:",omitempty"`
	// EgressCIDRs the instance may connect to: database server, mail relay, and identity provider.
	EgressCIDRs []Endpoint
	// Ingress in front of the instance; nil when the region has none.
	Ingress *Ingress
}

// Ingress is the region's ingress controller as far as objects need it.
type Ingress struct {
	ClassName   string
	Annotations map[string]string
	Namespace   string
	PodSelector metav1.LabelSelector
	// CIDRs it connects from where its pods are not seen.
	CIDRs []string `json:",omitempty"`
}

// LabelCNPGCluster is what CloudNativePG labels the pods of a Cluster with.
const LabelCNPGCluster = "cnpg.io/cluster"

// Endpoint is a TCP port of an address range, or of the pods of a CloudNativePG Cluster.
type Endpoint struct {
	CIDR string
	Port int32
	// Namespace and Cluster are set in place of CIDR.
	Namespace string `json:",omitempty"`
	Cluster   string `json:",omitempty"`
}

// ServerEndpoints are where a database server is reached.
func ServerEndpoints(server *v1alpha1.DatabaseServer) []Endpoint {
	list := endpoints(nil, server.EndpointCIDRs, server.Port)
	if ref := server.ClusterRef; ref != nil {
		list = append(list, Endpoint{Port: server.Port, Namespace: ref.Namespace, Cluster: ref.Name})
	}
	return list
}

// Purge is the retention CronJob in the platform namespace.
type Purge struct {
	Schedule string
	TimeZone string
	Settings settings.Retain
}

// Backup is the backup CronJob in the platform namespace, and what its evidence is measured against.
type Backup struct {
	Schedule string
	TimeZone string
	// Since is when the tenant was created: before a first backup can be asked for.
	Since time.Time
	// Stores that must hold a copy each.
	Stores []v1alpha1.BackupStore
	// Period from snapshot start until every version is gone.
	Period time.Duration
	// ExpireAhead is how long the next expiry may be away: what falls due before it goes now, so that every version is
	// gone by the end of its period.
	ExpireAhead time.Duration
	// MaximumAge of the newest backup.
	MaximumAge time.Duration
	// Tolerance after the period before a backup counts as overdue.
	Tolerance time.Duration
	// RestoreTestEvery is how often a restore is tried.
	RestoreTestEvery time.Duration
	Settings         settings.Backup
}

// Archive is the CronJob in the platform namespace that hands over; it runs when the purge does.
type Archive struct {
	// Stores that must each show a record before it is deleted.
	Stores   []v1alpha1.BackupStore
	Settings settings.Archive
}

// Archives of the plan; none where nothing is handed over.
func (p *Plan) Archives() []v1alpha1.BackupStore {
	if p.Archive == nil {
		return nil
	}
	return p.Archive.Stores
}

// DataIDAlphabet is what a DataID is made of, after its first letter.
const DataIDAlphabet = "abcdefghijklmnopqrstuvwxyz234567"

// DataID makes the opaque name of a tenant's data from its UID: a letter and fifteen of [a-z2-7], safe as a
// PostgreSQL identifier, a label value and an object key. It tells nothing of the authority, since shared catalogues
// are world-readable (invariant 6).
func DataID(uid types.UID) string {
	sum := sha256.Sum256([]byte(uid))
	return "t" + dataIDEncoding.EncodeToString(sum[:])[:15]
}

var dataIDEncoding = base32.NewEncoding(DataIDAlphabet).WithPadding(base32.NoPadding)

// Hash is a short digest of any plan value; equal values give equal hashes.
func Hash(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic("plan values are plain data: " + err.Error())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// Refusal is a wish that cannot be granted until somebody mends it; it becomes the Stalled condition.
type Refusal struct {
	// Reason is one of the exported reasons of v1alpha1.
	Reason string
	// Message says what is wrong and how to mend it.
	Message string
}

func (r *Refusal) Error() string { return r.Message }

// StillPlanned tells whether a tenant refused for this reason is planned all the same once it has data: a site whose
// agreement has ended stops serving, which is a change to apply, while its purge and expiry go on.
func (r *Refusal) StillPlanned() bool { return r.Reason == v1alpha1.ReasonAgreementNotInForce }
