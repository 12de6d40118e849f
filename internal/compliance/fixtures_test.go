// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
)

const days = 24 * time.Hour

var (
	now   = time.Now().UTC().Truncate(time.Second)
	clock = compliance.Clock{Now: now, MaxEvidenceAge: 10 * time.Minute}
)

func ago(d time.Duration) time.Time { return now.Add(-d) }

// baselPlan is the promise of Basel-Stadt: 30 days live, 90 in backups, every twelve hours, three copies (B1, B2, B3).
func baselPlan() *plan.Plan {
	rules := []plan.Rule{
		{Category: v1alpha1.CategoryHold, Period: 15 * time.Minute, Action: v1alpha1.ActionDelete},
		{Category: v1alpha1.CategoryUnconfirmedBooking, Period: time.Hour, Action: v1alpha1.ActionDelete},
		{Category: v1alpha1.CategoryContact, Period: 30 * days, Action: v1alpha1.ActionDelete},
		{Category: v1alpha1.CategoryAppointment, Period: 30 * days, Action: v1alpha1.ActionAnonymize},
		{Category: v1alpha1.CategoryMailOutbox, Period: 72 * time.Hour, Action: v1alpha1.ActionDelete},
		{Category: v1alpha1.CategoryTenantData, Period: 365 * days, Action: v1alpha1.ActionDelete},
	}
	return &plan.Plan{
		Tenant:   types.NamespacedName{Namespace: "basel", Name: "site"},
		Instance: plan.Instance{Hosts: []string{"termine.example.org"}, TLSSecretName: "site-tls"},
		Region:   plan.Region{Name: "ch", Country: "CH", AllowedCountries: []v1alpha1.CountryCode{"CH"}, NodeLabel: "topology.kubernetes.io/region", NodeValues: []string{"ch", "li"}, EgressRequired: true},
		Processors: []plan.ProcessorUse{
			{Where: "database server pg-1", Processor: v1alpha1.Processor{Name: "Limmatwerk AG", Seat: "CH", Country: "CH"}},
			{Where: "backup store zug", Processor: v1alpha1.Processor{Name: "Aarespeicher AG", Seat: "CH", Country: "CH"}},
		},
		Database: plan.Database{Server: v1alpha1.DatabaseServer{Name: "pg-1"}, Rules: rules, Tolerance: 2 * days},
		Backup: plan.Backup{
			Since: ago(200 * days), Stores: []v1alpha1.BackupStore{{Name: "bern"}, {Name: "zug"}, {Name: "chur"}},
			Period: 90 * days, MaximumAge: 13 * time.Hour, ExpireAhead: 12 * time.Hour, Tolerance: 2 * days, RestoreTestEvery: 7 * days,
		},
	}
}

// soundEvidence supports every claim: measured a minute ago, nothing overdue, the same two backups everywhere.
func soundEvidence() *compliance.Evidence {
	e := &compliance.Evidence{
		Placements: compliance.Sample[[]compliance.Placement]{At: ago(time.Minute), Value: []compliance.Placement{
			{What: "Deployment basel/site-booking", Bound: true},
			{What: "Pod basel/site-booking-1", Bound: true, Node: "ch-1", NodeValue: "ch"},
			{What: "Pod termintreu-ch/site-purge-1", Bound: true, Node: "li-1", NodeValue: "li"},
		}},
		Site: compliance.Sample[compliance.Endpoint]{At: ago(time.Minute), Value: compliance.Endpoint{
			Key: "77aa", NotBefore: ago(30 * days), NotAfter: now.Add(60 * days),
		}},
		Wall:      compliance.Sample[compliance.Wall]{At: ago(time.Minute)},
		Retention: compliance.Sample[compliance.Retention]{At: ago(2 * time.Minute)},
		Stores:    map[string]compliance.Sample[compliance.Store]{},
		Endpoints: map[string]compliance.Sample[compliance.Endpoint]{},
		Notice:    soundNotice(baselPlan()),
		Orphans: &compliance.Sample[compliance.Orphans]{At: ago(time.Minute),
			Value: compliance.Orphans{CatalogueHash: baselPlan().Instance.Settings.CatalogueHash()}},
		Egress: &compliance.Sample[compliance.Egress]{At: ago(time.Minute), Value: compliance.Egress{Declared: true, Tried: 1}},
	}
	for _, rule := range baselPlan().Database.Rules {
		if rule.Category != v1alpha1.CategoryTenantData {
			e.Retention.Value.Categories = append(e.Retention.Value.Categories, compliance.Category{
				Category: rule.Category, Period: rule.Period, Action: rule.Action, Rows: 3,
			})
		}
	}
	proven, snapshot := ago(6*days), ago(6*days+time.Hour)
	e.Retention.Value.RestoreTest = &compliance.RestoreTest{TestedAt: proven, ProvenAt: &proven, SnapshotStart: &snapshot, Tables: 18, Rows: 4711}
	e.Retention.Value.Erasures = &compliance.Erasures{}
	for _, use := range compliance.Endpoints(baselPlan()) {
		e.Endpoints[use.Where] = compliance.Sample[compliance.Endpoint]{At: ago(2 * time.Minute), Value: compliance.Endpoint{
			Address: "192.0.2.10:5432", Key: "5c0f", NotBefore: ago(30 * days), NotAfter: now.Add(60 * days),
			Identity: "id of " + use.Where, Pinned: "id of " + use.Where,
		}}
	}
	for _, store := range baselPlan().Backup.Stores {
		setBackups(e, store.Name, 1*time.Hour, 13*time.Hour)
	}
	return e
}

// setBackups lists backups by age, youngest first, at a store measured three minutes ago.
func setBackups(e *compliance.Evidence, store string, ages ...time.Duration) {
	listing := compliance.Store{}
	for _, age := range ages {
		listing.Backups = append(listing.Backups, ago(age))
	}
	if len(ages) > 0 {
		oldest := ago(ages[len(ages)-1])
		listing.OldestVersion = &oldest
	}
	e.Stores[store] = compliance.Sample[compliance.Store]{At: ago(3 * time.Minute), Value: listing}
}

func category(e *compliance.Evidence, c v1alpha1.Category) *compliance.Category {
	for i := range e.Retention.Value.Categories {
		if e.Retention.Value.Categories[i].Category == c {
			return &e.Retention.Value.Categories[i]
		}
	}
	return nil
}

// verdict is one row of a table: what is wrong with plan or evidence, and what must be said about it.
type verdict struct {
	given  func(*plan.Plan, *compliance.Evidence)
	status metav1.ConditionStatus
	reason string
	says   []string
}

func find(tb testing.TB, findings []compliance.Finding, conditionType string) compliance.Finding {
	tb.Helper()
	for _, f := range findings {
		if f.Type == conditionType {
			return f
		}
	}
	tb.Fatalf("there is no finding of type %s", conditionType)
	return compliance.Finding{}
}

func expectVerdicts(t *testing.T, conditionType string, cases map[string]verdict) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p, e := baselPlan(), soundEvidence()
			c.given(p, e)
			findings := compliance.Judge(p, e, clock)
			f := find(t, findings, conditionType)
			if f.Status != c.status || f.Reason != c.reason {
				t.Errorf("%s is %s because of %s, want %s because of %s: %s", f.Type, f.Status, f.Reason, c.status, c.reason, f.Message)
			}
			for _, words := range c.says {
				if !strings.Contains(f.Message, words) {
					t.Errorf("the message lacks %q: %s", words, f.Message)
				}
			}
			expectSummary(t, findings)
		})
	}
}

// expectSummary holds Compliant against what it sums up; every table runs through it.
func expectSummary(t *testing.T, findings []compliance.Finding) {
	t.Helper()
	want, summary := metav1.ConditionTrue, findings[len(findings)-1]
	for _, f := range findings[:len(findings)-1] {
		switch {
		case f.Advisory:
			continue
		case f.Status == metav1.ConditionFalse:
			want = metav1.ConditionFalse
		case f.Status == metav1.ConditionUnknown && want == metav1.ConditionTrue:
			want = metav1.ConditionUnknown
		}
		if f.Status == metav1.ConditionFalse && !strings.Contains(summary.Message, f.Type+": "+f.Message) {
			t.Errorf("the summary does not name what failed: %s", summary.Message)
		}
	}
	if summary.Type != v1alpha1.ConditionCompliant || summary.Status != want {
		t.Errorf("%s is %s, want %s: %s", summary.Type, summary.Status, want, summary.Message)
	}
}
