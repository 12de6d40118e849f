// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

func mustBuild(tb testing.TB, in plan.Input) *plan.Plan {
	tb.Helper()
	p, err := plan.Build(in)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func expectEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n got %+v\nwant %+v", what, got, want)
	}
}

func TestBuildTurnsPeriodsIntoLengths(t *testing.T) {
	p := mustBuild(t, soundInput(t))
	days := 24 * time.Hour
	expectEqual(t, "rules", p.Database.Rules, []plan.Rule{
		{Category: v1alpha1.CategoryHold, StartEvent: v1alpha1.StartCreation, Period: 15 * time.Minute, Action: v1alpha1.ActionDelete},
		{Category: v1alpha1.CategoryContact, StartEvent: v1alpha1.StartAppointmentEnd, Period: 30 * days, Action: v1alpha1.ActionDelete},
		{Category: v1alpha1.CategoryAppointment, StartEvent: v1alpha1.StartAppointmentEnd, Period: 30 * days, Action: v1alpha1.ActionAnonymize},
		{Category: v1alpha1.CategoryTenantData, StartEvent: v1alpha1.StartContractEnd, Period: 365 * days, Action: v1alpha1.ActionDelete},
	})
	expectEqual(t, "tolerance", p.Database.Tolerance, 2*days)
	expectEqual(t, "backups", []time.Duration{p.Backup.Period, p.Backup.MaximumAge, p.Backup.Tolerance}, []time.Duration{90 * days, 13 * time.Hour, 2 * days})
	expectEqual(t, "schedules", []string{p.Backup.Schedule, p.Backup.TimeZone, p.Purge.Schedule, p.Purge.TimeZone},
		[]string{"0 */12 * * *", "Europe/Zurich", "15 2 * * *", "Europe/Zurich"})
	expectEqual(t, "since", p.Backup.Since, now.Add(-48*time.Hour))
}

func TestBuildGivesEveryOperandTheSameDatabaseAndPlan(t *testing.T) {
	p := mustBuild(t, soundInput(t))
	want := settings.Database{Host: "pg-1.example.org", Port: 5432, Name: "appointments_1", Schema: "tabcdefghijklmno", CABundle: "PEM pg-1"}
	for operand, got := range map[string]settings.Database{
		"instance": p.Instance.Settings.Database, "purge": p.Purge.Settings.Database, "backup": p.Backup.Settings.Database,
	} {
		expectEqual(t, operand, got, want)
	}
	hash := p.Purge.Settings.PlanHash
	if hash == "" || p.Instance.Settings.PlanHash != hash || p.Backup.Settings.PlanHash != hash {
		t.Errorf("the operands serve plans %q, %q and %q", hash, p.Instance.Settings.PlanHash, p.Backup.Settings.PlanHash)
	}
}

// B2: as many copies as asked for, each at another store, each bound to the tenant's prefix.
func TestBuildUsesAsManyStoresAsCopiesAreAsked(t *testing.T) {
	in := soundInput(t)
	p := mustBuild(t, in)
	expectEqual(t, "stores", p.Backup.Settings.Stores, []settings.Store{
		{Name: "bern", Endpoint: "https://bern.example.org", Bucket: "backups", SigningRegion: "ch-1", CABundle: "PEM bern", Prefix: "tabcdefghijklmno/"},
		{Name: "zug", Endpoint: "https://zug.example.org", Bucket: "backups", SigningRegion: "ch-1", CABundle: "PEM zug", Prefix: "tabcdefghijklmno/"},
	})
	expectEqual(t, "judged stores", len(p.Backup.Stores), 2)
	expectEqual(t, "recipients", p.Backup.Settings.Recipients, []string{string(in.Tenant.Spec.Backup.Recipients[0])})
	expectEqual(t, "period", p.Backup.Settings.Period, v1alpha1.Period("90d"))
	// Every twelve hours are thirteen on the night clocks go back, and expiry goes as far ahead.
	expectEqual(t, "expiry ahead", []any{p.Backup.ExpireAhead, p.Backup.Settings.ExpireAhead}, []any{13 * time.Hour, v1alpha1.Period("13h")})
}

func TestBuildLetsAnInstanceReachItsServerAndRelayAlone(t *testing.T) {
	in := soundInput(t)
	expectEqual(t, "egress", mustBuild(t, in).Instance.EgressCIDRs, []plan.Endpoint{
		{CIDR: "192.0.2.10/32", Port: 5432}, {CIDR: "192.0.2.20/32", Port: 587}, {CIDR: "2001:db8::20/128", Port: 587},
	})
	in.Region.Spec.Ingress.EndpointCIDRs = []v1alpha1.CIDR{"192.0.2.60/32"}
	expectEqual(t, "ingress", mustBuild(t, in).Instance.Ingress.CIDRs, []string{"192.0.2.60/32"})
	in.Region.Spec.MailRelay, in.Region.Spec.Ingress = nil, nil
	p := mustBuild(t, in)
	expectEqual(t, "egress without a relay", p.Instance.EgressCIDRs, []plan.Endpoint{{CIDR: "192.0.2.10/32", Port: 5432}})
	if p.Instance.Settings.Mail != nil || p.Instance.Ingress != nil {
		t.Errorf("a region without relay and ingress gives %+v and %+v", p.Instance.Settings.Mail, p.Instance.Ingress)
	}
}

func TestBuildWritesTheAddressCitizensType(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*plan.Input)
		want   string
	}{
		"first host with a certificate": {func(*plan.Input) {}, "https://termine.example.org"},
		"another port":                  {func(in *plan.Input) { in.Region.Spec.Ingress.Port = 8443 }, "https://termine.example.org:8443"},
		"no ingress":                    {func(in *plan.Input) { in.Region.Spec.Ingress = nil }, "https://termine.example.org"},
		"no certificate": {func(in *plan.Input) {
			in.Tenant.Spec.Instance.TLSSecretName, in.Region.Spec.Ingress.Port = "", 8443
		}, "http://termine.example.org"},
		"no host": {func(in *plan.Input) { in.Tenant.Spec.Instance.Hosts = nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := soundInput(t)
			c.change(&in)
			p := mustBuild(t, in)
			if p.Instance.URL != c.want || p.Instance.Settings.URL != c.want {
				t.Errorf("the site is at %q and thinks to be at %q; want %q", p.Instance.URL, p.Instance.Settings.URL, c.want)
			}
		})
	}
}

// M1: the site stops, while purge and backup go on.
func TestBuildTakesTheSiteDownWhenTheAgreementHasEnded(t *testing.T) {
	in := soundInput(t)
	expectEqual(t, "replicas in force", mustBuild(t, in).Instance.Replicas, int32(2))
	in.Tenant.Spec.ProcessingAgreement.InForceUntil = pointer(day(-1))
	p := mustBuild(t, in)
	expectEqual(t, "replicas afterwards", p.Instance.Replicas, int32(0))
	if p.Purge.Schedule == "" || len(p.Backup.Stores) != 2 {
		t.Errorf("purge or backup stopped with the site: %+v, %+v", p.Purge, p.Backup.Stores)
	}
}

// D1, D2, invariant 8: who handles the data is published as it is enforced, backups included, and nobody else is.
func TestBuildNamesEveryProcessorInTheNoticeAndNoOther(t *testing.T) {
	p := mustBuild(t, soundInput(t))
	notice := p.Instance.Settings.Notice
	got := map[string]settings.Function{}
	for _, processor := range notice.Processors {
		got[processor.Name] = processor.Function
	}
	expectEqual(t, "processors", got, map[string]settings.Function{
		"Database AG": settings.FunctionDatabase, "Store bern": settings.FunctionBackup, "Store zug": settings.FunctionBackup,
		"Mail AG": settings.FunctionMail, "Edge AG": settings.FunctionIngress,
	})
	if len(notice.Rules) != len(p.Database.Rules) {
		t.Fatalf("%d rules are published, %d enforced", len(notice.Rules), len(p.Database.Rules))
	}
	for i, rule := range notice.Rules {
		length, err := rule.Period.Duration()
		if err != nil {
			t.Fatal(err)
		}
		expectEqual(t, "published rule", plan.Rule{Category: rule.Category, StartEvent: rule.StartEvent, Period: length, Action: rule.Action}, p.Database.Rules[i])
	}
	expectEqual(t, "backups", []any{notice.BackupPeriod, notice.BackupCopies}, []any{v1alpha1.Period("90d"), int32(2)})
	expectEqual(t, "law", []any{notice.Regime, notice.LegalBasis, notice.Country}, []any{"IDG BS", "§ 9 IDG", v1alpha1.CountryCode("CH")})
}

// B9: the notice is dated.
func TestBuildDatesTheNoticeByTheNewestSignature(t *testing.T) {
	in := soundInput(t)
	expectEqual(t, "agreement signed last", mustBuild(t, in).Instance.Settings.Notice.Date, string(day(-30)))
	in.Policy.Spec.Rules[1].ApprovedOn = day(-10)
	expectEqual(t, "rule approved last", mustBuild(t, in).Instance.Settings.Notice.Date, string(day(-10)))
}

func TestBuildRefusesDataThatLiesWhereTheRegionNoLongerIs(t *testing.T) {
	for name, placement := range map[string]v1alpha1.DatabasePlacement{
		"server gone":   {Server: "pg-9", Name: "appointments_1", Schema: "tabcdefghijklmno"},
		"database gone": {Server: "pg-1", Name: "appointments_9", Schema: "tabcdefghijklmno"},
	} {
		t.Run(name, func(t *testing.T) {
			in := soundInput(t)
			in.Placement = &placement
			_, err := plan.Build(in)
			var refusal *plan.Refusal
			if !errors.As(err, &refusal) || refusal.Reason != v1alpha1.ReasonInvalidSpec || !strings.Contains(refusal.Message, "restore the entry") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestBuildNeedsPolicyRegionAndPlacement(t *testing.T) {
	for name, spoil := range map[string]func(*plan.Input){
		"policy": func(in *plan.Input) { in.Policy = nil }, "region": func(in *plan.Input) { in.Region = nil }, "placement": func(in *plan.Input) { in.Placement = nil },
	} {
		in := soundInput(t)
		spoil(&in)
		if p, err := plan.Build(in); err == nil || p != nil {
			t.Errorf("without a %s the plan is %v, %v", name, p, err)
		}
	}
}
