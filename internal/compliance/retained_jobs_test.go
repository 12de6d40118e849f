// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

// Invariants 1 and 4, for what is kept of a removed tenant.
func TestTheJobsOfARemovedTenantAreHeldToTheirPromise(t *testing.T) {
	job := compliance.KeptJob{What: "CronJob termintreu-ch/tabc-expiry", Where: "termintreu-ch", Bound: true}
	pod := compliance.Placement{What: "Pod termintreu-ch/tabc-expiry-1", Bound: true, Node: "ch-1", NodeValue: "ch"}
	for name, c := range map[string]struct {
		change  func(*compliance.KeptJob, *compliance.Placement)
		reasons []string
	}{
		"as they must be": {func(*compliance.KeptJob, *compliance.Placement) {}, nil},
		"deleted":         {func(j *compliance.KeptJob, _ *compliance.Placement) { j.Missing, j.Bound = true, false }, []string{v1alpha1.ReasonJobMissing}},
		"suspended":       {func(j *compliance.KeptJob, _ *compliance.Placement) { j.Suspended = true }, []string{v1alpha1.ReasonJobSuspended}},
		"anywhere":        {func(j *compliance.KeptJob, _ *compliance.Placement) { j.Bound = false }, []string{v1alpha1.ReasonPlacementUnenforced}},
		"both": {func(j *compliance.KeptJob, _ *compliance.Placement) { j.Suspended, j.Bound = true, false },
			[]string{v1alpha1.ReasonJobSuspended, v1alpha1.ReasonPlacementUnenforced}},
		"on a foreign node": {func(_ *compliance.KeptJob, p *compliance.Placement) { p.NodeValue = "de" }, []string{v1alpha1.ReasonForeignNode}},
	} {
		t.Run(name, func(t *testing.T) {
			j, p := job, pod
			c.change(&j, &p)
			f := compliance.Kept(&baselPlan().Region, []compliance.KeptJob{j}, []compliance.Placement{p})
			var reasons []string
			for _, v := range f.Violations {
				reasons = append(reasons, v.Reason)
			}
			if !slices.Equal(reasons, c.reasons) || (f.Status == metav1.ConditionFalse) != (len(c.reasons) > 0) {
				t.Errorf("it is %s: %v, want %v", f.Status, reasons, c.reasons)
			}
		})
	}
}

func TestTheHistoryOfARemovedTenantIsShortAndKeepsWhatLasts(t *testing.T) {
	history, healed := compliance.History{}, metav1.NewTime(now)
	for n := range 9 {
		incident := v1alpha1.Incident{What: string(rune('a' + n)), NoticedAt: metav1.NewTime(ago(time.Duration(n) * time.Minute)), HealedAt: &healed}
		if n == 8 {
			incident.HealedAt = nil
		}
		history.All = append(history.All, incident)
	}
	before := slices.Clone(history.All)
	short := compliance.ShortHistory(history)
	if !reflect.DeepEqual(history.All, before) {
		t.Errorf("it took from whoever has the whole: %v", history.All)
	}
	if len(short) != 4 || short[0].What != "a" || short[3].What != "i" {
		t.Errorf("it keeps %v", short)
	}
}
