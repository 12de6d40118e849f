// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// retention: no record outlives its period, and the database enforces the periods the policy gives (invariant 3; B1).
func retention(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := Finding{Type: v1alpha1.ConditionRetentionEnforced}
	if !fresh(e.Retention, "the tenant's schema", &f, clock) {
		return f
	}
	var stored int64
	for _, c := range e.Retention.Value.Categories {
		stored += c.Rows
		if c.Overdue > 0 {
			f.fail(v1alpha1.ReasonOverdue, "%s: %d overdue", c.Category, c.Overdue)
		}
		rule := ruleOf(p, c.Category)
		switch {
		case rule == nil && c.Rows > 0:
			f.fail(v1alpha1.ReasonRuleNotApplied, "%s: %d records stored, but the policy has no rule for them", c.Category, c.Rows)
		case rule != nil && (c.Period != rule.Period || c.Action != rule.Action):
			f.fail(v1alpha1.ReasonRuleNotApplied, "%s: the database enforces %s after %s, the policy says %s after %s",
				c.Category, orNothing(c.Action), c.Period, rule.Action, v1alpha1.FormatPeriod(rule.Period))
		}
	}
	if len(e.Retention.Value.Categories) == 0 {
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the audit found no category to measure"
		return f
	}
	if f.Status == "" {
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("0 of %d records are overdue in %d categories", stored, len(e.Retention.Value.Categories))
	}
	return f
}

func ruleOf(p *plan.Plan, category v1alpha1.Category) *plan.Rule {
	for i := range p.Database.Rules {
		if p.Database.Rules[i].Category == category {
			return &p.Database.Rules[i]
		}
	}
	return nil
}

func orNothing(a v1alpha1.Action) string {
	if a == "" {
		return "nothing"
	}
	return string(a)
}
