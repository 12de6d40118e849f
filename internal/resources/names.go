// SPDX-License-Identifier: Apache-2.0

// Package resources builds every Kubernetes object of a tenant from its plan: one pure builder per kind, where nil
// means "must not exist". Builders return typed apply configurations, so that the operator owns exactly the fields
// written here and nothing else.
package resources

import (
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// Labels and annotations of every object of a tenant.
const (
	// LabelName is the same on everything a tenant consists of, pods included.
	LabelName = "app.kubernetes.io/name"
	// LabelInstance is the name of the BookingTenant.
	LabelInstance = "app.kubernetes.io/instance"
	// LabelComponent tells the parts of a tenant apart.
	LabelComponent = "app.kubernetes.io/component"
	// LabelManagedBy selects what the operator watches.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// LabelDataID is the opaque name of the tenant's data.
	LabelDataID = "booking.termintreu.dev/data-id"
	// LabelTenant is the name of the BookingTenant.
	LabelTenant = "booking.termintreu.dev/tenant"
	// LabelRegion is the name of the DataRegion; admission holds pods in a namespace with it to the region's nodes.
	LabelRegion = v1alpha1.LabelRegion

	// AnnotationTenantNamespace and AnnotationTenantName lead from the platform namespace back to the BookingTenant,
	// since an owner reference cannot cross namespaces and must not: the jobs outlive the tenant (invariant 4).
	AnnotationTenantNamespace = "booking.termintreu.dev/tenant-namespace"
	AnnotationTenantName      = "booking.termintreu.dev/tenant-name"

	// Application is the value of LabelName.
	Application = "termintreu-booking"
	// Manager is the value of LabelManagedBy, and the field manager of every apply.
	Manager = "termintreu"
)

// Component is a part of a tenant.
type Component string

// The parts of a tenant.
const (
	// ComponentInstance serves citizens, in the tenant's namespace.
	ComponentInstance Component = "instance"
	// ComponentRetention purges, in the platform namespace.
	ComponentRetention Component = "retention"
	// ComponentArchive hands over to the region's archives, in the platform namespace.
	ComponentArchive Component = "archive"
	// ComponentBackup backs up, in the platform namespace.
	ComponentBackup Component = "backup"
	// ComponentExpiry expires backups and mends copies, in the platform namespace.
	ComponentExpiry Component = "expiry"
	// ComponentExport exports everything once the contract has ended, in the platform namespace.
	ComponentExport Component = "export"
	// ComponentDeclaration is what a removed tenant had declared, in the operator's namespace.
	ComponentDeclaration Component = "declaration"
	// ComponentJobs is what the jobs of all tenants share, in the platform namespace.
	ComponentJobs Component = "jobs"
)

// ScheduledComponents are those a CronJob runs.
var ScheduledComponents = []Component{ComponentRetention, ComponentArchive, ComponentBackup, ComponentExpiry}

// Ports of an instance.
const (
	// PortHTTPS is where an instance serves citizens, by way of the ingress.
	PortHTTPS = 8443
	// PortInternal is where an instance answers probes and shows metrics; no Service leads there.
	PortInternal = 9090
	// PortService is the port of the Service.
	PortService = 443
)

// portSite is the name of the site's port in pod, Service and Ingress.
const portSite = "https"

// ServiceHost is the name of a Service inside the cluster, which the instance's certificate carries.
func ServiceHost(namespace, tenant string) string {
	return InstanceNameOf(tenant) + "." + namespace + ".svc"
}

// JobsServiceAccount is the account the jobs of all tenants run under; it has no right at all.
const JobsServiceAccount = "termintreu-jobs"

// InstanceName names every object of the instance in the tenant's namespace.
func InstanceName(p *plan.Plan) string { return InstanceNameOf(p.Tenant.Name) }

// InstanceNameOf is InstanceName by the name of the BookingTenant.
func InstanceNameOf(tenant string) string { return tenant + "-booking" }

// RetentionName names every object of the purge in the platform namespace. It tells nothing of the authority.
func RetentionName(p *plan.Plan) string { return p.DataID + "-retention" }

// ArchiveName names every object of the hand-over in the platform namespace.
func ArchiveName(p *plan.Plan) string { return p.DataID + "-archive" }

// BackupName names every object of the backup in the platform namespace.
func BackupName(p *plan.Plan) string { return BackupNameOf(p.DataID) }

// BackupNameOf is BackupName for whoever has no plan any longer.
func BackupNameOf(dataID string) string { return dataID + "-backup" }

// ExpiryName names every object of expiry in the platform namespace; it shares the backup's settings.
func ExpiryName(p *plan.Plan) string { return p.DataID + "-expiry" }

// InitialBackupName names the Job that makes the first backup, so that nobody waits for the schedule to be safe.
func InitialBackupName(p *plan.Plan) string { return p.DataID + "-backup-initial" }

// Labels of every object of a component; a fresh map each time.
func Labels(p *plan.Plan, component Component) map[string]string {
	return map[string]string{
		LabelName: Application, LabelInstance: p.Tenant.Name, LabelComponent: string(component), LabelManagedBy: Manager,
		LabelDataID: p.DataID, LabelTenant: p.Tenant.Name, LabelRegion: p.Region.Name,
	}
}

// selector is what a workload finds its pods by; it can never change, so it holds what never does.
func selector(p *plan.Plan, component Component) map[string]string {
	return map[string]string{
		LabelName: Application, LabelInstance: p.Tenant.Name, LabelComponent: string(component),
	}
}

// owner makes the garbage collector remove what lies in the tenant's namespace. It does not block the owner's
// deletion: the finalizer decides over that, and foreground deletion must not wait for pods.
func owner(p *plan.Plan) *metaac.OwnerReferenceApplyConfiguration {
	return metaac.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("BookingTenant").
		WithName(p.Tenant.Name).WithUID(p.UID).
		WithController(true).WithBlockOwnerDeletion(false)
}

// backlink annotates what lies in the platform namespace with the tenant it serves.
func backlink(p *plan.Plan) map[string]string {
	return map[string]string{AnnotationTenantNamespace: p.Tenant.Namespace, AnnotationTenantName: p.Tenant.Name}
}
