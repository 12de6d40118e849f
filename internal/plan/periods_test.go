// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// B2: anything that archives the database is under the same cap as its backups.
func TestCheckCapsCopiesOthersMakeOfAServer(t *testing.T) {
	for name, c := range map[string]struct {
		period v1alpha1.Period
		reason string
	}{
		"as long as backups":       {"90d", ""},
		"a day longer":             {"91d", v1alpha1.ReasonOtherCopiesTooLong},
		"a period nobody can read": {"3M", v1alpha1.ReasonInvalidPeriod},
	} {
		t.Run(name, func(t *testing.T) {
			in := soundInput(t)
			in.Region = in.Region.DeepCopy()
			in.Region.Spec.DatabaseServers[0].OtherCopies = []v1alpha1.OtherCopy{{Name: "wal", Kind: "WALArchive", Period: c.period}}
			refusal := plan.Check(in)
			if c.reason == "" {
				if refusal != nil {
					t.Errorf("refused: %s", refusal.Message)
				}
				return
			}
			if refusal == nil || refusal.Reason != c.reason || !strings.Contains(refusal.Message, "wal") {
				t.Errorf("the refusal is %+v, want %s", refusal, c.reason)
			}
		})
	}
}

func TestCheckRefusesWhatHangsOnAnAppointmentForLongerThanIt(t *testing.T) {
	for _, category := range []v1alpha1.Category{v1alpha1.CategoryContact, v1alpha1.CategoryMessage, v1alpha1.CategoryAttachment} {
		in := soundInput(t)
		in.Policy = in.Policy.DeepCopy()
		rules := in.Policy.Spec.Rules[:0:0]
		for _, rule := range in.Policy.Spec.Rules {
			if rule.Category != category {
				rules = append(rules, rule)
			}
		}
		// A day longer than the appointment, and within what every processor may keep.
		in.Policy.Spec.Backup.Period = "80d"
		in.Policy.Spec.Rules = append(rules, v1alpha1.RetentionRule{
			Category: category, StartEvent: v1alpha1.StartAppointmentEnd, Period: "31d", Action: v1alpha1.ActionDelete,
		})
		refusal := plan.Check(in)
		if refusal == nil || refusal.Reason != v1alpha1.ReasonInvalidPeriod || !strings.Contains(refusal.Message, string(category)) {
			t.Errorf("%s kept longer than its appointment gives %+v", category, refusal)
		}
	}
}

// Two years of data and one-year backups make three years; a check that held each against the limit by itself would let
// them pass.
func TestCheckAddsTheLifeOfBackupsToThatOfTheData(t *testing.T) {
	in := soundInput(t)
	in.Policy, in.Region = in.Policy.DeepCopy(), in.Region.DeepCopy()
	limit := v1alpha1.Period("1094d")
	in.Region.Spec.DatabaseServers[0].Processor.MaximumPeriod = &limit
	for i := range in.Region.Spec.BackupStores {
		in.Region.Spec.BackupStores[i].Processor.MaximumPeriod = nil
	}
	for i := range in.Policy.Spec.Rules {
		if in.Policy.Spec.Rules[i].StartEvent == v1alpha1.StartAppointmentEnd {
			in.Policy.Spec.Rules[i].Period = "730d"
		}
	}
	in.Policy.Spec.Backup.Period = "365d"
	most, err := limit.Duration()
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []v1alpha1.Period{"730d", in.Policy.Spec.Backup.Period} {
		if alone, err := part.Duration(); err != nil || alone > most {
			t.Errorf("%s alone is over %s (%v), so that the naive check would find this out as well", part, limit, err)
		}
	}
	refusal := plan.Check(in)
	if refusal == nil || refusal.Reason != v1alpha1.ReasonPolicyExceedsProcessor || !strings.Contains(refusal.Message, "730d") || !strings.Contains(refusal.Message, "365d more") {
		t.Errorf("three years within a limit of %s give %+v", limit, refusal)
	}
	limit = "1095d"
	if refusal := plan.Check(in); refusal != nil {
		t.Errorf("three years within a limit of %s are refused: %s", limit, refusal.Message)
	}
}
