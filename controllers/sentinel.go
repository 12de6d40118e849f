// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

// Sentinel turns verdicts past their validUntil to Unknown, so that a dead operator cannot leave Compliant=True
// standing. It runs as a process of its own that holds no evidence and can reach no better verdict than Unknown.
type Sentinel struct {
	client.Client
	// Grace after validUntil, so that a living operator always renews first.
	Grace time.Duration
	Now   func() time.Time
}

// Reconcile expires one tenant's verdicts, or comes back when they are due.
func (s *Sentinel) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	tenant := &v1alpha1.BookingTenant{}
	if err := s.Get(ctx, req.NamespacedName, tenant); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if tenant.Status.Compliance == nil || tenant.Status.Compliance.ValidUntil == nil {
		return ctrl.Result{}, nil
	}
	until := tenant.Status.Compliance.ValidUntil.Add(s.Grace)
	if wait := until.Sub(s.Now()); wait > 0 {
		return ctrl.Result{RequeueAfter: wait + time.Second}, nil
	}
	before := tenant.DeepCopy()
	changed := false
	for _, f := range compliance.Expire(fmt.Sprintf("nobody has renewed this verdict since it ran out at %s: is the operator running?", tenant.Status.Compliance.ValidUntil.UTC().Format(time.RFC3339))) {
		changed = meta.SetStatusCondition(&tenant.Status.Conditions, metav1.Condition{
			Type: f.Type, Status: f.Status, Reason: f.Reason, Message: f.Message, ObservedGeneration: tenant.Status.ObservedGeneration,
		}) || changed
	}
	if !changed {
		return ctrl.Result{}, nil
	}
	// The lock keeps a renewal that happened meanwhile.
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return ctrl.Result{}, client.IgnoreNotFound(s.Status().Patch(ctx, tenant, patch))
}

// SetupWithManager registers the sentinel.
func (s *Sentinel) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("sentinel").For(&v1alpha1.BookingTenant{}).Complete(s)
}
