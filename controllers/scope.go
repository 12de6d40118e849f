// SPDX-License-Identifier: Apache-2.0

// Package controllers reconciles BookingTenants, RetentionPolicies and DataRegions. One reconcile of a tenant is one
// straight line, each stage in its own file: load → plan → apply → observe → judge → report.
package controllers

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
)

// scope is what one reconcile of one tenant knows; each stage adds to it.
type scope struct {
	now    time.Time
	tenant *v1alpha1.BookingTenant
	input  plan.Input

	// plan is nil when the tenant was refused and has no data yet.
	plan *plan.Plan
	// refusal is what somebody must mend; failure is what is retried.
	refusal *plan.Refusal
	failure error

	// seen are objects as they were judged, by their names; nil where there was none. What is applied rests on the same: a
	// job that is deleted in between would be made again without anybody being told.
	seen map[string]client.Object
	// done names what this reconcile created, changed or removed.
	done []string

	// restore is under way; nil when none is.
	restore *v1alpha1.TenantRestore
	// importing is how far the import is that the tenant begins with; nil when none is under way.
	importing *importing
	// imported is what this reconcile found of it; nil when it did not look.
	imported *v1alpha1.ImportStatus
	// restores of the tenant, ended ones too.
	restores []v1alpha1.TenantRestore

	databaseReady bool
	available     int32
	evidence      compliance.Evidence
	findings      []compliance.Finding

	// strays are running pods on untrusted nodes; evictions is what was done about them, blocked when it was refused,
	// and untold when one has to be reported first.
	strays    []stray
	evictions map[stray]v1alpha1.IncidentAction
	blocked   bool
	untold    bool
	// known are the incidents reported before, history what became of them.
	known   []v1alpha1.Incident
	history compliance.History
}

// load reads tenant, policy, region and neighbours from the cache; nil when the tenant is gone.
func (r *TenantReconciler) load(ctx context.Context, name types.NamespacedName) (*scope, error) {
	tenant := &v1alpha1.BookingTenant{}
	if err := r.Get(ctx, name, tenant); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	s := &scope{now: r.Now(), tenant: tenant}
	s.input = plan.Input{Tenant: tenant, Defaults: r.Defaults, Now: s.now, Placement: tenant.Status.Database}

	region := &v1alpha1.DataRegion{}
	if err := r.Get(ctx, types.NamespacedName{Name: tenant.Spec.RegionRef.Name}, region); err == nil {
		s.input.Region = r.Book.Resolve(region)
	} else if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	policy := &v1alpha1.RetentionPolicy{}
	if err := r.Get(ctx, types.NamespacedName{Name: tenant.Spec.RetentionPolicyRef.Name}, policy); err == nil {
		s.input.Policy = policy
	} else if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(namespaceGVK)
	if err := r.Get(ctx, types.NamespacedName{Name: tenant.Namespace}, namespace); client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	s.input.NamespaceLabels = namespace.Labels
	restores, err := restoresOf(ctx, r.Client, tenant.Namespace, tenant.Name)
	if err != nil {
		return nil, err
	}
	s.restores = restores
	for i := range s.restores {
		if s.restores[i].Status.StartedAt != nil && !ended(&s.restores[i]) {
			s.restore, s.input.Restoring = &s.restores[i], true
		}
	}
	neighbours, err := r.neighbours(ctx, tenant)
	s.input.Neighbours = neighbours
	return s, err
}

// neighbours are the tenants of the same namespace and those that name one of the same hosts, found by index.
func (r *TenantReconciler) neighbours(ctx context.Context, tenant *v1alpha1.BookingTenant) ([]plan.Neighbour, error) {
	queries := []client.ListOption{client.InNamespace(tenant.Namespace)}
	for _, host := range tenant.Spec.Instance.Hosts {
		queries = append(queries, client.MatchingFields{hostIndex: string(host)})
	}
	var neighbours []plan.Neighbour
	for _, query := range queries {
		list := &v1alpha1.BookingTenantList{}
		if err := r.List(ctx, list, query, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing neighbours: %w", err)
		}
		for i := range list.Items {
			n := &list.Items[i]
			if n.UID == tenant.UID {
				continue
			}
			neighbours = append(neighbours, plan.Neighbour{
				Tenant: client.ObjectKeyFromObject(n), Region: n.Spec.RegionRef.Name,
				Hosts: n.Spec.Instance.Hosts, Created: n.CreationTimestamp.Time, Placed: n.Status.Database != nil,
			})
		}
	}
	return neighbours, nil
}
