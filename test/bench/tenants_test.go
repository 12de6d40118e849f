// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"strings"
	"testing"

	"filippo.io/age"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/testing/pgtest"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

const (
	// system is the operator's namespace, platform the region's.
	system, platform = "termintreu-system", "region-platform"
	regionName       = "ch"
	policyName       = "idg-bs"
	nodeLabel        = "topology.kubernetes.io/region"
	// namespaces the tenants are spread over.
	namespaces = 20
)

func namespaceOf(prefix string, tenant int) string {
	return fmt.Sprintf("%s-%d", prefix, tenant%namespaces)
}

func newRegion(server *pgtest.Server, database string, stores []*s3test.Store) *v1alpha1.DataRegion {
	processor := v1alpha1.Processor{Name: "Limmatwerk AG", Seat: "CH", Country: "CH", Site: "Zürich"}
	loopback := []v1alpha1.CIDR{"127.0.0.1/32"}
	region := &v1alpha1.DataRegion{
		ObjectMeta: metav1.ObjectMeta{Name: regionName},
		Spec: v1alpha1.DataRegionSpec{
			Country: "CH", Regime: "IDG BS", PlatformNamespace: platform,
			Nodes: v1alpha1.NodeTrust{Label: nodeLabel, Values: []string{regionName}},
			DatabaseServers: []v1alpha1.DatabaseServer{{
				Name: "pg-1", Host: server.Host, Port: server.Port, CABundle: server.CABundle, Databases: []string{database},
				AdminSecretRef: v1alpha1.SecretReference{Name: "database"}, Processor: processor, EndpointCIDRs: loopback,
			}},
			Ingress: &v1alpha1.RegionIngress{
				ClassName: "public", Namespace: "ingress", LogPeriod: "7d", Processor: processor,
				PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "ingress"}},
			},
		},
	}
	for n := range namespaces {
		region.Spec.Namespaces.Names = append(region.Spec.Namespaces.Names, namespaceOf("authority", n))
	}
	for _, store := range stores {
		region.Spec.BackupStores = append(region.Spec.BackupStores, v1alpha1.BackupStore{
			Name: store.Name, Endpoint: store.Endpoint, Bucket: store.Bucket, SigningRegion: s3test.Region, CABundle: store.CABundle,
			AdminSecretRef: v1alpha1.SecretReference{Name: store.Name}, IdentityProvider: v1alpha1.IdentityProviderVersityGateway,
			Processor: processor, EndpointCIDRs: loopback,
		})
	}
	return region
}

func newPolicy() *v1alpha1.RetentionPolicy {
	rule := func(category v1alpha1.Category, start v1alpha1.StartEvent, period v1alpha1.Period, action v1alpha1.Action) v1alpha1.RetentionRule {
		return v1alpha1.RetentionRule{
			Category: category, StartEvent: start, Period: period, Action: action,
			DeletionClass: "K", Justification: "Nobody needs it longer.", Responsible: "Einwohneramt", ApprovedOn: "2026-03-02",
		}
	}
	return &v1alpha1.RetentionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: policyName},
		Spec: v1alpha1.RetentionPolicySpec{
			Regime: "IDG BS", LegalBasis: "§ 9 IDG",
			Rules: []v1alpha1.RetentionRule{
				rule(v1alpha1.CategoryHold, v1alpha1.StartCreation, "15m", v1alpha1.ActionDelete),
				rule(v1alpha1.CategoryUnconfirmedBooking, v1alpha1.StartCreation, "60m", v1alpha1.ActionDelete),
				rule(v1alpha1.CategoryContact, v1alpha1.StartAppointmentEnd, "30d", v1alpha1.ActionDelete),
				rule(v1alpha1.CategoryAppointment, v1alpha1.StartAppointmentEnd, "30d", v1alpha1.ActionAnonymize),
				rule(v1alpha1.CategoryMailOutbox, v1alpha1.StartSent, "72h", v1alpha1.ActionDelete),
				rule(v1alpha1.CategoryTenantData, v1alpha1.StartContractEnd, "30d", v1alpha1.ActionDelete),
			},
			Backup:      v1alpha1.BackupRule{Period: "90d", MaximumAge: "14h", DeletionClass: "B", Justification: "Late damage must be repairable."},
			Enforcement: v1alpha1.Enforcement{Schedule: "15 4 * * *", TimeZone: "Europe/Zurich"},
			Tolerance:   "26h",
		},
	}
}

// recipient is a key nobody has the other half of.
func recipient(tb testing.TB) v1alpha1.AgeRecipient {
	tb.Helper()
	identity, err := age.GenerateX25519Identity()
	must(tb, err)
	return v1alpha1.AgeRecipient(identity.Recipient().String())
}

// newTenant is a sound tenant of the size of the samples: two languages, one office, five days of opening hours.
func newTenant(namespace, name string, key v1alpha1.AgeRecipient) *v1alpha1.BookingTenant {
	address := v1alpha1.PostalAddress{Street: "Spiegelgasse 6", PostalCode: "4001", City: "Basel", Country: "CH"}
	office := v1alpha1.Office{
		Name: "hall", DisplayName: "Kundenzentrum", Controller: "Einwohneramt", Address: address, TimeZone: "Europe/Zurich", Counters: 2,
	}
	for _, day := range []v1alpha1.Weekday{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"} {
		office.OpeningHours = append(office.OpeningHours, v1alpha1.OpeningHours{Day: day, From: "08:00", Until: "12:00"})
	}
	return &v1alpha1.BookingTenant{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.BookingTenantSpec{
			Controllers: []v1alpha1.Controller{{
				Name: "Einwohneramt", Address: address, Email: "amt@example.org", Web: "https://amt.example.org",
				DataProtectionOfficer: v1alpha1.Contact{Name: "Datenschutzstelle", Email: "datenschutz@example.org"},
				SupervisoryAuthority:  v1alpha1.SupervisoryAuthority{Name: "Datenschutzbeauftragter", Address: address, Phone: "+41 61 000 00 00"},
			}},
			RegionRef: v1alpha1.ObjectReference{Name: regionName}, RetentionPolicyRef: v1alpha1.ObjectReference{Name: policyName},
			ProcessingAgreement: v1alpha1.ProcessingAgreement{
				InForceFrom: "2026-01-01", Reference: "AVV 1", DocumentSHA256: v1alpha1.SHA256(strings.Repeat("0", 64)),
			},
			Instance: v1alpha1.InstanceSpec{Replicas: 2, Hosts: []v1alpha1.Host{v1alpha1.Host(name + ".example.org")}},
			Catalogue: v1alpha1.Catalogue{
				Offices: []v1alpha1.Office{office},
				Services: []v1alpha1.Service{{
					Name: "passport", DisplayName: v1alpha1.LocalizedText{"de": "Pass", "en": "Passport"}, Duration: "15m",
					Channels: []v1alpha1.Channel{v1alpha1.ChannelOnSite},
				}},
			},
			Locales: []v1alpha1.Locale{"de", "en"},
			Backup:  v1alpha1.BackupSpec{Schedule: "0 */12 * * *", TimeZone: "Europe/Zurich", Copies: 3, Recipients: []v1alpha1.AgeRecipient{key}},
		},
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
