// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

const secretKey = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ"

// change takes the sound samples and spoils one of them.
type change func(tenant *v1alpha1.BookingTenant, policy *v1alpha1.RetentionPolicy, region *v1alpha1.DataRegion) client.Object

func tenantWith(spoil func(*v1alpha1.BookingTenant)) change {
	return func(t *v1alpha1.BookingTenant, _ *v1alpha1.RetentionPolicy, _ *v1alpha1.DataRegion) client.Object {
		spoil(t)
		return t
	}
}

func policyWith(spoil func(*v1alpha1.RetentionPolicy)) change {
	return func(_ *v1alpha1.BookingTenant, p *v1alpha1.RetentionPolicy, _ *v1alpha1.DataRegion) client.Object {
		spoil(p)
		return p
	}
}

func regionWith(spoil func(*v1alpha1.DataRegion)) change {
	return func(_ *v1alpha1.BookingTenant, _ *v1alpha1.RetentionPolicy, r *v1alpha1.DataRegion) client.Object {
		spoil(r)
		return r
	}
}

func office(t *v1alpha1.BookingTenant) *v1alpha1.Office { return &t.Spec.Catalogue.Offices[0] }

// archived adds a rule that hands attachments over, as the law of rule asks.
func archived(rule *v1alpha1.ArchiveRule) func(*v1alpha1.RetentionPolicy) {
	return func(p *v1alpha1.RetentionPolicy) {
		p.Spec.Rules = slices.DeleteFunc(p.Spec.Rules, func(r v1alpha1.RetentionRule) bool { return r.Category == v1alpha1.CategoryAttachment })
		p.Spec.Rules = append(p.Spec.Rules, v1alpha1.RetentionRule{
			Category: v1alpha1.CategoryAttachment, StartEvent: v1alpha1.StartAppointmentEnd, Period: "30d", Action: v1alpha1.ActionArchive, Archive: rule,
			DeletionClass: "K", Justification: "x", Responsible: "x", ApprovedOn: "2026-01-01",
		})
	}
}

// archives gives an archive in a bucket at the first store's endpoint.
func archives(r *v1alpha1.DataRegion, bucket string, lock v1alpha1.ObjectLock) []v1alpha1.BackupStore {
	archive := *r.Spec.BackupStores[0].DeepCopy()
	archive.Name, archive.Bucket, archive.ObjectLock = "statutory", bucket, lock
	return []v1alpha1.BackupStore{archive}
}

// spoiled gives a copy of a sound sample under a new name, so that it is created and not changed.
func spoiled(spoil change) client.Object {
	tenant, policy, region := set.Tenants[0].DeepCopy(), set.Policies[0].DeepCopy(), set.Regions[0].DeepCopy()
	for _, o := range []client.Object{tenant, policy, region} {
		o.SetName("wrong")
	}
	return spoil(tenant, policy, region)
}

var _ = Describe("the API server", func() {
	It("accepts the samples these tests spoil", func(ctx context.Context) {
		for _, sound := range []change{
			tenantWith(func(*v1alpha1.BookingTenant) {}), policyWith(func(*v1alpha1.RetentionPolicy) {}), regionWith(func(*v1alpha1.DataRegion) {}),
			policyWith(archived(&v1alpha1.ArchiveRule{Period: "3650d", LegalBasis: "§ 147 Abs. 3 AO"})),
			regionWith(func(r *v1alpha1.DataRegion) { r.Spec.Archives = archives(r, "archive", v1alpha1.ObjectLockRequired) }),
		} {
			Expect(apiServer.Create(ctx, spoiled(sound), client.DryRunAll)).To(Succeed())
		}
	})

	DescribeTable("refuses, with the mend,",
		func(ctx context.Context, spoil change, mend string) {
			err := apiServer.Create(ctx, spoiled(spoil), client.DryRunAll)
			Expect(apierrors.IsInvalid(err)).To(BeTrue(), "%v", err)
			Expect(err).To(MatchError(ContainSubstring(mend)))
		},

		Entry("a period of zero", policyWith(func(p *v1alpha1.RetentionPolicy) { p.Spec.Rules[0].Period = "0d" }),
			"it can be neither zero nor negative"),
		Entry("a negative period", policyWith(func(p *v1alpha1.RetentionPolicy) { p.Spec.Backup.Period = "-30d" }),
			"it can be neither zero nor negative"),
		Entry("a period in months", policyWith(func(p *v1alpha1.RetentionPolicy) { p.Spec.Rules[0].Period = "1M" }),
			"months and years have no fixed length"),
		Entry("a rule without approval", policyWith(func(p *v1alpha1.RetentionPolicy) { p.Spec.Rules[0].ApprovedOn = "" }),
			"write a date as YYYY-MM-DD"),
		Entry("a stored category without a rule", policyWith(func(p *v1alpha1.RetentionPolicy) { p.Spec.Rules = p.Spec.Rules[1:] }),
			"give a rule for each category an instance stores"),
		Entry("contacts kept from their creation", policyWith(func(p *v1alpha1.RetentionPolicy) {
			for i := range p.Spec.Rules {
				p.Spec.Rules[i].StartEvent = v1alpha1.StartCreation
			}
		}), "set startEvent to AppointmentEnd"),
		Entry("contacts that are anonymised", policyWith(func(p *v1alpha1.RetentionPolicy) {
			for i := range p.Spec.Rules {
				p.Spec.Rules[i].Action = v1alpha1.ActionAnonymize
			}
		}), "use Delete, or Strip for access logs"),
		Entry("a purge schedule of four fields", policyWith(func(p *v1alpha1.RetentionPolicy) { p.Spec.Enforcement.Schedule = "15 2 * *" }),
			"write a schedule as five cron fields"),

		Entry("an archive of what is no document", policyWith(func(p *v1alpha1.RetentionPolicy) {
			p.Spec.Rules[0].Action, p.Spec.Rules[0].Archive = v1alpha1.ActionArchive, &v1alpha1.ArchiveRule{Period: "3650d", LegalBasis: "x"}
		}), "only documents are handed over to an archive"),
		Entry("an archive without a period of its own", policyWith(archived(nil)), "say in archive how long the archive keeps"),
		Entry("a period of an archive nothing is handed to", policyWith(func(p *v1alpha1.RetentionPolicy) {
			p.Spec.Rules[0].Archive = &v1alpha1.ArchiveRule{Period: "3650d", LegalBasis: "x"}
		}), "do so for the action Archive alone"),
		Entry("an archive that keeps no longer than the database", policyWith(archived(&v1alpha1.ArchiveRule{Period: "720h", LegalBasis: "x"})),
			"archive.period counts from the same start event"),
		Entry("an archive without a law that asks for it", policyWith(archived(&v1alpha1.ArchiveRule{Period: "3650d"})), "legalBasis"),
		Entry("an archive whose records nothing locks", regionWith(func(r *v1alpha1.DataRegion) { r.Spec.Archives = archives(r, "archive", "") }),
			"an archive is written once: set objectLock to Required"),
		Entry("an archive in a bucket of backups", regionWith(func(r *v1alpha1.DataRegion) {
			r.Spec.Archives = archives(r, r.Spec.BackupStores[0].Bucket, v1alpha1.ObjectLockRequired)
		}), "a bucket of its own, since expiry deletes"),
		Entry("a consent that starts at its creation", policyWith(func(p *v1alpha1.RetentionPolicy) {
			p.Spec.Rules = append(p.Spec.Rules, v1alpha1.RetentionRule{
				Category: v1alpha1.CategoryConsent, StartEvent: v1alpha1.StartCreation, Period: "365d", Action: v1alpha1.ActionDelete,
				DeletionClass: "K", Justification: "x", Responsible: "x", ApprovedOn: "2026-01-01",
			})
		}), "set startEvent to Withdrawal"),
		Entry("a suspension without a reason", policyWith(func(p *v1alpha1.RetentionPolicy) { p.Spec.Suspension = &v1alpha1.Suspension{} }),
			"spec.suspension.reason"),

		Entry("a time zone inside the schedule", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Schedule = "TZ=0 2 * * *" }),
			"without TZ=: the time zone has a field of its own"),
		Entry("a secret key as recipient", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Recipients = []v1alpha1.AgeRecipient{secretKey} }),
			"never a secret key"),
		Entry("a backup nobody could open", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.Backup.Recipients = nil }),
			"spec.backup.recipients"),
		Entry("an office of nobody", tenantWith(func(t *v1alpha1.BookingTenant) { office(t).Controller = "Nobody" }),
			"every office must name one of spec.controllers"),
		Entry("an office with a service that does not exist", tenantWith(func(t *v1alpha1.BookingTenant) { office(t).Services = []v1alpha1.CatalogueName{"nothing"} }),
			"an office may offer only services that catalogue.services lists"),
		Entry("opening hours that cross", tenantWith(func(t *v1alpha1.BookingTenant) {
			office(t).OpeningHours = []v1alpha1.OpeningHours{{Day: "Monday", From: "08:00", Until: "12:00"}, {Day: "Monday", From: "11:00", Until: "16:00"}}
		}), "merge them or separate them"),
		Entry("opening hours over midnight", tenantWith(func(t *v1alpha1.BookingTenant) {
			office(t).OpeningHours = []v1alpha1.OpeningHours{{Day: "Monday", From: "22:00", Until: "02:00"}}
		}), "opening hours must end after they begin"),
		Entry("an hour that does not exist", tenantWith(func(t *v1alpha1.BookingTenant) {
			office(t).OpeningHours = []v1alpha1.OpeningHours{{Day: "Monday", From: "08:00", Until: "25:00"}}
		}), "write a time of day as HH:MM"),
		Entry("opening hours that cross", tenantWith(func(t *v1alpha1.BookingTenant) {
			office(t).OpeningHours = []v1alpha1.OpeningHours{{Day: "Monday", From: "08:00", Until: "12:00"}, {Day: "Monday", From: "11:00", Until: "14:00"}}
		}), "merge them or separate them"),
		Entry("every other week of nothing", tenantWith(func(t *v1alpha1.BookingTenant) {
			office(t).OpeningHours = []v1alpha1.OpeningHours{{Day: "Monday", From: "08:00", Until: "12:00", EveryWeeks: 2}}
		}), "everyWeeks counts from the week of validFrom"),
		Entry("more public counters than counters", tenantWith(func(t *v1alpha1.BookingTenant) {
			many := office(t).Counters + 1
			office(t).OpeningHours = []v1alpha1.OpeningHours{{Day: "Monday", From: "08:00", Until: "12:00", PublicCounters: &many}}
		}), "publicCounters cannot be more"),
		Entry("holidays of nowhere", tenantWith(func(t *v1alpha1.BookingTenant) { office(t).Holidays = "DE-XX" }), "Unsupported value"),
		Entry("a closure that ends before it begins", tenantWith(func(t *v1alpha1.BookingTenant) {
			until := v1alpha1.Date("2026-12-01")
			office(t).Closures = []v1alpha1.Closure{{From: "2026-12-24", Until: &until}}
		}), "a closure must end on or after the day it begins"),
		Entry("a service without its name in a locale", tenantWith(func(t *v1alpha1.BookingTenant) {
			t.Spec.Catalogue.Services[0].DisplayName = v1alpha1.LocalizedText{"de": "Termin"}
		}), "give every service a displayName in each of spec.locales"),
		Entry("a site's name missing in a locale", tenantWith(func(t *v1alpha1.BookingTenant) {
			t.Spec.Appearance = &v1alpha1.Appearance{Name: v1alpha1.LocalizedText{"it": "Appuntamenti"}}
		}), "give appearance.name in each of spec.locales"),
		Entry("a colour by its name", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.Appearance = &v1alpha1.Appearance{Accent: "red"} }),
			"write a colour as # and six hexadecimal digits"),
		Entry("a host with a scheme", tenantWith(func(t *v1alpha1.BookingTenant) {
			t.Spec.Instance.Hosts = []v1alpha1.Host{"https://termine.example.org"}
		}),
			"without scheme, port or path"),
		Entry("an export by its whole key", tenantWith(func(t *v1alpha1.BookingTenant) {
			t.Spec.Bootstrap = &v1alpha1.Bootstrap{Import: v1alpha1.ImportSpec{File: "tabc/20261122T081500Z.export.tar.zst.age", SHA256: v1alpha1.SHA256(strings.Repeat("0", 64))}}
		}), "without what stands before its slash"),
		Entry("a controller without a mail address", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.Controllers[0].Email = "nobody" }),
			"write a mail address"),
		Entry("an authority without a phone", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.Controllers[0].SupervisoryAuthority.Phone = "" }),
			"supervisoryAuthority.phone"),
		Entry("an agreement without the digest of its document", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.ProcessingAgreement.DocumentSHA256 = "" }),
			"as sha256sum prints it"),
		Entry("a name too long for its jobs", tenantWith(func(t *v1alpha1.BookingTenant) { t.Name = "a-name-of-a-tenant-that-has-more-than-forty-characters" }),
			"keep the name of a BookingTenant to 40 characters"),

		Entry("a store without encryption", regionWith(func(r *v1alpha1.DataRegion) { r.Spec.BackupStores[0].Endpoint = "http://store.example.org" }),
			"backups travel over encrypted connections only"),
		Entry("a postal address for a service nobody comes to", tenantWith(func(t *v1alpha1.BookingTenant) { // A6
			t.Spec.Catalogue.Services[0].Channels = []v1alpha1.Channel{v1alpha1.ChannelPhone}
			t.Spec.Catalogue.Services[0].RequiredFields = []v1alpha1.RequiredField{v1alpha1.RequiredFieldPostalAddress}
		}), "add OnSite to the service's channels"),
		Entry("a field no service may demand", tenantWith(func(t *v1alpha1.BookingTenant) {
			t.Spec.Catalogue.Services[0].RequiredFields = []v1alpha1.RequiredField{"DateOfBirth"}
		}), "PostalAddress"),
		Entry("a consent without its text in a locale", tenantWith(func(t *v1alpha1.BookingTenant) { // T2
			t.Spec.Catalogue.Services[0].LegalBasis = "Art. 9(2)(a) GDPR"
			t.Spec.Catalogue.Services[0].Consents = []v1alpha1.Consent{{Scope: v1alpha1.ConsentService, Text: v1alpha1.LocalizedText{"de": "Ich willige ein."}}}
		}), "give every consent of a service its text in each of spec.locales"),
		Entry("a consent that rests on no provision", tenantWith(func(t *v1alpha1.BookingTenant) {
			t.Spec.Catalogue.Services[0].Consents = []v1alpha1.Consent{{Scope: v1alpha1.ConsentService, Text: v1alpha1.LocalizedText{"de": "Ja.", "en": "Yes."}}}
		}), "name the provision the consent rests on"),
		Entry("consent as legal basis that nobody is asked for", tenantWith(func(t *v1alpha1.BookingTenant) {
			t.Spec.Catalogue.Services[0].LegalBasis = "Art. 6(1)(a) GDPR"
		}), "add consents with scope Service"),
		Entry("consent as legal basis, in German", tenantWith(func(t *v1alpha1.BookingTenant) {
			t.Spec.Catalogue.Services[0].LegalBasis = "Art. 6 Abs. 1 lit. a DSGVO"
		}), "add consents with scope Service"),
		Entry("consent to an address the service demands anyway", tenantWith(func(t *v1alpha1.BookingTenant) {
			t.Spec.Catalogue.Services[0].RequiredFields = []v1alpha1.RequiredField{v1alpha1.RequiredFieldPostalAddress}
			t.Spec.Catalogue.Services[0].Channels = []v1alpha1.Channel{v1alpha1.ChannelOnSite}
			t.Spec.Catalogue.Services[0].Consents = []v1alpha1.Consent{{Scope: v1alpha1.ConsentPostalAddress, Text: v1alpha1.LocalizedText{"de": "Ja.", "en": "Yes."}}}
		}), "only where it is given freely, on site"),
		Entry("a reminder months ahead", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.Catalogue.Services[0].ReminderBefore = "60d" }),
			"remind at most 31 days before the appointment"),
		Entry("a cancelled time that comes back next week", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.Catalogue.ReleaseDelay = "7d" }),
			"offer a cancelled time again after a day at the latest"),
		Entry("a challenge nobody knows", tenantWith(func(t *v1alpha1.BookingTenant) { t.Spec.Instance.Challenge = "Pictures" }), "ProofOfWork"),
		Entry("a country in words", regionWith(func(r *v1alpha1.DataRegion) { r.Spec.Country = "ch" }),
			"two-letter ISO 3166-1 code"),
		Entry("an endpoint that is no range", regionWith(func(r *v1alpha1.DataRegion) {
			r.Spec.DatabaseServers[0].EndpointCIDRs = []v1alpha1.CIDR{"pg.example.org"}
		}), "in CIDR notation"),
		Entry("a database without certificate authority", regionWith(func(r *v1alpha1.DataRegion) { r.Spec.DatabaseServers[0].CABundle = "" }),
			"caBundle"),
		Entry("a region open to no namespace", regionWith(func(r *v1alpha1.DataRegion) { r.Spec.Namespaces = v1alpha1.NamespaceAccess{} }),
			"name the namespaces that may use this region"),
	)

	It("lengthens a period for a new reason only, and shortens it without", func(ctx context.Context) {
		policy, ok := spoiled(policyWith(func(p *v1alpha1.RetentionPolicy) { p.Name = "changing" })).(*v1alpha1.RetentionPolicy)
		Expect(ok).To(BeTrue())
		Expect(apiServer.Create(ctx, policy)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(apiServer.Delete(ctx, policy)).To(Succeed()) })
		policy.Spec.Rules[0].Period = "2m"
		Expect(apiServer.Update(ctx, policy, client.DryRunAll)).To(Succeed())
		policy.Spec.Rules[0].Period = "1d"
		Expect(apiServer.Update(ctx, policy, client.DryRunAll)).To(MatchError(ContainSubstring("write a new spec.changeReason")))
		policy.Spec.ChangeReason = "the court asks for it"
		Expect(apiServer.Update(ctx, policy)).To(Succeed())
		policy.Spec.Rules[0].Period = "2d"
		Expect(apiServer.Update(ctx, policy, client.DryRunAll)).To(MatchError(ContainSubstring("write a new spec.changeReason")))
	})

	It("refuses to move a tenant to another region in place", func(ctx context.Context) {
		tenant, ok := spoiled(tenantWith(func(t *v1alpha1.BookingTenant) { t.Name = "moving" })).(*v1alpha1.BookingTenant)
		Expect(ok).To(BeTrue())
		Expect(apiServer.Create(ctx, tenant)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(apiServer.Delete(ctx, tenant)).To(Succeed()) })
		tenant.Spec.RegionRef.Name = "elsewhere"
		Expect(apiServer.Update(ctx, tenant, client.DryRunAll)).To(MatchError(ContainSubstring("export it, create it in the other region, import")))
	})

	It("refuses to give a tenant that exists a beginning, and to take one away", func(ctx context.Context) { // D4
		first := v1alpha1.Bootstrap{Import: v1alpha1.ImportSpec{File: "20261122T081500Z.export.tar.zst.age", SHA256: v1alpha1.SHA256(strings.Repeat("0", 64))}}
		for name, begins := range map[string]*v1alpha1.Bootstrap{"beginning": &first, "empty": nil} {
			tenant, ok := spoiled(tenantWith(func(t *v1alpha1.BookingTenant) { t.Name, t.Spec.Bootstrap = name, begins })).(*v1alpha1.BookingTenant)
			Expect(ok).To(BeTrue())
			Expect(apiServer.Create(ctx, tenant)).To(Succeed())
			DeferCleanup(func(ctx context.Context) { Expect(apiServer.Delete(ctx, tenant)).To(Succeed()) })
			if begins != nil {
				tenant.Spec.Bootstrap = first.DeepCopy()
				tenant.Spec.Bootstrap.Import.File = "20261122T091500Z.export-2.tar.zst.age"
				Expect(apiServer.Update(ctx, tenant, client.DryRunAll)).To(Succeed(), "what was mistyped can be mended")
				tenant.Spec.Bootstrap = nil
			} else {
				tenant.Spec.Bootstrap = &first
			}
			Expect(apiServer.Update(ctx, tenant, client.DryRunAll)).To(MatchError(ContainSubstring("create another BookingTenant with it, or without it")))
		}
	})

	It("refuses to take the platform namespace from under a region's jobs", func(ctx context.Context) {
		region, ok := spoiled(regionWith(func(r *v1alpha1.DataRegion) { r.Name = "moving" })).(*v1alpha1.DataRegion)
		Expect(ok).To(BeTrue())
		Expect(apiServer.Create(ctx, region)).To(Succeed())
		DeferCleanup(func(ctx context.Context) { Expect(apiServer.Delete(ctx, region)).To(Succeed()) })
		region.Spec.PlatformNamespace = "elsewhere"
		Expect(apiServer.Update(ctx, region, client.DryRunAll)).To(MatchError(ContainSubstring("the platform namespace of a region cannot change")))
	})
})
