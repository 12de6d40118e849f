// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
)

// B1: deleted 30 days after the appointment, and the number auditors look at first is named.
func TestRetentionIsWhatTheAuditCounts(t *testing.T) {
	contact := func(change func(*compliance.Category)) func(*plan.Plan, *compliance.Evidence) {
		return func(_ *plan.Plan, e *compliance.Evidence) { change(category(e, v1alpha1.CategoryContact)) }
	}
	expectVerdicts(t, v1alpha1.ConditionRetentionEnforced, map[string]verdict{
		"nothing overdue": {func(*plan.Plan, *compliance.Evidence) {}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, []string{"0 of 15 records are overdue in 5 categories"}},
		"one contact overdue": {contact(func(c *compliance.Category) { c.Overdue = 1 }), metav1.ConditionFalse, v1alpha1.ReasonOverdue,
			[]string{"Contact: 1 overdue"}},
		"two categories overdue": {func(_ *plan.Plan, e *compliance.Evidence) {
			category(e, v1alpha1.CategoryContact).Overdue, category(e, v1alpha1.CategoryHold).Overdue = 2, 7
		}, metav1.ConditionFalse, v1alpha1.ReasonOverdue, []string{"Contact: 2 overdue", "Hold: 7 overdue"}},
		"the database keeps longer than the policy": {contact(func(c *compliance.Category) { c.Period = 31 * days }), metav1.ConditionFalse, v1alpha1.ReasonRuleNotApplied,
			[]string{"Contact: the database enforces Delete after 31d, the policy says Delete after 30d"}},
		"the database does something else": {contact(func(c *compliance.Category) { c.Action = v1alpha1.ActionAnonymize }), metav1.ConditionFalse, v1alpha1.ReasonRuleNotApplied,
			[]string{"enforces Anonymize after 30d", "says Delete after 30d"}},
		"the database has no rule": {contact(func(c *compliance.Category) { c.Period, c.Action = 0, "" }), metav1.ConditionFalse, v1alpha1.ReasonRuleNotApplied,
			[]string{"Contact: the database enforces nothing"}},
		"stored without any rule (M3)": {func(_ *plan.Plan, e *compliance.Evidence) {
			e.Retention.Value.Categories = append(e.Retention.Value.Categories, compliance.Category{Category: v1alpha1.CategoryMessage, Rows: 4})
		}, metav1.ConditionFalse, v1alpha1.ReasonRuleNotApplied, []string{"Message: 4 records stored, but the policy has no rule for them"}},
		"a category without rule or record": {func(_ *plan.Plan, e *compliance.Evidence) {
			e.Retention.Value.Categories = append(e.Retention.Value.Categories, compliance.Category{Category: v1alpha1.CategoryAccessLog})
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"the audit leaves contacts out": {func(_ *plan.Plan, e *compliance.Evidence) {
			e.Retention.Value.Categories = slices.DeleteFunc(e.Retention.Value.Categories, func(c compliance.Category) bool { return c.Category == v1alpha1.CategoryContact })
		}, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"says nothing of [Contact]"}},
		"a column nobody classified (M3)": {func(_ *plan.Plan, e *compliance.Evidence) { e.Retention.Value.Unmapped = []string{"contact.birthday"} },
			metav1.ConditionFalse, v1alpha1.ReasonUncoveredColumn, []string{"no category covers the columns contact.birthday"}},
		"deletion suspended (SDM 60 P06)": {func(p *plan.Plan, _ *compliance.Evidence) {
			p.Database.Suspension = &plan.Suspension{Reason: "order 7 O 12/26", Until: ago(-time.Hour)}
		}, metav1.ConditionFalse, v1alpha1.ReasonSuspended, []string{"deletion is suspended until", "order 7 O 12/26"}},
		"a suspension that is over": {func(p *plan.Plan, _ *compliance.Evidence) {
			p.Database.Suspension = &plan.Suspension{Reason: "order 7 O 12/26", Until: ago(time.Hour)}
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"a database that suspends what no policy does": {contact(func(c *compliance.Category) { until := ago(-time.Hour); c.SuspendedUntil = &until }),
			metav1.ConditionFalse, v1alpha1.ReasonRuleNotApplied, []string{"Contact: the database suspends deletion"}},
		"documents that wait for an archive (T8)": {contact(func(c *compliance.Category) { c.Action, c.Overdue = v1alpha1.ActionArchive, 3 }),
			metav1.ConditionFalse, v1alpha1.ReasonOverdue, []string{"Contact: 3 overdue, which wait to be handed over"}},
		"documents an archive did not take": {contact(func(c *compliance.Category) {
			c.Action, c.Overdue, c.Archived = v1alpha1.ActionArchive, 3, &compliance.Archived{Failure: "statutory: LockIgnored"}
		}), metav1.ConditionFalse, v1alpha1.ReasonOverdue, []string{"did not take them: statutory: LockIgnored"}},
		"a database that has it archived for another time": {func(p *plan.Plan, e *compliance.Evidence) {
			for i := range p.Database.Rules {
				if rule := &p.Database.Rules[i]; rule.Category == v1alpha1.CategoryContact {
					rule.Action, rule.ArchivePeriod = v1alpha1.ActionArchive, 3650*days
				}
			}
			c := category(e, v1alpha1.CategoryContact)
			c.Action, c.Archived = v1alpha1.ActionArchive, &compliance.Archived{Period: 365 * days}
		}, metav1.ConditionFalse, v1alpha1.ReasonRuleNotApplied, []string{"archived for 365d, the policy says 3650d"}},
		"copies nobody can observe": {func(p *plan.Plan, _ *compliance.Evidence) {
			p.Database.Server.OtherCopies = []v1alpha1.OtherCopy{{Name: "wal", Kind: "WALArchive", Period: "7d"}}
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, []string{"Declared, not observed", "wal 7d"}},
		"an audit of nothing":   {func(_ *plan.Plan, e *compliance.Evidence) { e.Retention.Value.Categories = nil }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"no category"}},
		"never audited":         {func(_ *plan.Plan, e *compliance.Evidence) { e.Retention.At = time.Time{} }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, []string{"not been measured yet"}},
		"audited too long ago":  {func(_ *plan.Plan, e *compliance.Evidence) { e.Retention.At = ago(time.Hour) }, metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale, []string{"too long ago"}},
		"the last audit failed": {func(_ *plan.Plan, e *compliance.Evidence) { e.Retention.Err = errors.New("no route") }, metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed, []string{"no route"}},
	})
}
