// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

// archived makes a sound input's policy archive attachments, in a region that can.
func archived(in *plan.Input) {
	in.Policy.Spec.Rules = append(in.Policy.Spec.Rules, v1alpha1.RetentionRule{
		Category: v1alpha1.CategoryAttachment, StartEvent: v1alpha1.StartAppointmentEnd, Period: "30d", Action: v1alpha1.ActionArchive,
		Archive: &v1alpha1.ArchiveRule{Period: "3650d", LegalBasis: "§ 147 Abs. 3 AO"}, ApprovedOn: day(-60),
	})
	in.Region.Spec.Archives = []v1alpha1.BackupStore{{
		Name: "statutory", Endpoint: "https://statutory.example.org", Bucket: "archive", SigningRegion: "ch-1", CABundle: "PEM statutory",
		ObjectLock: v1alpha1.ObjectLockRequired, EndpointCIDRs: []v1alpha1.CIDR{"192.0.2.40/32"}, Processor: v1alpha1.Processor{Name: "Archiv AG", Country: "CH"},
	}}
}

func last(in *plan.Input) *v1alpha1.RetentionRule {
	return &in.Policy.Spec.Rules[len(in.Policy.Spec.Rules)-1]
}

// T8: what cannot be handed over is refused before anything is stored under the promise.
func TestCheckRefusesAnArchiveThatCannotBe(t *testing.T) {
	spoiled := func(spoil func(*plan.Input)) func(*plan.Input) {
		return func(in *plan.Input) { archived(in); spoil(in) }
	}
	expectRefusals(t, map[string]wrong{
		"a region without one": {spoiled(func(in *plan.Input) { in.Region.Spec.Archives = nil }),
			v1alpha1.ReasonNoArchive, []string{"hands Attachment over", "DataRegion ch declares none", "spec.archives"}},
		"a category that holds no document": {spoiled(func(in *plan.Input) { last(in).Category = v1alpha1.CategorySignatureBiometrics }),
			v1alpha1.ReasonInvalidPeriod, []string{"only documents are handed over", "use Delete"}},
		"an action without what the law asks": {spoiled(func(in *plan.Input) { last(in).Archive = nil }),
			v1alpha1.ReasonInvalidPeriod, []string{"archive and the action Archive go together"}},
		"an archive without the action": {spoiled(func(in *plan.Input) { last(in).Action = v1alpha1.ActionDelete }),
			v1alpha1.ReasonInvalidPeriod, []string{"archive and the action Archive go together"}},
		"a period the database's own outlives": {spoiled(func(in *plan.Input) { last(in).Archive.Period = "30d" }),
			v1alpha1.ReasonInvalidPeriod, []string{"make archive.period the longer one"}},
		"a period nobody can read": {spoiled(func(in *plan.Input) { last(in).Archive.Period = "10y" }),
			v1alpha1.ReasonInvalidPeriod, []string{"rule Attachment, archive", "such as 60m, 12h or 30d"}},
		"a processor that may not keep it": {spoiled(func(in *plan.Input) {
			in.Region.Spec.Archives[0].Processor.MaximumPeriod = pointer(v1alpha1.Period("3649d"))
		}), v1alpha1.ReasonPolicyExceedsProcessor, []string{"archived for 3650d", "archive statutory"}},
	})
}

func TestAPlanWithAnArchiveSaysSoEverywhere(t *testing.T) {
	in := soundInput(t)
	archived(&in)
	if refusal := plan.Check(in); refusal != nil {
		t.Fatalf("refused with %s: %s", refusal.Reason, refusal.Message)
	}
	p, err := plan.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	if p.Archive == nil || len(p.Archive.Settings.Stores) != 1 || p.Archive.Settings.Stores[0].Prefix != p.DataID+"/" || p.Archive.Settings.PlanHash == "" ||
		!slices.Equal(p.Archive.Settings.Recipients, p.Backup.Settings.Recipients) {
		t.Errorf("the hand-over is %+v", p.Archive)
	}
	if rule := p.Database.Rules[len(p.Database.Rules)-1]; rule.ArchivePeriod != 3650*24*time.Hour {
		t.Errorf("the database enforces %+v", rule)
	}
	// Published = enforced (invariant 8).
	notice := p.Instance.Settings.Notice
	if rule := notice.Rules[len(notice.Rules)-1]; rule.ArchivePeriod != "3650d" || rule.ArchiveBasis != "§ 147 Abs. 3 AO" {
		t.Errorf("the notice says %+v", rule)
	}
	if !slices.ContainsFunc(notice.Processors, func(p settings.Processor) bool {
		return p.Function == settings.FunctionArchive && p.Name == "Archiv AG"
	}) {
		t.Error("the notice does not name who runs the archive")
	}
	if !slices.ContainsFunc(p.Processors, func(u plan.ProcessorUse) bool { return u.Where == "archive statutory" }) {
		t.Error("nobody asks whether the archive's processor is permitted")
	}
}

// A plan that hands nothing over is what it was: no hash of a release before changes for it.
func TestAPlanWithoutAnArchiveRuleHasNone(t *testing.T) {
	in := soundInput(t)
	before, err := plan.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	archived(&in)
	in.Policy = soundPolicy()
	after, err := plan.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	if after.Archive != nil || len(after.Archives()) != 0 {
		t.Error("an archive nobody hands over to is part of the plan")
	}
	if before.Instance.Settings.PlanHash != after.Instance.Settings.PlanHash || !strings.Contains(plan.UseOf(in.Region, "statutory"), "archive") {
		t.Error("an archive in the region changes plans that do not use it")
	}
}

// A tenant that ends is planned unchecked: a job without an archive could only fail.
func TestAPlanWhoseRegionGaveItsArchivesUpHasNone(t *testing.T) {
	in := soundInput(t)
	archived(&in)
	in.Region.Spec.Archives = nil
	p, err := plan.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	if p.Archive != nil || len(p.Archives()) != 0 {
		t.Errorf("a hand-over to no archive is planned: %+v", p.Archive)
	}
}
