// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// RetentionPolicyReconciler tells whether a policy can be enforced and how many tenants keep it.
type RetentionPolicyReconciler struct {
	client.Client
}

// Reconcile checks the policy and counts its tenants.
func (r *RetentionPolicyReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	policy := &v1alpha1.RetentionPolicy{}
	if err := r.Get(ctx, req.NamespacedName, policy); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	tenants := &v1alpha1.BookingTenantList{}
	if err := r.List(ctx, tenants, client.MatchingFields{policyIndex: policy.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, fmt.Errorf("listing tenants: %w", err)
	}
	before := policy.DeepCopy()
	count := int32(len(tenants.Items))
	policy.Status.Tenants, policy.Status.ObservedGeneration = &count, policy.Generation
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded,
		Message: "every rule can be enforced", ObservedGeneration: policy.Generation}
	if refusal := plan.CheckPolicy(policy); refusal != nil {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, refusal.Reason, refusal.Message
		stalled := ready
		stalled.Type, stalled.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
		meta.SetStatusCondition(&policy.Status.Conditions, stalled)
	} else {
		meta.RemoveStatusCondition(&policy.Status.Conditions, v1alpha1.ConditionStalled)
	}
	meta.SetStatusCondition(&policy.Status.Conditions, ready)
	if equality.Semantic.DeepEqual(before.Status, policy.Status) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.Status().Patch(ctx, policy, client.MergeFrom(before)))
}
