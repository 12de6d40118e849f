// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"strings"

	"filippo.io/age"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

func newRegion(name string) *v1alpha1.DataRegion {
	processor := v1alpha1.Processor{Name: "Limmatwerk AG", Seat: "CH", Country: "CH", Site: "Zürich"}
	loopback := []v1alpha1.CIDR{"127.0.0.1/32"}
	region := &v1alpha1.DataRegion{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.DataRegionSpec{
			Country: "CH", Regime: "IDG BS",
			Nodes:             v1alpha1.NodeTrust{Label: "topology.kubernetes.io/region", Values: []string{name}},
			Admission:         v1alpha1.AdmissionRule{NodeAdministrators: []string{"system:masters"}},
			Namespaces:        v1alpha1.NamespaceAccess{Names: []string{name + "-basel"}},
			PlatformNamespace: name + "-platform",
			DatabaseServers: []v1alpha1.DatabaseServer{{
				Name: "pg-1", Host: server.Host, Port: server.Port, CABundle: server.CABundle,
				AdminSecretRef: v1alpha1.SecretReference{Name: "database"}, Processor: processor, EndpointCIDRs: loopback,
			}},
			Ingress: &v1alpha1.RegionIngress{
				ClassName: "public", Namespace: "ingress", LogPeriod: "7d", Processor: processor,
				PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "ingress"}},
			},
		},
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

func newPolicy(name string) *v1alpha1.RetentionPolicy {
	rule := func(category v1alpha1.Category, start v1alpha1.StartEvent, period v1alpha1.Period, action v1alpha1.Action) v1alpha1.RetentionRule {
		return v1alpha1.RetentionRule{
			Category: category, StartEvent: start, Period: period, Action: action,
			DeletionClass: "K", Justification: "Nobody needs it longer.", Responsible: "Einwohneramt", ApprovedOn: "2026-03-02",
		}
	}
	return &v1alpha1.RetentionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
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
func recipient() v1alpha1.AgeRecipient {
	GinkgoHelper()
	identity, err := age.GenerateX25519Identity()
	Expect(err).NotTo(HaveOccurred())
	return v1alpha1.AgeRecipient(identity.Recipient().String())
}

// wish is a sound tenant of the world.
func (w *world) wish(name string) *v1alpha1.BookingTenant {
	GinkgoHelper()
	address := v1alpha1.PostalAddress{Street: "Spiegelgasse 6", PostalCode: "4001", City: "Basel", Country: "CH"}
	return &v1alpha1.BookingTenant{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.BookingTenantSpec{
			Controllers: []v1alpha1.Controller{{
				Name: "Einwohneramt", Address: address, Email: "amt@example.org", Web: "https://amt.example.org",
				DataProtectionOfficer: v1alpha1.Contact{Name: "Datenschutzstelle", Email: "datenschutz@example.org"},
				SupervisoryAuthority:  v1alpha1.SupervisoryAuthority{Name: "Datenschutzbeauftragter", Address: address, Phone: "+41 61 000 00 00"},
			}},
			RegionRef: v1alpha1.ObjectReference{Name: w.region.Name}, RetentionPolicyRef: v1alpha1.ObjectReference{Name: w.policy.Name},
			ProcessingAgreement: v1alpha1.ProcessingAgreement{
				InForceFrom: "2026-01-01", Reference: "AVV 1", DocumentSHA256: v1alpha1.SHA256(strings.Repeat("0", 64)),
			},
			Instance: v1alpha1.InstanceSpec{Replicas: 2, Hosts: []v1alpha1.Host{v1alpha1.Host(name + "." + w.name + ".example.org")}, TLSSecretName: siteSecret},
			Catalogue: v1alpha1.Catalogue{
				Offices: []v1alpha1.Office{{
					Name: "hall", DisplayName: "Kundenzentrum", Controller: "Einwohneramt", Address: address,
					TimeZone: "Europe/Zurich", Counters: 2,
					OpeningHours: []v1alpha1.OpeningHours{{Day: "Monday", From: "08:00", Until: "12:00"}},
				}},
				Services: []v1alpha1.Service{{
					Name: "passport", DisplayName: v1alpha1.LocalizedText{"de": "Pass", "en": "Passport"}, Duration: "15m",
					Channels: []v1alpha1.Channel{v1alpha1.ChannelOnSite},
				}},
			},
			Locales: []v1alpha1.Locale{"de", "en"},
			Backup:  v1alpha1.BackupSpec{Schedule: "0 */12 * * *", TimeZone: "Europe/Zurich", Copies: 3, Recipients: []v1alpha1.AgeRecipient{recipient()}},
		},
	}
}

// create wishes for a sound tenant.
func (w *world) create(ctx context.Context, name string, change ...func(*v1alpha1.BookingTenant)) *v1alpha1.BookingTenant {
	GinkgoHelper()
	tenant := w.wish(name)
	for _, c := range change {
		c(tenant)
	}
	Expect(admin.Create(ctx, tenant)).To(Succeed())
	return tenant
}
