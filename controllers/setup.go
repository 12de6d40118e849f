// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
)

var namespaceGVK = corev1.SchemeGroupVersion.WithKind("Namespace")

// Indexes over BookingTenants, and over pods and CronJobs, of which a fleet has thousands.
const (
	hostIndex   = "spec.instance.hosts"
	regionIndex = "spec.regionRef.name"
	policyIndex = "spec.retentionPolicyRef.name"
	dataIDIndex = "dataID"
	podIndex    = "pod.dataID"
	nodeIndex   = "pod.node"
	jobIndex    = "cronJob.handful"
)

// handful names the few CronJobs of a fleet that are read at a time: whole, they are as large as the operator. DataIDs
// end evenly in all of plan.DataIDAlphabet.
func handful(component resources.Component, dataID string) string {
	return string(component) + "/" + dataID[max(0, len(dataID)-1):]
}

// SetupIndexes registers the indexes the reconcilers look tenants up by.
func SetupIndexes(ctx context.Context, mgr ctrl.Manager) error {
	of := func(keys func(*v1alpha1.BookingTenant) []string) client.IndexerFunc {
		return func(o client.Object) []string {
			tenant, ok := o.(*v1alpha1.BookingTenant)
			if !ok {
				return nil
			}
			return keys(tenant)
		}
	}
	indexes := map[string]client.IndexerFunc{
		hostIndex: of(func(t *v1alpha1.BookingTenant) []string {
			hosts := make([]string, 0, len(t.Spec.Instance.Hosts))
			for _, host := range t.Spec.Instance.Hosts {
				hosts = append(hosts, string(host))
			}
			return hosts
		}),
		regionIndex: of(func(t *v1alpha1.BookingTenant) []string { return []string{t.Spec.RegionRef.Name} }),
		policyIndex: of(func(t *v1alpha1.BookingTenant) []string { return []string{t.Spec.RetentionPolicyRef.Name} }),
		dataIDIndex: of(func(t *v1alpha1.BookingTenant) []string { return []string{plan.DataID(t.UID)} }),
	}
	ofPod := func(key func(*corev1.Pod) string) client.IndexerFunc {
		return func(o client.Object) []string {
			pod, ok := o.(*corev1.Pod)
			if !ok {
				return nil
			}
			return []string{key(pod)}
		}
	}
	if err := errors.Join(
		mgr.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, podIndex, ofPod(func(p *corev1.Pod) string { return p.Labels[resources.LabelDataID] })),
		mgr.GetFieldIndexer().IndexField(ctx, &corev1.Pod{}, nodeIndex, ofPod(func(p *corev1.Pod) string { return p.Spec.NodeName })),
		mgr.GetFieldIndexer().IndexField(ctx, &batchv1.CronJob{}, jobIndex, func(o client.Object) []string {
			labels := o.GetLabels()
			return []string{handful(resources.Component(labels[resources.LabelComponent]), labels[resources.LabelDataID])}
		}),
	); err != nil {
		return err
	}
	for _, field := range slices.Sorted(maps.Keys(indexes)) {
		if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.BookingTenant{}, field, indexes[field]); err != nil {
			return err
		}
	}
	return nil
}

// SetupWithManager registers the reconciler. Changed carries the DataIDs of tenants whose evidence changed.
func (r *TenantReconciler) SetupWithManager(mgr ctrl.Manager, changed <-chan event.TypedGenericEvent[string], workers int) error {
	owned := handler.EnqueueRequestsFromMapFunc(tenantOfObject)
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.BookingTenant{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Watches(&v1alpha1.TenantRestore{}, handler.EnqueueRequestsFromMapFunc(tenantOfRestore)).
		Watches(&v1alpha1.RetentionPolicy{}, r.tenantsBy(policyIndex), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.DataRegion{}, r.tenantsBy(regionIndex), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.tenantsOnNode), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Watches(&appsv1.Deployment{}, owned).
		Watches(&batchv1.CronJob{}, owned, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Pod{}, owned, builder.WithPredicates(bindingChanged)).
		Watches(&corev1.Secret{}, owned).
		Watches(&corev1.ConfigMap{}, owned).
		Watches(&corev1.Service{}, owned).
		Watches(&corev1.ServiceAccount{}, owned).
		Watches(&networkingv1.Ingress{}, owned, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&networkingv1.NetworkPolicy{}, owned).
		Watches(&policyv1.PodDisruptionBudget{}, owned, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(source.TypedChannel(changed, handler.TypedEnqueueRequestsFromMapFunc(r.tenantOfData))).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers, EnableWarmup: new(true)}).
		Complete(r)
}

// bindingChanged lets a pod through when it comes, goes, or meets its node.
var bindingChanged = predicate.Funcs{
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Pod)
		after, ok2 := e.ObjectNew.(*corev1.Pod)
		return ok && ok2 && before.Spec.NodeName != after.Spec.NodeName
	},
}

// tenantOfObject leads from an object to its tenant: by annotation in the platform namespace, by label elsewhere.
func tenantOfObject(_ context.Context, o client.Object) []reconcile.Request {
	annotations := o.GetAnnotations() // an object of the cache is unpacked for them
	name := types.NamespacedName{Namespace: annotations[resources.AnnotationTenantNamespace], Name: annotations[resources.AnnotationTenantName]}
	if name.Name == "" {
		name = types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetLabels()[resources.LabelTenant]}
	}
	if name.Name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: name}}
}

// tenantOfRestore leads from a restore to the tenant that must say so.
func tenantOfRestore(_ context.Context, o client.Object) []reconcile.Request {
	restore, ok := o.(*v1alpha1.TenantRestore)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: restore.Namespace, Name: restore.Spec.TenantRef.Name}}}
}

func (r *TenantReconciler) tenantOfData(ctx context.Context, dataID string) []reconcile.Request {
	return r.requests(ctx, client.MatchingFields{dataIDIndex: dataID})
}

func (r *TenantReconciler) tenantsBy(index string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		return r.requests(ctx, client.MatchingFields{index: o.GetName()})
	})
}

// tenantsOnNode are the tenants with pods on a node, and those that wait for a trusted one.
func (r *TenantReconciler) tenantsOnNode(ctx context.Context, node client.Object) []reconcile.Request {
	seen := map[reconcile.Request]bool{}
	for _, on := range []string{node.GetName(), ""} {
		pods := &corev1.PodList{}
		if err := r.List(ctx, pods, client.MatchingFields{nodeIndex: on}, client.UnsafeDisableDeepCopy); err != nil {
			return nil
		}
		for i := range pods.Items {
			for _, request := range tenantOfObject(ctx, &pods.Items[i]) {
				seen[request] = true
			}
		}
	}
	return slices.Collect(maps.Keys(seen))
}

func (r *TenantReconciler) requests(ctx context.Context, option client.ListOption) []reconcile.Request {
	tenants := &v1alpha1.BookingTenantList{}
	if err := r.List(ctx, tenants, option, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	requests := make([]reconcile.Request, 0, len(tenants.Items))
	for i := range tenants.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&tenants.Items[i])})
	}
	return requests
}

// SetupWithManager registers the reconciler.
func (r *DataRegionReconciler) SetupWithManager(mgr ctrl.Manager) error {
	allRegions := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) []reconcile.Request {
		regions := &v1alpha1.DataRegionList{}
		if err := r.List(ctx, regions, client.UnsafeDisableDeepCopy); err != nil {
			return nil
		}
		requests := make([]reconcile.Request, 0, len(regions.Items))
		for i := range regions.Items {
			requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: regions.Items[i].Name}})
		}
		return requests
	})
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.DataRegion{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Node{}, allRegions, builder.WithPredicates(predicate.LabelChangedPredicate{})).
		Complete(r)
}

// SetupWithManager registers the reconciler.
func (r *RetentionPolicyReconciler) SetupWithManager(mgr ctrl.Manager) error {
	policyOf := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		tenant, ok := o.(*v1alpha1.BookingTenant)
		if !ok {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: tenant.Spec.RetentionPolicyRef.Name}}}
	})
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.RetentionPolicy{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.BookingTenant{}, policyOf, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(r)
}
