// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

// retentionStatus answers an auditor: which revision of the policy, since when, what is oldest of each category, when
// it was checked and by what.
func retentionStatus(s *scope) *v1alpha1.RetentionStatus {
	sample := s.evidence.Retention
	out := &v1alpha1.RetentionStatus{MeasuredAt: timeOf(sample.At)}
	if sample.Err != nil || sample.At.IsZero() {
		return out
	}
	out.MeasuredBy = "termintreu-operator in database " + s.plan.Database.Name + " of server " + s.plan.Database.Server.Name
	var overdue int64
	for i := range sample.Value.Categories {
		c := &sample.Value.Categories[i]
		overdue += c.Overdue
		if c.SuspendedUntil != nil && c.SuspendedUntil.After(s.now) {
			out.SuspendedUntil = timeOf(*c.SuspendedUntil)
		}
		if c.Period > 0 || c.Rows > 0 {
			out.Categories = append(out.Categories, categoryEvidence(c))
		}
	}
	out.Overdue = &overdue
	if waiting := sample.Value.Erasures; waiting != nil && waiting.Waiting > 0 {
		out.Erasures = &v1alpha1.ErasureEvidence{Waiting: waiting.Waiting, Overdue: waiting.Overdue, Oldest: timeAt(waiting.Oldest)}
	}
	out.Policy = enforced(s, sample.Value.Categories)
	out.LastPurge = timeAt(sample.Value.LastPurge)
	for _, run := range sample.Value.Runs {
		out.Runs = append(out.Runs, v1alpha1.PurgeRun{StartedAt: *timeOf(run.StartedAt), FinishedAt: timeAt(run.FinishedAt), Removed: run.Removed})
	}
	return out
}

func categoryEvidence(c *compliance.Category) v1alpha1.CategoryEvidence {
	entry := v1alpha1.CategoryEvidence{
		Category: c.Category, Overdue: &c.Overdue, Removed: &c.Removed, Held: &c.Held,
		Oldest: timeAt(c.Oldest), LastRun: timeAt(c.LastRun), NextDue: timeAt(c.NextDue),
	}
	if c.Period > 0 {
		entry.Period = v1alpha1.FormatPeriod(c.Period)
	}
	if a := c.Archived; a != nil {
		entry.Archived = &v1alpha1.ArchivedEvidence{Records: &a.Records, LastRun: timeAt(a.At), Until: timeAt(a.Until), Failure: a.Failure}
	}
	return entry
}

// enforced names the policy's revision only when every rule of the plan was found in the database as it is.
func enforced(s *scope, categories []compliance.Category) *v1alpha1.EnforcedPolicy {
	if s.input.Policy == nil {
		return nil
	}
	found := map[v1alpha1.Category]*compliance.Category{}
	for i := range categories {
		found[categories[i].Category] = &categories[i]
	}
	var since time.Time
	for _, rule := range s.plan.Database.Rules {
		if !stored(rule.Category) {
			continue
		}
		c := found[rule.Category]
		if c == nil || c.Period != rule.Period || c.Action != rule.Action {
			return nil
		}
		if c.Since != nil && c.Since.After(since) {
			since = *c.Since
		}
	}
	return &v1alpha1.EnforcedPolicy{Name: s.input.Policy.Name, Generation: s.input.Policy.Generation, Since: timeOf(since)}
}
