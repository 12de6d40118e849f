// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/robfig/cron/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/booking"
	"github.com/termintreu/termintreu/internal/look"
)

func refuse(reason, format string, args ...any) *Refusal {
	return &Refusal{reason, fmt.Sprintf(format, args...)}
}

func checkReferences(in *Input) *Refusal {
	if in.Region == nil {
		return refuse(v1alpha1.ReasonRegionNotFound, "DataRegion %q does not exist: name one that `kubectl get dataregions` lists, or ask the platform to declare it", in.Tenant.Spec.RegionRef.Name)
	}
	if in.Policy == nil {
		return refuse(v1alpha1.ReasonPolicyNotFound, "RetentionPolicy %q does not exist: name one that `kubectl get retentionpolicies` lists, or ask the data protection officer to write it", in.Tenant.Spec.RetentionPolicyRef.Name)
	}
	return nil
}

func checkNamespace(in *Input) *Refusal {
	namespace, region := in.Tenant.Namespace, in.Region
	if namespace == region.Spec.PlatformNamespace {
		return refuse(v1alpha1.ReasonNamespaceNotAllowed, "namespace %s is the platform's own in DataRegion %s: create the tenant in a namespace of the authority", namespace, region.Name)
	}
	if !admits(region.Spec.Namespaces, namespace, in.NamespaceLabels) {
		return refuse(v1alpha1.ReasonNamespaceNotAllowed, "DataRegion %s does not admit namespace %s: ask the platform to add it to spec.namespaces, or use a namespace it admits", region.Name, namespace)
	}
	return checkBound(in)
}

// checkBound refuses a second region in a namespace, since node constraints are stated per namespace. The namespace's
// label, which the operator alone writes, says whose it is; before it is written only a tenant that has data there
// does: one that is Stalled, however old, must not keep a namespace for a region it may never enter.
func checkBound(in *Input) *Refusal {
	namespace, region := in.Tenant.Namespace, in.Region.Name
	switch bound := in.NamespaceLabels[v1alpha1.LabelRegion]; bound {
	case region:
		return nil
	case "":
	default:
		return RefuseBound(namespace, bound, region)
	}
	for _, n := range in.Neighbours {
		if n.Placed && n.Tenant.Namespace == namespace && n.Region != region {
			return RefuseBound(namespace, n.Region, region)
		}
	}
	return nil
}

// RefuseBound says that a namespace holds the data of another region.
func RefuseBound(namespace, bound, region string) *Refusal {
	return refuse(v1alpha1.ReasonNamespaceBoundElsewhere, "namespace %s is bound to DataRegion %s: use another namespace for DataRegion %s", namespace, bound, region)
}

func admits(access v1alpha1.NamespaceAccess, namespace string, namespaceLabels map[string]string) bool {
	if slices.Contains(access.Names, namespace) {
		return true
	}
	if access.Selector == nil {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(access.Selector)
	return err == nil && selector.Matches(labels.Set(namespaceLabels))
}

// olderThan breaks ties by name: a commit creates many tenants within the second that creation times are counted in,
// and exactly one of two rivals must win.
func (n *Neighbour) olderThan(tenant *v1alpha1.BookingTenant) bool {
	created := tenant.CreationTimestamp.Time
	return n.Created.Before(created) || n.Created.Equal(created) && n.Tenant.String() < tenant.Namespace+"/"+tenant.Name
}

func checkHosts(in *Input) *Refusal {
	for _, n := range in.Neighbours {
		older := n.olderThan(in.Tenant)
		for _, host := range in.Tenant.Spec.Instance.Hosts {
			if older && slices.Contains(n.Hosts, host) {
				return refuse(v1alpha1.ReasonHostTaken, "host %s belongs to another tenant since %s: choose another host, or have it released there first", host, n.Created.UTC().Format(time.DateOnly))
			}
		}
	}
	return nil
}

// longestPeriod of what citizens give: contact and appointment, and what hangs on them.
func longestPeriod(policy *v1alpha1.RetentionPolicy) (time.Duration, error) {
	var longest time.Duration
	for _, rule := range policy.Spec.Rules {
		period, err := rule.Period.Duration()
		if err != nil {
			return 0, fmt.Errorf("rule %s: %w", rule.Category, err)
		}
		if rule.StartEvent == v1alpha1.StartAppointmentEnd {
			longest = max(longest, period)
		}
	}
	for _, p := range []v1alpha1.Period{policy.Spec.Backup.Period, policy.Spec.Backup.MaximumAge, policy.Spec.Tolerance, restoreTestEvery(policy)} {
		if _, err := p.Duration(); err != nil {
			return 0, err
		}
	}
	return longest, nil
}

func checkBackup(in *Input) *Refusal {
	backup := in.Tenant.Spec.Backup
	if stores := len(in.Region.Spec.BackupStores); int(backup.Copies) > stores {
		return refuse(v1alpha1.ReasonNotEnoughStores, "spec.backup.copies is %d, but DataRegion %s has %d backup stores: lower copies, or ask the platform for more stores", backup.Copies, in.Region.Name, stores)
	}
	if refusal := checkRecipients("spec.backup.recipients", backup.Recipients); refusal != nil {
		return refusal
	}
	if leaving := in.Tenant.Spec.Offboarding; leaving != nil {
		return checkRecipients("spec.offboarding.export.recipients", leaving.Export.Recipients)
	}
	return nil
}

func checkRecipients(field string, recipients []v1alpha1.AgeRecipient) *Refusal {
	hybrid := 0
	for i, recipient := range recipients {
		if strings.HasPrefix(string(recipient), "age1pq1") {
			hybrid++
			if _, err := age.ParseHybridRecipient(string(recipient)); err != nil {
				return refuse(v1alpha1.ReasonInvalidRecipient, "%s[%d] is no age public key: paste the line age-keygen -pq prints after \"Public key:\"", field, i)
			}
			continue
		}
		if _, err := age.ParseX25519Recipient(string(recipient)); err != nil {
			return refuse(v1alpha1.ReasonInvalidRecipient, "%s[%d] is no age public key (a character is wrong or missing): paste the line age-keygen prints after \"Public key:\"", field, i)
		}
	}
	if hybrid != 0 && hybrid != len(recipients) {
		return refuse(v1alpha1.ReasonInvalidRecipient, "%s mixes post-quantum (age1pq1…) and classic (age1…) keys, which age refuses since the weaker would undo the stronger: use one kind", field)
	}
	return nil
}

func checkSchedules(in *Input) *Refusal {
	backup, enforcement := in.Tenant.Spec.Backup, in.Policy.Spec.Enforcement
	if refusal := checkSchedule("spec.backup.schedule", string(backup.Schedule), backup.TimeZone, in.Now); refusal != nil {
		return refusal
	}
	if refusal := checkSchedule("RetentionPolicy "+in.Policy.Name+", spec.enforcement.schedule", string(enforcement.Schedule), enforcement.TimeZone, in.Now); refusal != nil {
		return refusal
	}
	return checkRhythm(in)
}

// checkRhythm refuses schedules that cannot keep the policy's periods even when every run succeeds (B1, B2).
func checkRhythm(in *Input) *Refusal {
	backup, enforcement, policy := in.Tenant.Spec.Backup, in.Policy.Spec.Enforcement, in.Policy.Spec
	if gap := longestGap(string(backup.Schedule), backup.TimeZone); gap > duration(policy.Backup.MaximumAge) {
		return refuse(v1alpha1.ReasonInvalidSchedule, "spec.backup.schedule leaves up to %s between two backups, but RetentionPolicy %s lets the newest be at most %s old: back up more often",
			v1alpha1.FormatPeriod(gap), in.Policy.Name, policy.Backup.MaximumAge)
	}
	if gap := longestGap(string(enforcement.Schedule), enforcement.TimeZone); gap > duration(policy.Tolerance) {
		return refuse(v1alpha1.ReasonInvalidSchedule, "RetentionPolicy %s purges up to %s apart, longer than its tolerance of %s: purge more often, raise spec.tolerance, or leave an hour that clocks skip in spring",
			in.Policy.Name, v1alpha1.FormatPeriod(gap), policy.Tolerance)
	}
	return nil
}

func checkSchedule(where, schedule, zone string, now time.Time) *Refusal {
	if strings.Contains(strings.ToUpper(schedule), "TZ") {
		return refuse(v1alpha1.ReasonInvalidSchedule, "%s carries a time zone: write it in the timeZone field beside it", where)
	}
	parsed, err := parseCron(schedule)
	if err != nil {
		return refuse(v1alpha1.ReasonInvalidSchedule, "%s %q cannot be read (%v): write five cron fields (minute hour day month weekday), such as '15 2 * * *'", where, schedule, err)
	}
	// An interval counts from whenever the CronJob was last touched, so nobody could say when a purge is due.
	if _, interval := parsed.(cron.ConstantDelaySchedule); interval {
		return refuse(v1alpha1.ReasonInvalidSchedule, "%s %q is an interval without times of day: write five cron fields, such as '0 */12 * * *'", where, schedule)
	}
	// Asked in UTC: whether a day ever comes depends on no clock change, and this parser's search stumbles over some.
	if parsed.Next(now.UTC()).IsZero() {
		return refuse(v1alpha1.ReasonInvalidSchedule, "%s %q names a day that never comes: choose one that exists", where, schedule)
	}
	if _, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		return refuse(v1alpha1.ReasonInvalidSchedule, "the time zone %q beside %s does not exist: write an IANA name, such as Europe/Zurich", zone, where)
	}
	return nil
}

// parseCron reads a schedule as the API server will, with the same parser and, since that one panics on some input, the
// same recovery: what passes here is never refused there, and means the same.
func parseCron(schedule string) (parsed cron.Schedule, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it is malformed")
		}
	}()
	return cron.ParseStandard(schedule)
}

// checkCatalogue refuses what CEL cannot see: calendars and periods.
func checkCatalogue(in *Input) *Refusal {
	catalogue := in.Tenant.Spec.Catalogue
	for _, office := range catalogue.Offices {
		if _, err := time.LoadLocation(office.TimeZone); err != nil || office.TimeZone == "Local" {
			return refuse(v1alpha1.ReasonInvalidCatalogue, "office %s: the time zone %q does not exist: write an IANA name, such as Europe/Zurich", office.Name, office.TimeZone)
		}
		if slot, err := office.SlotLength.Duration(); err != nil || slot > 24*time.Hour {
			return refuse(v1alpha1.ReasonInvalidCatalogue, "office %s: slotLength must be a period of at most a day, such as 15m", office.Name)
		}
		for _, closure := range office.Closures {
			last := closure.From
			if closure.Until != nil {
				last = *closure.Until
			}
			for _, day := range []v1alpha1.Date{closure.From, last} {
				if _, err := time.Parse(time.DateOnly, string(day)); err != nil {
					return refuse(v1alpha1.ReasonInvalidCatalogue, "office %s: a closure names %s, a day that does not exist: write a day of the calendar as YYYY-MM-DD", office.Name, day)
				}
			}
		}
		if refusal := checkFits(office, catalogue.Services); refusal != nil {
			return refusal
		}
	}
	return checkCrossings(in)
}

// crossingDays is how far ahead hours that hold on some days only are looked at: every pattern comes by in two years.
const crossingDays = 2 * 366

// checkCrossings refuses hours that cross on one day only, which no rule over their texts could see.
func checkCrossings(in *Input) *Refusal {
	catalogue, err := booking.NewCatalogue(in.Tenant.Spec.Catalogue)
	if err != nil {
		return refuse(v1alpha1.ReasonInvalidCatalogue, "catalogue: %v", err)
	}
	for _, office := range catalogue.Offices {
		if day := office.Crossing(in.Now, crossingDays); day != "" {
			return refuse(v1alpha1.ReasonInvalidCatalogue, "office %s: two opening hours cross each other on %s: end one with validUntil before the other begins, or change their hours", office.Name, day)
		}
	}
	return nil
}

// checkAppearance refuses what citizens could not read, or a logo that is more than a picture.
func checkAppearance(in *Input) *Refusal {
	appearance := in.Tenant.Spec.Appearance
	if appearance == nil {
		return nil
	}
	if _, err := look.NewPalette(appearance.Accent); err != nil {
		return refuse(v1alpha1.ReasonInvalidAppearance, "appearance: %v", err)
	}
	if err := look.CheckLogo(appearance.Logo); err != nil {
		return refuse(v1alpha1.ReasonInvalidAppearance, "appearance: %v", err)
	}
	return nil
}

// checkFits refuses an office that can never offer one of its services, which citizens would see as an empty page.
func checkFits(office v1alpha1.Office, services []v1alpha1.Service) *Refusal {
	var longest time.Duration
	for _, hours := range office.OpeningHours {
		longest = max(longest, minutes(hours.Until)-minutes(hours.From))
	}
	for _, service := range services {
		if len(office.Services) > 0 && !slices.Contains(office.Services, service.Name) {
			continue
		}
		length, err := service.Duration.Duration()
		if err != nil || length > longest {
			return refuse(v1alpha1.ReasonInvalidCatalogue, "service %s lasts %s, longer than office %s is ever open at a stretch: shorten the service, widen the hours, or leave it out of the office's services", service.Name, service.Duration, office.Name)
		}
	}
	return nil
}

func minutes(t v1alpha1.TimeOfDay) time.Duration {
	var hour, minute int
	if _, err := fmt.Sscanf(string(t), "%d:%d", &hour, &minute); err != nil {
		return 0
	}
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

// checkAgreement refuses to serve before, or after, the processing agreement is in force (M1, T9).
func checkAgreement(in *Input) *Refusal {
	agreement, today := in.Tenant.Spec.ProcessingAgreement, in.Now.UTC().Format(time.DateOnly)
	if today < string(agreement.InForceFrom) {
		return refuse(v1alpha1.ReasonAgreementNotInForce, "the processing agreement %s is in force only from %s: the site serves from then on", agreement.Reference, agreement.InForceFrom)
	}
	if agreement.InForceUntil != nil && today > string(*agreement.InForceUntil) {
		return refuse(v1alpha1.ReasonAgreementNotInForce, "the processing agreement %s ended on %s: conclude a new one and name it in spec.processingAgreement; the site stays down, purge and expiry go on", agreement.Reference, *agreement.InForceUntil)
	}
	return nil
}

// CheckPolicy refuses a policy no database can enforce or no schedule can keep, whoever uses it.
func CheckPolicy(policy *v1alpha1.RetentionPolicy) *Refusal {
	if _, err := longestPeriod(policy); err != nil {
		return refuse(v1alpha1.ReasonInvalidPeriod, "%v", err)
	}
	if duration(policy.Spec.Backup.MaximumAge) >= duration(policy.Spec.Backup.Period) {
		return refuse(v1alpha1.ReasonInvalidPeriod, "spec.backup.maximumAge (%s) must be shorter than spec.backup.period (%s), or the newest backup expires before the next is due", policy.Spec.Backup.MaximumAge, policy.Spec.Backup.Period)
	}
	if refusal := checkHanging(policy); refusal != nil {
		return refusal
	}
	if refusal := checkArchiveRules(policy); refusal != nil {
		return refusal
	}
	return checkSchedule("spec.enforcement.schedule", string(policy.Spec.Enforcement.Schedule), policy.Spec.Enforcement.TimeZone, time.Now())
}
