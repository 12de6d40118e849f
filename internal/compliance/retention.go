// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	if columns := e.Retention.Value.Unmapped; len(columns) > 0 {
		f.fail(v1alpha1.ReasonUncoveredColumn, "no category covers the columns %s, so that nothing deletes what they hold", some(columns))
	}
	if e.Retention.Value.ScratchLeft {
		f.fail(v1alpha1.ReasonScratchLeft, "a restore on trial was killed and left a copy of the data in its scratch schema: the next backup takes it away; start one by `kubectl create job --from=cronjob/%s-backup`", p.DataID)
	}
	if waiting := e.Retention.Value.Erasures; waiting != nil && waiting.Overdue > 0 {
		f.fail(v1alpha1.ReasonErasureOverdue, "%d erasures citizens asked for are hidden and wait for a store to have their journal for longer than %s, the oldest since %s: "+
			"the next backup that reaches a store carries them out; the result of the backup's Job says which store refuses", waiting.Overdue, v1alpha1.FormatPeriod(p.Backup.MaximumAge), stampOf(waiting.Oldest))
	}
	if pause := p.Database.Suspension; pause != nil && pause.Until.After(clock.Now) {
		f.fail(v1alpha1.ReasonSuspended, "deletion is suspended until %s: %s", stamp(pause.Until), pause.Reason)
	}
	var stored int64
	for _, c := range e.Retention.Value.Categories {
		stored += c.Rows
		if c.Overdue > 0 {
			f.fail(v1alpha1.ReasonOverdue, "%s: %d overdue%s", c.Category, c.Overdue, waiting(&c))
		}
		if c.SuspendedUntil != nil && p.Database.Suspension == nil && c.SuspendedUntil.After(clock.Now) {
			f.fail(v1alpha1.ReasonRuleNotApplied, "%s: the database suspends deletion, the policy does not", c.Category)
		}
		rule := ruleOf(p, c.Category)
		switch {
		case rule == nil && c.Rows > 0:
			f.fail(v1alpha1.ReasonRuleNotApplied, "%s: %d records stored, but the policy has no rule for them", c.Category, c.Rows)
		case rule != nil && (c.Period != rule.Period || c.Action != rule.Action):
			f.fail(v1alpha1.ReasonRuleNotApplied, "%s: the database enforces %s, the policy says %s",
				c.Category, promise(c.Action, c.Period), promise(rule.Action, rule.Period))
		case rule != nil && rule.ArchivePeriod > 0 && c.Archived != nil && c.Archived.Period != rule.ArchivePeriod:
			f.fail(v1alpha1.ReasonRuleNotApplied, "%s: the database has it archived for %s, the policy says %s",
				c.Category, v1alpha1.FormatPeriod(c.Archived.Period), v1alpha1.FormatPeriod(rule.ArchivePeriod))
		}
	}
	if len(e.Retention.Value.Categories) == 0 {
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the audit found no category to measure"
		return f
	}
	if missing := unaudited(p, e.Retention.Value.Categories); f.Status == "" && len(missing) > 0 {
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, fmt.Sprintf("the audit says nothing of %v", missing)
		return f
	}
	if f.Status == "" && e.Retention.Value.Erasures == nil && ruleOf(p, v1alpha1.CategoryErasureJournal) != nil {
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the audit does not say how long erasures wait"
		return f
	}
	if f.Status == "" {
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("0 of %d records are overdue in %d categories", stored, len(e.Retention.Value.Categories)) + declared(p)
	}
	return f
}

// waiting says why records that must be handed over are still there: what no archive has shown is never deleted (T8).
func waiting(c *Category) string {
	switch {
	case c.Action != v1alpha1.ActionArchive:
		return ""
	case c.Archived != nil && c.Archived.Failure != "":
		return ", since an archive did not take them: " + c.Archived.Failure
	}
	return ", which wait to be handed over"
}

// declared names what nobody can observe from the cluster, and as what it is known.
func declared(p *plan.Plan) string {
	var copies []string
	for _, c := range p.Database.Server.OtherCopies {
		copies = append(copies, fmt.Sprintf("%s %s", c.Name, c.Period))
	}
	if len(copies) == 0 {
		return ""
	}
	return "; Declared, not observed: other copies of the server (" + strings.Join(copies, ", ") + ")"
}

// some names the first few of many.
func some(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}

// alwaysStored are the categories every release's schema holds; an audit that leaves one out has not seen all.
var alwaysStored = []v1alpha1.Category{
	v1alpha1.CategoryHold, v1alpha1.CategoryUnconfirmedBooking, v1alpha1.CategoryContact, v1alpha1.CategoryAppointment, v1alpha1.CategoryMailOutbox,
}

// unaudited lists what the policy rules and every schema stores, but the audit did not count.
func unaudited(p *plan.Plan, audited []Category) []v1alpha1.Category {
	var missing []v1alpha1.Category
	for _, category := range alwaysStored {
		counted := slices.ContainsFunc(audited, func(c Category) bool { return c.Category == category })
		if !counted && ruleOf(p, category) != nil {
			missing = append(missing, category)
		}
	}
	return missing
}

func ruleOf(p *plan.Plan, category v1alpha1.Category) *plan.Rule {
	for i := range p.Database.Rules {
		if p.Database.Rules[i].Category == category {
			return &p.Database.Rules[i]
		}
	}
	return nil
}

func promise(action v1alpha1.Action, period time.Duration) string {
	if period == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%s after %s", action, v1alpha1.FormatPeriod(period))
}
