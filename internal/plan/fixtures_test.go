// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"testing"
	"time"

	"filippo.io/age"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// now is the clock of these tests: noon, so that a day more or less is another date.
var now = time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)

func day(offset int) v1alpha1.Date {
	return v1alpha1.Date(now.AddDate(0, 0, offset).Format(time.DateOnly))
}

func pointer[T any](value T) *T { return &value }

func classicRecipient(tb testing.TB) v1alpha1.AgeRecipient {
	tb.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		tb.Fatal(err)
	}
	return v1alpha1.AgeRecipient(identity.Recipient().String())
}

func hybridRecipient(tb testing.TB) v1alpha1.AgeRecipient {
	tb.Helper()
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		tb.Fatal(err)
	}
	return v1alpha1.AgeRecipient(identity.Recipient().String())
}

// soundInput is a tenant after the Basel-Stadt deployment of requirements.md that nothing is wrong with.
func soundInput(tb testing.TB) plan.Input {
	tb.Helper()
	return plan.Input{
		Tenant: soundTenant(classicRecipient(tb)), Policy: soundPolicy(), Region: soundRegion(),
		Placement: &v1alpha1.DatabasePlacement{Server: "pg-1", Name: "appointments_1", Schema: "tabcdefghijklmno"},
		Defaults:  plan.Defaults{Image: "registry.example/termintreu:v1", ImagePullPolicy: "IfNotPresent", OperatorNamespace: "termintreu-system"},
		Now:       now,
	}
}

func soundTenant(recipient v1alpha1.AgeRecipient) *v1alpha1.BookingTenant {
	return &v1alpha1.BookingTenant{
		ObjectMeta: metav1.ObjectMeta{Namespace: "basel", Name: "site", UID: types.UID("uid-1"), CreationTimestamp: metav1.NewTime(now.Add(-48 * time.Hour))},
		Spec: v1alpha1.BookingTenantSpec{
			Controllers: []v1alpha1.Controller{{Name: "Einwohneramt"}},
			RegionRef:   v1alpha1.ObjectReference{Name: "ch"}, RetentionPolicyRef: v1alpha1.ObjectReference{Name: "basel"},
			ProcessingAgreement: v1alpha1.ProcessingAgreement{Reference: "AVV-7", InForceFrom: day(-30)},
			Instance:            v1alpha1.InstanceSpec{Replicas: 2, Hosts: []v1alpha1.Host{"termine.example.org", "rdv.example.org"}, TLSSecretName: "site-tls"},
			Locales:             []v1alpha1.Locale{"de", "en"},
			Catalogue: v1alpha1.Catalogue{
				Offices: []v1alpha1.Office{{
					Name: "spiegelhof", Controller: "Einwohneramt", TimeZone: "Europe/Zurich", Counters: 2, SlotLength: "15m",
					OpeningHours: []v1alpha1.OpeningHours{{Day: "Monday", From: "08:00", Until: "09:00"}, {Day: "Tuesday", From: "22:30", Until: "24:00"}},
					Closures:     []v1alpha1.Closure{{From: day(3), Until: pointer(day(5))}},
				}},
				Services: []v1alpha1.Service{{Name: "passport", Duration: "30m"}, {Name: "wedding", Duration: "90m"}},
			},
			Backup: v1alpha1.BackupSpec{Schedule: "0 */12 * * *", TimeZone: "Europe/Zurich", Copies: 2, Recipients: []v1alpha1.AgeRecipient{recipient}},
		},
	}
}

func soundPolicy() *v1alpha1.RetentionPolicy {
	rule := func(c v1alpha1.Category, s v1alpha1.StartEvent, p v1alpha1.Period, a v1alpha1.Action) v1alpha1.RetentionRule {
		return v1alpha1.RetentionRule{Category: c, StartEvent: s, Period: p, Action: a, ApprovedOn: day(-60)}
	}
	return &v1alpha1.RetentionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "basel"},
		Spec: v1alpha1.RetentionPolicySpec{
			Regime: "IDG BS", LegalBasis: "§ 9 IDG",
			Rules: []v1alpha1.RetentionRule{
				rule(v1alpha1.CategoryHold, v1alpha1.StartCreation, "15m", v1alpha1.ActionDelete),
				rule(v1alpha1.CategoryContact, v1alpha1.StartAppointmentEnd, "30d", v1alpha1.ActionDelete),
				rule(v1alpha1.CategoryAppointment, v1alpha1.StartAppointmentEnd, "30d", v1alpha1.ActionAnonymize),
				rule(v1alpha1.CategoryTenantData, v1alpha1.StartContractEnd, "365d", v1alpha1.ActionDelete),
			},
			Backup:      v1alpha1.BackupRule{Period: "90d", MaximumAge: "13h"},
			Enforcement: v1alpha1.Enforcement{Schedule: "15 2 * * *", TimeZone: "Europe/Zurich"},
			Tolerance:   "2d",
		},
	}
}

func soundRegion() *v1alpha1.DataRegion {
	processor := func(name string) v1alpha1.Processor {
		return v1alpha1.Processor{Name: name, Country: "CH", MaximumPeriod: pointer(v1alpha1.Period("120d"))}
	}
	store := func(name string) v1alpha1.BackupStore {
		return v1alpha1.BackupStore{Name: name, Endpoint: "https://" + name + ".example.org", Bucket: "backups", SigningRegion: "ch-1", CABundle: "PEM " + name, Processor: processor("Store " + name)}
	}
	return &v1alpha1.DataRegion{
		ObjectMeta: metav1.ObjectMeta{Name: "ch"},
		Spec: v1alpha1.DataRegionSpec{
			Country: "CH", Regime: "IDG BS", PlatformNamespace: "termintreu-ch",
			Nodes:      v1alpha1.NodeTrust{Label: "topology.kubernetes.io/region", Values: []string{"ch"}},
			Namespaces: v1alpha1.NamespaceAccess{Names: []string{"basel"}},
			DatabaseServers: []v1alpha1.DatabaseServer{{
				Name: "pg-1", Host: "pg-1.example.org", Port: 5432, Databases: []string{"appointments_1", "appointments_2"}, TenantsPerDatabase: 2,
				CABundle: "PEM pg-1", EndpointCIDRs: []v1alpha1.CIDR{"192.0.2.10/32"}, Processor: processor("Database AG"),
			}},
			BackupStores: []v1alpha1.BackupStore{store("bern"), store("zug"), store("chur")},
			MailRelay: &v1alpha1.MailRelay{
				Host: "mail.example.org", Port: 587, From: "termine@example.org", CABundle: "PEM mail",
				EndpointCIDRs: []v1alpha1.CIDR{"192.0.2.20/32", "2001:db8::20/128"}, Processor: v1alpha1.Processor{Name: "Mail AG"},
			},
			Ingress: &v1alpha1.RegionIngress{
				ClassName: "public", Namespace: "ingress", Port: 443, LogPeriod: "7d", Processor: v1alpha1.Processor{Name: "Edge AG"},
				PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "edge"}},
			},
		},
	}
}
