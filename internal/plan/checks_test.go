// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

func TestCheckAcceptsASoundTenant(t *testing.T) {
	if refusal := plan.Check(soundInput(t)); refusal != nil {
		t.Fatalf("refused with %s: %s", refusal.Reason, refusal.Message)
	}
}

// wrong is a tenant that must be refused: what spoils it, the reason, and words of what is wrong and of the mend.
type wrong struct {
	spoil  func(*plan.Input)
	reason string
	says   []string
}

func expectRefusals(t *testing.T, cases map[string]wrong) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := soundInput(t)
			c.spoil(&in)
			refusal := plan.Check(in)
			if refusal == nil {
				t.Fatal("it was not refused")
			}
			if refusal.Reason != c.reason {
				t.Errorf("the reason is %s, want %s: %s", refusal.Reason, c.reason, refusal.Message)
			}
			for _, words := range c.says {
				if !strings.Contains(refusal.Message, words) {
					t.Errorf("the sentence lacks %q: %s", words, refusal.Message)
				}
			}
		})
	}
}

func TestCheckRefusesReferencesThatNameNothing(t *testing.T) {
	expectRefusals(t, map[string]wrong{
		"unknown region": {func(in *plan.Input) { in.Region = nil }, v1alpha1.ReasonRegionNotFound, []string{`DataRegion "ch"`, "kubectl get dataregions"}},
		"unknown policy": {func(in *plan.Input) { in.Policy = nil }, v1alpha1.ReasonPolicyNotFound, []string{`RetentionPolicy "basel"`, "kubectl get retentionpolicies"}},
	})
}

func neighbour(region string, created time.Duration, hosts ...v1alpha1.Host) plan.Neighbour {
	return plan.Neighbour{
		Tenant: types.NamespacedName{Namespace: "basel", Name: "other"}, Region: region, Hosts: hosts, Created: now.Add(-48 * time.Hour).Add(created),
	}
}

func TestCheckRefusesNamespacesTheRegionDoesNotAdmit(t *testing.T) {
	notAllowed, bound := v1alpha1.ReasonNamespaceNotAllowed, v1alpha1.ReasonNamespaceBoundElsewhere
	expectRefusals(t, map[string]wrong{
		"not named": {func(in *plan.Input) { in.Region.Spec.Namespaces.Names = []string{"bern"} }, notAllowed, []string{"does not admit namespace basel", "spec.namespaces"}},
		"not selected": {func(in *plan.Input) {
			in.Region.Spec.Namespaces = v1alpha1.NamespaceAccess{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"region": "ch"}}}
			in.NamespaceLabels = map[string]string{"region": "de"}
		}, notAllowed, []string{"ask the platform"}},
		"the platform's own": {func(in *plan.Input) { in.Tenant.Namespace = "termintreu-ch" }, notAllowed, []string{"the platform's own", "a namespace of the authority"}},
		"bound to another region": {func(in *plan.Input) {
			in.Neighbours = []plan.Neighbour{neighbour("de", time.Hour)}
			in.Neighbours[0].Placed = true
		}, bound, []string{"bound to DataRegion de", "another namespace"}},
		"labelled for another region": {func(in *plan.Input) {
			in.NamespaceLabels = map[string]string{v1alpha1.LabelRegion: "de"}
		}, bound, []string{"bound to DataRegion de", "another namespace"}},
	})
}

// An older tenant that is Stalled must not keep a namespace for a region it may never enter.
func TestCheckLetsANamespaceBeBoundOnlyByATenantThatHasDataThere(t *testing.T) {
	in := soundInput(t)
	in.Neighbours = []plan.Neighbour{neighbour("de", -time.Hour)}
	if refusal := plan.Check(in); refusal != nil {
		t.Fatal("bound by a tenant that was never placed:", refusal.Message)
	}
	// The label decides over whoever else was placed: it is what admission holds pods to.
	in.Neighbours[0].Placed, in.NamespaceLabels = true, map[string]string{v1alpha1.LabelRegion: "ch"}
	if refusal := plan.Check(in); refusal != nil {
		t.Fatal("refused in a namespace of its own region:", refusal.Message)
	}
}

func TestCheckLetsANamespaceInByLabel(t *testing.T) {
	in := soundInput(t)
	in.Region.Spec.Namespaces = v1alpha1.NamespaceAccess{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"region": "ch"}}}
	in.NamespaceLabels = map[string]string{"region": "ch"}
	in.Neighbours = []plan.Neighbour{neighbour("de", time.Hour, "termine.example.org"), neighbour("ch", -time.Hour)}
	if refusal := plan.Check(in); refusal != nil {
		t.Fatal(refusal.Message)
	}
}

func TestCheckGivesAHostToTheOldestTenantAlone(t *testing.T) {
	expectRefusals(t, map[string]wrong{
		"older tenant": {func(in *plan.Input) {
			in.Neighbours = []plan.Neighbour{neighbour("ch", -time.Hour, "rdv.example.org")}
		}, v1alpha1.ReasonHostTaken, []string{"host rdv.example.org belongs to another tenant", "choose another host"}},
		"same second, name that comes first": {func(in *plan.Input) {
			in.Neighbours = []plan.Neighbour{neighbour("ch", 0, "termine.example.org")}
		}, v1alpha1.ReasonHostTaken, []string{"have it released there first"}},
	})
}

// D6: a processor's limits are never looser than the controller's.
func TestCheckRefusesPoliciesLongerThanAProcessorMayKeepData(t *testing.T) {
	limit := func(p *v1alpha1.Processor, period v1alpha1.Period) { p.MaximumPeriod = &period }
	exceeds, invalid := v1alpha1.ReasonPolicyExceedsProcessor, v1alpha1.ReasonInvalidPeriod
	expectRefusals(t, map[string]wrong{
		"database server": {func(in *plan.Input) { limit(&in.Region.Spec.DatabaseServers[0].Processor, "119d") }, exceeds,
			[]string{"30d", "90d more", "Database AG (database server pg-1)", "119d in all", "shorten the period"}},
		"store": {func(in *plan.Input) { limit(&in.Region.Spec.BackupStores[2].Processor, "2879h") }, exceeds, []string{"backup store chur"}},
		"periods whose sum overflows": {func(in *plan.Input) {
			in.Policy.Spec.Rules[1].Period, in.Policy.Spec.Backup.Period = "99999d", "99999d"
		}, exceeds, []string{"shorten the period"}},
		"mail relay": {func(in *plan.Input) {
			in.Policy.Spec.Rules = append(in.Policy.Spec.Rules, v1alpha1.RetentionRule{Category: v1alpha1.CategoryMailOutbox, StartEvent: v1alpha1.StartSent, Period: "72h", Action: v1alpha1.ActionDelete})
			limit(&in.Region.Spec.MailRelay.Processor, "71h")
		}, exceeds, []string{"lets mail wait 72h", "Mail AG (mail relay)", "71h"}},
		"ingress":           {func(in *plan.Input) { limit(&in.Region.Spec.Ingress.Processor, "6d") }, exceeds, []string{"access logs for 7d", "Edge AG (ingress)", "6d"}},
		"logs without rule": {func(in *plan.Input) { in.Region.Spec.Ingress.LogPeriod = "31d" }, exceeds, []string{"keeps access logs for 31d", "live for 30d", "spec.ingress.logPeriod"}},
		"logs longer than the rule": {func(in *plan.Input) {
			in.Policy.Spec.Rules = append(in.Policy.Spec.Rules, v1alpha1.RetentionRule{Category: v1alpha1.CategoryAccessLog, StartEvent: v1alpha1.StartCreation, Period: "6d", Action: v1alpha1.ActionStrip})
		}, exceeds, []string{"keeps access logs for 7d", "live for 6d"}},
		"logs of no length":          {func(in *plan.Input) { in.Region.Spec.Ingress.LogPeriod = "0d" }, invalid, []string{"spec.ingress.logPeriod"}},
		"rule without a period":      {func(in *plan.Input) { in.Policy.Spec.Rules[0].Period = "0m" }, invalid, []string{"rule Hold", "such as 60m"}},
		"backup without a period":    {func(in *plan.Input) { in.Policy.Spec.Backup.Period = "" }, invalid, []string{"such as 60m"}},
		"tolerance without a length": {func(in *plan.Input) { in.Policy.Spec.Tolerance = "1M" }, invalid, []string{"such as 60m"}},
		"processor's limit":          {func(in *plan.Input) { limit(&in.Region.Spec.BackupStores[0].Processor, "1y") }, invalid, []string{"processor Store bern"}},
	})
}

func TestCheckRefusesBackupsThatCouldNotBeKeptOrRead(t *testing.T) {
	invalid := v1alpha1.ReasonInvalidRecipient
	expectRefusals(t, map[string]wrong{
		"more copies than stores": {func(in *plan.Input) { in.Tenant.Spec.Backup.Copies = 4 }, v1alpha1.ReasonNotEnoughStores, []string{"copies is 4", "has 3 backup stores", "lower copies"}},
		"one letter wrong": {func(in *plan.Input) {
			key := []byte(in.Tenant.Spec.Backup.Recipients[0])
			key[len(key)-1] ^= 1
			in.Tenant.Spec.Backup.Recipients[0] = v1alpha1.AgeRecipient(key)
		}, invalid, []string{"recipients[0]", "age-keygen prints"}},
		"post-quantum key cut short": {func(in *plan.Input) { in.Tenant.Spec.Backup.Recipients[0] = "age1pq1qqqq" }, invalid, []string{"age-keygen -pq prints"}},
		"kinds mixed": {func(in *plan.Input) {
			in.Tenant.Spec.Backup.Recipients = append(in.Tenant.Spec.Backup.Recipients, hybridRecipient(t))
		}, invalid, []string{"mixes post-quantum", "use one kind"}},
	})
}

func TestCheckNeverRepeatsARecipientSinceItMayBeASecretKey(t *testing.T) {
	in := soundInput(t)
	in.Tenant.Spec.Backup.Recipients[0] = "AGE-SECRET-KEY-1EXAMPLE"
	if refusal := plan.Check(in); refusal == nil || strings.Contains(refusal.Message, "SECRET") {
		t.Fatalf("the refusal is %+v", refusal)
	}
}

func TestCheckAcceptsPostQuantumRecipients(t *testing.T) {
	in := soundInput(t)
	in.Tenant.Spec.Backup.Recipients = []v1alpha1.AgeRecipient{hybridRecipient(t), hybridRecipient(t)}
	if refusal := plan.Check(in); refusal != nil {
		t.Fatal(refusal.Message)
	}
}

func TestCheckRefusesCataloguesNobodyCouldBookFrom(t *testing.T) {
	office := func(in *plan.Input) *v1alpha1.Office { return &in.Tenant.Spec.Catalogue.Offices[0] }
	closure := func(in *plan.Input) *v1alpha1.Closure { return &office(in).Closures[0] }
	cases := map[string]wrong{
		"unknown time zone":                {func(in *plan.Input) { office(in).TimeZone = "Europe/Basel" }, "", []string{`"Europe/Basel" does not exist`, "IANA name"}},
		"the machine's time zone":          {func(in *plan.Input) { office(in).TimeZone = "Local" }, "", []string{"IANA name"}},
		"slots longer than a day":          {func(in *plan.Input) { office(in).SlotLength = "25h" }, "", []string{"at most a day", "such as 15m"}},
		"slots without a length":           {func(in *plan.Input) { office(in).SlotLength = "0m" }, "", []string{"such as 15m"}},
		"closure from a day that is none":  {func(in *plan.Input) { closure(in).From = "2027-02-30" }, "", []string{"2027-02-30, a day that does not exist"}},
		"closure until a day that is none": {func(in *plan.Input) { closure(in).Until = pointer(v1alpha1.Date("2027-06-31")) }, "", []string{"2027-06-31, a day that does not exist"}},
		"hours that cross on one day of a month": {func(in *plan.Input) {
			in.Tenant.Spec.Catalogue.Offices[0].OpeningHours = append(in.Tenant.Spec.Catalogue.Offices[0].OpeningHours,
				v1alpha1.OpeningHours{Day: "Monday", From: "08:30", Until: "12:00", WeeksOfMonth: []v1alpha1.WeekOfMonth{v1alpha1.WeekFifth}})
		}, "", []string{"office spiegelhof", "cross each other on 20", "validUntil"}},
		"a consent that could not be stored": {func(in *plan.Input) {
			in.Tenant.Spec.Catalogue.Services[1].Consents = []v1alpha1.Consent{{Scope: v1alpha1.ConsentService, Text: v1alpha1.LocalizedText{"de": "Ja."}}}
		}, "", []string{"service wedding asks for consent", "no rule for category Consent", "ask the data protection officer"}},
		"a policy that rests on consent nobody is asked for": {func(in *plan.Input) { in.Policy.Spec.LegalBasis = "Art. 6(1)(a) GDPR" }, "",
			[]string{"which is consent, but asks nobody", "add consents with scope Service"}},
		"service longer than any opening": {func(in *plan.Input) { in.Tenant.Spec.Catalogue.Services[1].Duration = "91m" }, "", []string{"service wedding lasts 91m", "office spiegelhof", "shorten the service"}},
	}
	for name, c := range cases {
		c.reason = v1alpha1.ReasonInvalidCatalogue
		cases[name] = c
	}
	expectRefusals(t, cases)
}

func TestCheckRefusesAnAppearanceCitizensCouldNotRead(t *testing.T) {
	look := func(appearance v1alpha1.Appearance) func(*plan.Input) {
		return func(in *plan.Input) { in.Tenant.Spec.Appearance = &appearance }
	}
	expectRefusals(t, map[string]wrong{
		"a pale accent": {look(v1alpha1.Appearance{Accent: "#ffcc00"}), v1alpha1.ReasonInvalidAppearance, []string{"#ffcc00 has a contrast of 1.4:1", "darker shade #"}},
		"a logo that runs": {look(v1alpha1.Appearance{Logo: &v1alpha1.Logo{MediaType: v1alpha1.LogoSVG, Data: []byte(`<svg><script/></svg>`)}}),
			v1alpha1.ReasonInvalidAppearance, []string{"<script>", "remove it"}},
	})
}

func TestCheckLetsAnOfficeLeaveOutAServiceItCannotFit(t *testing.T) {
	in := soundInput(t)
	in.Tenant.Spec.Catalogue.Services[1].Duration = "8h"
	in.Tenant.Spec.Catalogue.Offices[0].Services = []v1alpha1.CatalogueName{"passport"}
	if refusal := plan.Check(in); refusal != nil {
		t.Fatal(refusal.Message)
	}
}

// M1, T9: no instance serves before its processing agreement is in force, nor after.
func TestCheckRefusesToServeOutsideTheProcessingAgreement(t *testing.T) {
	agreement := func(from, until int) func(*plan.Input) {
		return func(in *plan.Input) {
			in.Tenant.Spec.ProcessingAgreement.InForceFrom = day(from)
			in.Tenant.Spec.ProcessingAgreement.InForceUntil = pointer(day(until))
		}
	}
	expectRefusals(t, map[string]wrong{
		"begins tomorrow": {agreement(1, 9), v1alpha1.ReasonAgreementNotInForce, []string{"AVV-7 is in force only from " + string(day(1))}},
		"ended yesterday": {agreement(-9, -1), v1alpha1.ReasonAgreementNotInForce, []string{"ended on " + string(day(-1)), "purge and expiry go on"}},
	})
	in := soundInput(t)
	agreement(0, 0)(&in)
	if refusal := plan.Check(in); refusal != nil {
		t.Errorf("an agreement for today alone is refused today: %s", refusal.Message)
	}
}

func TestOnlyAnEndedAgreementIsStillPlanned(t *testing.T) {
	for _, reason := range []string{v1alpha1.ReasonRegionNotFound, v1alpha1.ReasonInvalidSchedule, v1alpha1.ReasonNoCapacity} {
		if (&plan.Refusal{Reason: reason}).StillPlanned() {
			t.Errorf("%s is still planned", reason)
		}
	}
	if !(&plan.Refusal{Reason: v1alpha1.ReasonAgreementNotInForce}).StillPlanned() {
		t.Error("a tenant whose agreement has ended is not planned, so its site would go on serving")
	}
}

func TestCheckPolicyRefusesWhatNoDatabaseOrScheduleCanKeep(t *testing.T) {
	if refusal := plan.CheckPolicy(soundPolicy()); refusal != nil {
		t.Fatal(refusal.Message)
	}
	for name, c := range map[string]struct {
		spoil  func(*v1alpha1.RetentionPolicySpec)
		reason string
		says   string
	}{
		"malformed period":             {func(s *v1alpha1.RetentionPolicySpec) { s.Rules[0].Period = "1M" }, v1alpha1.ReasonInvalidPeriod, "such as 60m"},
		"backups gone before the next": {func(s *v1alpha1.RetentionPolicySpec) { s.Backup.MaximumAge = "90d" }, v1alpha1.ReasonInvalidPeriod, "must be shorter than spec.backup.period (90d)"},
		"schedule that never fires":    {func(s *v1alpha1.RetentionPolicySpec) { s.Enforcement.Schedule = "0 0 30 2 *" }, v1alpha1.ReasonInvalidSchedule, "a day that never comes"},
	} {
		t.Run(name, func(t *testing.T) {
			policy := soundPolicy()
			c.spoil(&policy.Spec)
			refusal := plan.CheckPolicy(policy)
			if refusal == nil || refusal.Reason != c.reason || !strings.Contains(refusal.Message, c.says) {
				t.Errorf("the refusal is %+v; want %s saying %q", refusal, c.reason, c.says)
			}
		})
	}
}
