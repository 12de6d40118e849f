// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// Input is everything a plan is a function of.
type Input struct {
	Tenant *v1alpha1.BookingTenant
	// Policy and Region are nil when the tenant's references name none.
	Policy *v1alpha1.RetentionPolicy
	Region *v1alpha1.DataRegion
	// NamespaceLabels of the tenant's namespace.
	NamespaceLabels map[string]string
	// Restoring tells that a backup is being brought back, so that the site says so instead of serving.
	Restoring bool
	// Importing tells that the tenant begins with an export that was not yet taken in, so that the site says so instead
	// of serving.
	Importing bool
	// Left tells that the contract has ended, so that nothing serves.
	Left bool
	// Neighbours are the other tenants of the cluster: their hosts and namespaces bind.
	Neighbours []Neighbour
	// Placement of the tenant's schema; nil until one was chosen.
	Placement *v1alpha1.DatabasePlacement
	Defaults  Defaults
	Now       time.Time
}

// Neighbour is another tenant as far as it can be in the way.
type Neighbour struct {
	Tenant  types.NamespacedName
	Region  string
	Hosts   []v1alpha1.Host
	Created time.Time
	// Placed tells whether it has, or had, data in its region.
	Placed bool
}

// Defaults of the operator.
type Defaults struct {
	Image           string
	ImagePullPolicy corev1.PullPolicy
	// OperatorNamespace may scrape the metrics of instances.
	OperatorNamespace string
}

// check is one thing that must hold before anything is planned.
type check func(*Input) *Refusal

// checks in the order an engineer would mend them.
var checks = []check{
	checkReferences,
	checkNamespace,
	checkHosts,
	checkProcessors,
	checkPeriods,
	checkOtherCopies,
	checkArchives,
	checkBackup,
	checkSchedules,
	checkCatalogue,
	checkConsents,
	checkAppearance,
	checkStaff,
	checkAgreement,
}

// Check refuses what cannot be planned; the first refusal wins. It is nil for a sound input.
func Check(in Input) *Refusal {
	for _, c := range checks {
		if refusal := c(&in); refusal != nil {
			return refusal
		}
	}
	return nil
}

// Build makes the plan of a checked and placed input. A tenant whose agreement is not in force is planned with no
// replicas, so that a site whose agreement has ended stops serving while its purge goes on (M1).
func Build(in Input) (*Plan, error) {
	tenant, policy, region := in.Tenant, in.Policy, in.Region
	if policy == nil || region == nil || in.Placement == nil {
		return nil, fmt.Errorf("planning %s: policy, region and placement are needed", tenant.Name)
	}
	server, err := serverOf(region, in.Placement)
	if err != nil {
		return nil, err
	}
	rules, err := rulesOf(policy)
	if err != nil {
		return nil, err
	}
	p := &Plan{
		Tenant: types.NamespacedName{Namespace: tenant.Namespace, Name: tenant.Name},
		UID:    tenant.UID, DataID: in.Placement.Schema,
		Image: in.Defaults.Image, ImagePullPolicy: in.Defaults.ImagePullPolicy,
		OperatorNamespace: in.Defaults.OperatorNamespace,
		Region: Region{
			Name: region.Name, Country: region.Spec.Country, AllowedCountries: allowedCountries(region), NodeLabel: region.Spec.Nodes.Label,
			NodeValues: region.Spec.Nodes.Values, PlatformNamespace: region.Spec.PlatformNamespace,
			EgressRequired: region.Spec.Egress.Requirement == v1alpha1.EgressRequired,
		},
		Database: Database{Server: *server, Name: in.Placement.Name, Rules: rules, Tolerance: duration(policy.Spec.Tolerance)},
	}
	if pause := policy.Spec.Suspension; pause != nil {
		p.Database.Suspension = &Suspension{Reason: pause.Reason, Until: pause.Until.UTC()}
	}
	p.Backup = buildBackup(&in, p)
	p.Purge = Purge{
		Schedule: string(policy.Spec.Enforcement.Schedule), TimeZone: policy.Spec.Enforcement.TimeZone,
		Settings: settings.Retain{Database: databaseSettings(p)},
	}
	if every := policy.Spec.Enforcement.RewriteStorageEvery; every != nil {
		p.Purge.Settings.RewriteEvery = *every
	}
	p.Archive = buildArchive(&in, p)
	p.Instance = buildInstance(&in, p)
	buildStaff(&in, p)
	p.Processors = buildProcessors(region, p)
	stamp(p)
	return p, nil
}

func allowedCountries(region *v1alpha1.DataRegion) []v1alpha1.CountryCode {
	if len(region.Spec.AllowedCountries) > 0 {
		return region.Spec.AllowedCountries
	}
	return []v1alpha1.CountryCode{region.Spec.Country}
}

// buildProcessors names those the tenant's data meets, not all of the region's.
func buildProcessors(region *v1alpha1.DataRegion, p *Plan) []ProcessorUse {
	uses := []ProcessorUse{{ServerUse(p.Database.Server.Name), p.Database.Server.Processor}}
	for i := range p.Backup.Stores {
		uses = append(uses, ProcessorUse{StoreUse(p.Backup.Stores[i].Name), p.Backup.Stores[i].Processor})
	}
	for _, store := range p.Archives() {
		uses = append(uses, ProcessorUse{ArchiveUse(store.Name), store.Processor})
	}
	if relay := region.Spec.MailRelay; relay != nil {
		uses = append(uses, ProcessorUse{"mail relay", relay.Processor})
	}
	if ingress := region.Spec.Ingress; ingress != nil {
		uses = append(uses, ProcessorUse{"ingress, which keeps logs " + string(ingress.LogPeriod), ingress.Processor})
	}
	if p.Instance.Settings.Staff != nil {
		uses = append(uses, ProcessorUse{"identity provider of the staff", region.Spec.StaffIdentity.Processor})
	}
	return uses
}

// stamp writes the hash of the promise into each settings document, so that an operand can tell which plan it serves.
func stamp(p *Plan) {
	hash := Hash(p)
	p.Instance.Settings.PlanHash = hash
	p.Purge.Settings.PlanHash = hash
	p.Backup.Settings.PlanHash = hash
	if p.Archive != nil {
		p.Archive.Settings.PlanHash = hash
	}
}

// duration of a period the checks have read already.
func duration(p v1alpha1.Period) time.Duration {
	d, err := p.Duration()
	if err != nil {
		return 0
	}
	return d
}

func serverOf(region *v1alpha1.DataRegion, placement *v1alpha1.DatabasePlacement) (*v1alpha1.DatabaseServer, error) {
	for i := range region.Spec.DatabaseServers {
		server := &region.Spec.DatabaseServers[i]
		if server.Name != placement.Server {
			continue
		}
		for _, database := range server.Databases {
			if database == placement.Name {
				return server, nil
			}
		}
	}
	return nil, &Refusal{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
		"the tenant's data lies in database %s of server %s, which DataRegion %s no longer lists: restore the entry, or move the tenant by export and import",
		placement.Name, placement.Server, region.Name)}
}

func rulesOf(policy *v1alpha1.RetentionPolicy) ([]Rule, error) {
	rules := make([]Rule, 0, len(policy.Spec.Rules))
	for _, r := range policy.Spec.Rules {
		period, err := r.Period.Duration()
		if err != nil {
			return nil, &Refusal{v1alpha1.ReasonInvalidPeriod, fmt.Sprintf("RetentionPolicy %s, rule %s: %v", policy.Name, r.Category, err)}
		}
		rule := Rule{Category: r.Category, StartEvent: r.StartEvent, Period: period, Action: r.Action}
		if r.Archive != nil {
			rule.ArchivePeriod = duration(r.Archive.Period)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func databaseSettings(p *Plan) settings.Database {
	return settings.Database{
		Host: p.Database.Server.Host, Port: p.Database.Server.Port, Name: p.Database.Name,
		Schema: p.DataID, CABundle: p.Database.Server.CABundle,
	}
}

func buildBackup(in *Input, p *Plan) Backup {
	spec := in.Tenant.Spec.Backup
	ahead := longestGap(string(spec.Schedule), spec.TimeZone)
	stores := in.Region.Spec.BackupStores[:min(int(spec.Copies), len(in.Region.Spec.BackupStores))]
	every := restoreTestEvery(in.Policy)
	document := settings.Backup{
		RestoreTestEvery: every,
		DataID:           p.DataID, Database: databaseSettings(p), Period: in.Policy.Spec.Backup.Period,
		ExpireAhead: v1alpha1.FormatPeriod(ahead),
		Recipients:  make([]string, 0, len(spec.Recipients)), Stores: make([]settings.Store, 0, len(stores)),
	}
	for _, recipient := range spec.Recipients {
		document.Recipients = append(document.Recipients, string(recipient))
	}
	for i := range stores {
		document.Stores = append(document.Stores, storeSettings(&stores[i], p))
	}
	return Backup{
		Schedule: string(spec.Schedule), TimeZone: spec.TimeZone, Stores: stores, Since: in.Tenant.CreationTimestamp.UTC(),
		Period: duration(in.Policy.Spec.Backup.Period), ExpireAhead: ahead, MaximumAge: duration(in.Policy.Spec.Backup.MaximumAge),
		Tolerance: duration(in.Policy.Spec.Tolerance), RestoreTestEvery: duration(every), Settings: document,
	}
}

// restoreTestEvery gives the default to a policy from before there was one.
func restoreTestEvery(policy *v1alpha1.RetentionPolicy) v1alpha1.Period {
	if every := policy.Spec.Backup.RestoreTestEvery; every != "" {
		return every
	}
	return v1alpha1.DefaultRestoreTestEvery
}

func buildInstance(in *Input, p *Plan) Instance {
	spec := in.Tenant.Spec.Instance
	instance := Instance{
		Replicas: max(spec.Replicas, 1), TLSSecretName: spec.TLSSecretName, Resources: spec.Resources,
		URL:         siteURL(in),
		EgressCIDRs: ServerEndpoints(&p.Database.Server),
		Settings: settings.Instance{
			URL: siteURL(in), Locales: in.Tenant.Spec.Locales, Database: databaseSettings(p),
			Catalogue: in.Tenant.Spec.Catalogue, Appearance: in.Tenant.Spec.Appearance, Challenge: in.Tenant.Spec.Instance.Challenge,
			Notice:    buildNotice(in, p),
			Restoring: in.Restoring || in.Importing, Importing: in.Importing,
			Closing: in.Tenant.Spec.Offboarding != nil,
		},
	}
	for _, address := range in.Region.Spec.Egress.UndeclaredAddresses {
		instance.Settings.Egress.Undeclared = append(instance.Settings.Egress.Undeclared, string(address))
	}
	for _, host := range spec.Hosts {
		instance.Hosts = append(instance.Hosts, string(host))
	}
	if in.Left || checkAgreement(in) != nil {
		instance.Replicas = 0
	}
	if relay := in.Region.Spec.MailRelay; relay != nil {
		instance.Settings.Mail = &settings.Mail{Host: relay.Host, Port: relay.Port, From: relay.From, CABundle: relay.CABundle}
		instance.EgressCIDRs = endpoints(instance.EgressCIDRs, relay.EndpointCIDRs, relay.Port)
	}
	if ingress := in.Region.Spec.Ingress; ingress != nil {
		instance.Ingress = &Ingress{ClassName: ingress.ClassName, Annotations: ingress.Annotations, Namespace: ingress.Namespace, PodSelector: ingress.PodSelector}
		for _, cidr := range ingress.EndpointCIDRs {
			instance.Ingress.CIDRs = append(instance.Ingress.CIDRs, string(cidr))
		}
	}
	return instance
}

func endpoints(list []Endpoint, cidrs []v1alpha1.CIDR, port int32) []Endpoint {
	for _, cidr := range cidrs {
		list = append(list, Endpoint{CIDR: string(cidr), Port: port})
	}
	return list
}

// siteURL is the address citizens type: plain http only where no certificate was given.
func siteURL(in *Input) string {
	spec := in.Tenant.Spec.Instance
	if len(spec.Hosts) == 0 {
		return ""
	}
	scheme, port, host := "http", int32(80), string(spec.Hosts[0])
	if spec.TLSSecretName != "" {
		scheme, port = "https", 443
		if in.Region.Spec.Ingress != nil && in.Region.Spec.Ingress.Port != 0 {
			port = in.Region.Spec.Ingress.Port
		}
	}
	if port != 443 && port != 80 {
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	return scheme + "://" + host
}

// buildNotice collects what the privacy notice says, so that what is published is what is enforced (invariant 8).
func buildNotice(in *Input, p *Plan) settings.Notice {
	notice := settings.Notice{
		Date: noticeDate(in), Controllers: in.Tenant.Spec.Controllers, Regime: in.Policy.Spec.Regime,
		LegalBasis: in.Policy.Spec.LegalBasis, Country: in.Region.Spec.Country,
		BackupPeriod: in.Policy.Spec.Backup.Period, BackupCopies: in.Tenant.Spec.Backup.Copies,
	}
	add := func(function settings.Function, processor v1alpha1.Processor) {
		notice.Processors = append(notice.Processors, settings.Processor{Function: function, Processor: processor})
	}
	add(settings.FunctionDatabase, p.Database.Server.Processor)
	for _, store := range p.Backup.Stores {
		add(settings.FunctionBackup, store.Processor)
	}
	for _, store := range p.Archives() {
		add(settings.FunctionArchive, store.Processor)
	}
	if in.Region.Spec.MailRelay != nil {
		add(settings.FunctionMail, in.Region.Spec.MailRelay.Processor)
	}
	if in.Region.Spec.Ingress != nil {
		add(settings.FunctionIngress, in.Region.Spec.Ingress.Processor)
	}
	for _, r := range in.Policy.Spec.Rules {
		rule := settings.Rule{Category: r.Category, StartEvent: r.StartEvent, Period: r.Period, Action: r.Action}
		if r.Archive != nil {
			rule.ArchivePeriod, rule.ArchiveBasis = r.Archive.Period, r.Archive.LegalBasis
		}
		notice.Rules = append(notice.Rules, rule)
	}
	return notice
}

// noticeDate dates the notice (B9) by the newest approval in the policy or start of the agreement: the last day its
// promises changed that somebody signed for.
func noticeDate(in *Input) string {
	newest := string(in.Tenant.Spec.ProcessingAgreement.InForceFrom)
	for _, rule := range in.Policy.Spec.Rules {
		newest = max(newest, string(rule.ApprovedOn))
	}
	return newest
}
