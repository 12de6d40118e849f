// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
)

// DataRegionReconciler keeps what the jobs of a region share, and reports what was measured of the region.
type DataRegionReconciler struct {
	client.Client
	Book *evidence.Book
	// Kick asks for a measurement when a region appears or changes.
	Kick chan struct{}
	// Interval between two looks at the book.
	Interval time.Duration

	namespaces bindings
}

// Reconcile applies the region's shared objects and writes its status when something of it is news.
func (r *DataRegionReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	region := &v1alpha1.DataRegion{}
	if err := r.Get(ctx, req.NamespacedName, region); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if region.Status.ObservedGeneration != region.Generation {
		r.kick()
	} else if !r.measured(region) {
		// An operator that has just started has nothing to say against what the last one saw.
		return ctrl.Result{RequeueAfter: firstLook}, nil
	}
	before := region.DeepCopy()
	failure := r.applyShared(ctx, region)
	trusted, err := countTrusted(ctx, r.Client, region.Spec.Nodes.Label, region.Spec.Nodes.Values)
	if err != nil {
		return ctrl.Result{}, err
	}
	r.report(region, trusted, failure)
	if !equality.Semantic.DeepEqual(before.Status, region.Status) {
		if err := r.Status().Patch(ctx, region, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			return ctrl.Result{}, fmt.Errorf("reporting status: %w", err)
		}
	}
	return ctrl.Result{RequeueAfter: r.Interval}, failure
}

// measured tells whether this process has looked at every database and store of the region.
func (r *DataRegionReconciler) measured(region *v1alpha1.DataRegion) bool {
	for _, server := range region.Spec.DatabaseServers {
		for _, database := range server.Databases {
			if r.Book.Audit(plan.DatabaseKey{Region: region.Name, Server: server.Name, Database: database}).At.IsZero() {
				return false
			}
		}
	}
	return !unlisted(r.Book, region)
}

// unlisted tells whether a store of the region has not been listed yet by this process.
func unlisted(book *evidence.Book, region *v1alpha1.DataRegion) bool {
	return slices.ContainsFunc(plan.Stores(region), func(store v1alpha1.BackupStore) bool {
		return book.Listing(evidence.StoreKey{Region: region.Name, Store: store.Name}).At.IsZero()
	})
}

// kick never waits: one pending request for a measurement is enough.
func (r *DataRegionReconciler) kick() {
	select {
	case r.Kick <- struct{}{}:
	default:
	}
}

func (r *DataRegionReconciler) applyShared(ctx context.Context, region *v1alpha1.DataRegion) error {
	// Collected, since a namespace that is missing must keep no wall from going up.
	failure := r.namespaces.bind(ctx, r.Client, region.Spec.PlatformNamespace, region.Name)
	for _, object := range resources.RegionObjects(resources.PlanRegion(region)) {
		live, err := liveObject(ctx, r.Client, object)
		if err != nil {
			return err
		}
		if live != nil && resources.Matches(object.Config, live) {
			continue
		}
		if err := r.Client.Apply(ctx, object.Config, FieldOwner, client.ForceOwnership); err != nil {
			return errors.Join(failure, fmt.Errorf("applying %s: %w", object, err))
		}
	}
	return failure
}

// report fills the status from the book. Ready speaks of the region's own parts, not of its tenants.
func (r *DataRegionReconciler) report(region *v1alpha1.DataRegion, trusted int, failure error) {
	status := &region.Status
	status.ObservedGeneration = region.Generation
	nodes := int32(trusted)
	status.TrustedNodes = &nodes
	r.reportServers(region)
	problems := r.reportDatabases(region)
	problems = append(problems, r.reportStores(region)...)
	if trusted == 0 {
		problems = append(problems, fmt.Sprintf("no node carries label %s with a trusted value (%s)", region.Spec.Nodes.Label, strings.Join(region.Spec.Nodes.Values, ", ")))
	}
	if failure != nil {
		problems = append(problems, failure.Error())
	}
	meta.SetStatusCondition(&status.Conditions, r.admission(region))
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded,
		Message: "every server and store answers", ObservedGeneration: region.Generation}
	if len(problems) > 0 {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, v1alpha1.ReasonDependencyUnavailable, strings.Join(problems, "; ")
		if len(ready.Message) > 4096 {
			ready.Message = ready.Message[:4096]
		}
		reconciling := ready
		reconciling.Type, reconciling.Status = v1alpha1.ConditionReconciling, metav1.ConditionTrue
		meta.SetStatusCondition(&status.Conditions, reconciling)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionReconciling)
	}
	meta.SetStatusCondition(&status.Conditions, ready)
}

// admission tells what came of trying the region's admission policies.
func (r *DataRegionReconciler) admission(region *v1alpha1.DataRegion) metav1.Condition {
	wall := r.Book.Wall(region.Name)
	condition := metav1.Condition{Type: v1alpha1.ConditionAdmissionEnforced, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonMeasured,
		Message: "a binding to a foreign node was refused on trial", ObservedGeneration: region.Generation}
	switch {
	case wall.Err != nil:
		condition.Status, condition.Reason, condition.Message = metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed, shorten(wall.Err.Error())
	case wall.At.IsZero():
		condition.Status, condition.Reason, condition.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the admission policies have not been tried yet"
	case wall.Value.Open != "":
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, v1alpha1.ReasonAdmissionOpen, wall.Value.Open
	case wall.Value.Untried != "":
		condition.Status, condition.Reason, condition.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, wall.Value.Untried
	}
	return condition
}

func (r *DataRegionReconciler) reportDatabases(region *v1alpha1.DataRegion) (problems []string) {
	status := &region.Status
	before := status.Retained
	status.Databases, status.Retained = nil, nil
	var tenants int32
	for _, server := range region.Spec.DatabaseServers {
		for _, database := range server.Databases {
			audit := r.Book.Audit(plan.DatabaseKey{Region: region.Name, Server: server.Name, Database: database})
			entry := v1alpha1.DatabaseStatus{Server: server.Name, Database: database}
			switch {
			case audit.Err != nil:
				entry.Reachable, entry.Message = metav1.ConditionFalse, shorten(audit.Err.Error())
				problems = append(problems, fmt.Sprintf("database %s of server %s: %s", database, server.Name, entry.Message))
			case audit.At.IsZero():
				entry.Reachable = metav1.ConditionUnknown
				problems = append(problems, fmt.Sprintf("database %s of server %s has not been audited yet", database, server.Name))
			default:
				entry.Reachable = metav1.ConditionTrue
				count := int32(len(audit.Records))
				entry.Tenants = &count
				tenants += count
				status.Retained = append(status.Retained, retainedOf(audit)...)
			}
			status.Databases = append(status.Databases, entry)
		}
	}
	status.Tenants = &tenants
	slices.SortFunc(status.Retained, func(a, b v1alpha1.RetainedData) int { return a.Since.Compare(b.Since.Time) })
	status.Retained = status.Retained[:min(len(status.Retained), 100)]
	for i := range status.Retained {
		r.reportKept(&status.Retained[i], before)
	}
	return problems
}

// reportKept tells of a removed tenant's jobs; an operator that has just started goes on telling what the last one saw.
func (r *DataRegionReconciler) reportKept(entry *v1alpha1.RetainedData, before []v1alpha1.RetainedData) {
	if kept, looked := r.Book.Kept(entry.DataID); looked {
		entry.Jobs, entry.Incidents = kept.Jobs, kept.Incidents
		return
	}
	entry.Jobs, entry.Incidents = metav1.ConditionUnknown, incidentsOf(before, entry.DataID)
}

func retainedOf(audit evidence.Audit) []v1alpha1.RetainedData {
	var retained []v1alpha1.RetainedData
	for _, record := range audit.Records {
		if record.RetainedUntil == nil || record.RetainedSince == nil {
			continue
		}
		entry := v1alpha1.RetainedData{
			DataID: record.DataID, Namespace: record.Tenant.Namespace, Name: record.Tenant.Name,
			Since: timeOf(*record.RetainedSince), Until: timeOf(*record.RetainedUntil),
		}
		if record.Err == nil {
			var overdue int64
			for _, c := range record.Retention.Categories {
				overdue += c.Overdue
			}
			entry.Overdue = &overdue
		}
		retained = append(retained, entry)
	}
	return retained
}

// shorten keeps a message within the bounds of its field.
func shorten(message string) string { return message[:min(len(message), 512)] }
