// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// judgeRestoreTest asks whether a backup was restored and found equal, not too long ago: copies nobody ever restored
// are a hope. What was proven stays proven while the database cannot be asked; that nothing was is known only from it.
func judgeRestoreTest(p *plan.Plan, e *Evidence, f *Finding, clock Clock) (unknown []Finding) {
	if p.Backup.RestoreTestEvery == 0 {
		return nil
	}
	test, probe := e.Retention.Value.RestoreTest, Finding{}
	if test == nil || test.ProvenAt == nil && test.Differing == 0 {
		if fresh(e.Retention, "whether a backup was ever restored", &probe, clock) {
			probe.Status, probe.Reason = metav1.ConditionUnknown, v1alpha1.ReasonRestoreUntested
			probe.Message = "no backup was restored on trial yet: the next one will be; if the last was to be, the result of its Job says why it was not"
		}
		return []Finding{probe}
	}
	if test.Differing > 0 {
		f.fail(v1alpha1.ReasonRestoreDiffers, "the backup restored on trial at %s differs from what it was taken from in %d tables: see the result of the backup's Job, and do not rely on this backup alone",
			stamp(test.TestedAt), test.Differing)
		return nil
	}
	// A trial comes with a backup, so that it may be late by as much.
	until := test.ProvenAt.Add(p.Backup.RestoreTestEvery + p.Backup.MaximumAge)
	if !until.After(clock.Now) {
		return []Finding{{
			Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonRestoreUntested,
			Message: fmt.Sprintf("a backup was last restored on trial at %s, and the policy asks for one every %s: the result of the backup's Job says why there was none since",
				stamp(*test.ProvenAt), v1alpha1.FormatPeriod(p.Backup.RestoreTestEvery)),
		}}
	}
	f.support(until)
	return nil
}
