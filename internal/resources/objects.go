// SPDX-License-Identifier: Apache-2.0

package resources

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/termintreu/termintreu/internal/plan"
)

// Object is one object a tenant or region consists of.
type Object struct {
	GVK       schema.GroupVersionKind
	Namespace string
	Name      string
	// Config is what the operator owns of the object; nil when the object must not exist.
	Config runtime.ApplyConfiguration
}

var (
	gvkServiceAccount = corev1.SchemeGroupVersion.WithKind("ServiceAccount")
	gvkSecret         = corev1.SchemeGroupVersion.WithKind("Secret")
	gvkConfigMap      = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	gvkService        = corev1.SchemeGroupVersion.WithKind("Service")
	gvkDeployment     = appsv1.SchemeGroupVersion.WithKind("Deployment")
	gvkIngress        = networkingv1.SchemeGroupVersion.WithKind("Ingress")
	gvkNetworkPolicy  = networkingv1.SchemeGroupVersion.WithKind("NetworkPolicy")
	gvkDisruption     = policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget")
	gvkCronJob        = batchv1.SchemeGroupVersion.WithKind("CronJob")
)

// Objects are all objects that must exist for a served tenant, in the order of applying: what pods need comes before
// the pods, and the purge before the site, so that nothing is stored that nobody would delete.
func Objects(p *plan.Plan, credentials Credentials) []Object {
	return append(PlatformObjects(p, credentials), InstanceObjects(p, credentials)...)
}

// PlatformObjects are those in the platform namespace. They outlive the BookingTenant.
func PlatformObjects(p *plan.Plan, credentials Credentials) []Object {
	namespace := p.Region.PlatformNamespace
	return append(RetainedObjects(p, credentials),
		object(gvkSecret, namespace, BackupName(p), BackupSecret(p, credentials)),
		object(gvkCronJob, namespace, BackupName(p), BackupCronJob(p)),
	)
}

// RetainedObjects are those that go on once the tenant is gone and its data kept: purge, hand-over and expiry.
func RetainedObjects(p *plan.Plan, credentials Credentials) []Object {
	namespace := p.Region.PlatformNamespace
	objects := []Object{
		object(gvkSecret, namespace, RetentionName(p), RetentionSecret(p, credentials.Retention)),
		object(gvkConfigMap, namespace, RetentionName(p), RetentionConfigMap(p)),
		object(gvkCronJob, namespace, RetentionName(p), RetentionCronJob(p)),
		object(gvkConfigMap, namespace, BackupName(p), BackupConfigMap(p)),
		object(gvkSecret, namespace, ExpiryName(p), ExpirySecret(p, credentials)),
		object(gvkCronJob, namespace, ExpiryName(p), ExpiryCronJob(p)),
	}
	if p.Archive != nil {
		objects = append(objects,
			object(gvkSecret, namespace, ArchiveName(p), ArchiveSecret(p, credentials)),
			object(gvkConfigMap, namespace, ArchiveName(p), ArchiveConfigMap(p)),
			object(gvkCronJob, namespace, ArchiveName(p), ArchiveCronJob(p)),
		)
	}
	return objects
}

// RetiredObjects must not exist once the data is only kept: nobody adds to it, so nothing further is copied.
func RetiredObjects(p *plan.Plan) []Object {
	namespace := p.Region.PlatformNamespace
	return []Object{object(gvkCronJob, namespace, BackupName(p), nil), object(gvkSecret, namespace, BackupName(p), nil)}
}

// UnarchivedObjects must not exist where nothing is handed over, or nowhere any longer.
func UnarchivedObjects(p *plan.Plan) []Object {
	if p.Archive != nil {
		return nil
	}
	namespace, name := p.Region.PlatformNamespace, ArchiveName(p)
	return []Object{object(gvkCronJob, namespace, name, nil), object(gvkSecret, namespace, name, nil), object(gvkConfigMap, namespace, name, nil)}
}

// InstanceObjects are those in the tenant's namespace; the garbage collector removes them with the BookingTenant.
func InstanceObjects(p *plan.Plan, credentials Credentials) []Object {
	namespace, name := p.Tenant.Namespace, InstanceName(p)
	objects := []Object{
		object(gvkServiceAccount, namespace, name, ServiceAccount(p)),
		object(gvkNetworkPolicy, namespace, name, NetworkPolicy(p)),
		object(gvkSecret, namespace, name, InstanceSecret(p, credentials)),
		object(gvkConfigMap, namespace, name, InstanceConfigMap(p)),
		object(gvkDeployment, namespace, name, Deployment(p)),
		object(gvkService, namespace, name, Service(p)),
	}
	// A nil pointer in an interface is not nil, hence the branches.
	if budget := PodDisruptionBudget(p); budget != nil {
		objects = append(objects, object(gvkDisruption, namespace, name, budget))
	}
	if ingress := Ingress(p); ingress != nil {
		objects = append(objects, object(gvkIngress, namespace, name, ingress))
	}
	return objects
}

// Absent are the objects that must not exist for a served tenant, without Config.
func Absent(p *plan.Plan) []Object {
	absent := UnarchivedObjects(p)
	if PodDisruptionBudget(p) == nil {
		absent = append(absent, object(gvkDisruption, p.Tenant.Namespace, InstanceName(p), nil))
	}
	if Ingress(p) == nil {
		absent = append(absent, object(gvkIngress, p.Tenant.Namespace, InstanceName(p), nil))
	}
	return absent
}

func object(gvk schema.GroupVersionKind, namespace, name string, config runtime.ApplyConfiguration) Object {
	return Object{GVK: gvk, Namespace: namespace, Name: name, Config: config}
}
