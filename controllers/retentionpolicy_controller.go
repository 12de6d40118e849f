// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
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
	"github.com/termintreu/termintreu/internal/plan"
)

// RetentionPolicyReconciler tells whether a policy can be enforced and how many tenants keep it, and remembers how its
// periods changed. While tenants keep it, an admission policy refuses to delete it by that number: the operator itself
// has no right to change a policy, not even to add a finalizer.
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
	remember(policy, time.Now())
	judgePolicy(policy)
	if equality.Semantic.DeepEqual(before.Status, policy.Status) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(r.Status().Patch(ctx, policy, client.MergeFrom(before)))
}

func judgePolicy(policy *v1alpha1.RetentionPolicy) {
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded,
		Message: "every rule can be enforced", ObservedGeneration: policy.Generation}
	refusal := plan.CheckPolicy(policy)
	if refusal == nil {
		meta.RemoveStatusCondition(&policy.Status.Conditions, v1alpha1.ConditionStalled)
	} else {
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, refusal.Reason, refusal.Message
		stalled := ready
		stalled.Type, stalled.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
		meta.SetStatusCondition(&policy.Status.Conditions, stalled)
	}
	meta.SetStatusCondition(&policy.Status.Conditions, ready)
}

// remember notes in the history which periods changed since they were last seen, newest first.
func remember(policy *v1alpha1.RetentionPolicy, now time.Time) {
	seen := map[v1alpha1.Category]v1alpha1.Period{}
	for _, p := range policy.Status.Periods {
		seen[p.Category] = p.Period
	}
	periods := make([]v1alpha1.PolicyPeriod, 0, len(policy.Spec.Rules))
	var changes []v1alpha1.PolicyChange
	note := func(category v1alpha1.Category, from, to v1alpha1.Period) {
		if from == to || len(seen) == 0 {
			return
		}
		change := v1alpha1.PolicyChange{At: *timeOf(now), Generation: policy.Generation, Category: category, From: from, To: to}
		before, errBefore := from.Duration()
		after, errAfter := to.Duration()
		if errBefore == nil && errAfter == nil && after > before {
			change.Reason = policy.Spec.ChangeReason
		}
		changes = append(changes, change)
	}
	for _, rule := range policy.Spec.Rules {
		note(rule.Category, seen[rule.Category], rule.Period)
		periods = append(periods, v1alpha1.PolicyPeriod{Category: rule.Category, Period: rule.Period})
	}
	for _, p := range policy.Status.Periods {
		if !slices.ContainsFunc(policy.Spec.Rules, func(rule v1alpha1.RetentionRule) bool { return rule.Category == p.Category }) {
			note(p.Category, p.Period, "")
		}
	}
	slices.SortFunc(periods, func(a, b v1alpha1.PolicyPeriod) int { return strings.Compare(string(a.Category), string(b.Category)) })
	history := append(changes, policy.Status.History...)
	policy.Status.Periods, policy.Status.History = periods, history[:min(len(history), v1alpha1.MaxPolicyHistory)]
}
