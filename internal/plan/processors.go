// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// maximumLogs is how long addresses of citizens may stand in an access log where the policy has no rule of its own for
// it (A3, A9).
const maximumLogs = 30 * 24 * time.Hour

// demand is how long a processor of the region must be able to hold data for a policy to be kept.
type demand struct {
	where     string
	processor *v1alpha1.Processor
	// what is kept, in words, and for how long.
	what string
	kept time.Duration
}

// checkProcessors holds the policy against what each processor of the region may keep (D6).
func checkProcessors(in *Input) *Refusal {
	if _, err := longestPeriod(in.Policy); err != nil {
		return refuse(v1alpha1.ReasonInvalidPeriod, "RetentionPolicy %s: %v", in.Policy.Name, err)
	}
	if refusal := checkLogs(in); refusal != nil {
		return refusal
	}
	for _, d := range demands(in) {
		if d.processor.MaximumPeriod == nil {
			continue
		}
		limit, err := d.processor.MaximumPeriod.Duration()
		if err != nil {
			return refuse(v1alpha1.ReasonInvalidPeriod, "DataRegion %s, processor %s: %v", in.Region.Name, d.processor.Name, err)
		}
		if d.kept > limit {
			return refuse(v1alpha1.ReasonPolicyExceedsProcessor,
				"%s, but processor %s (%s) may hold it for %s in all: shorten the period, or use a region whose processors allow it",
				d.what, d.processor.Name, d.where, *d.processor.MaximumPeriod)
		}
	}
	return nil
}

// checkLogs refuses an ingress that keeps citizens' addresses longer than the policy's own access log may (A3, A9).
func checkLogs(in *Input) *Refusal {
	ingress := in.Region.Spec.Ingress
	if ingress == nil {
		return nil
	}
	kept, err := ingress.LogPeriod.Duration()
	if err != nil {
		return refuse(v1alpha1.ReasonInvalidPeriod, "DataRegion %s, spec.ingress.logPeriod: %v", in.Region.Name, err)
	}
	limit := maximumLogs
	if rule := ruleOf(in.Policy, v1alpha1.CategoryAccessLog); rule != nil {
		limit = duration(rule.Period)
	}
	if kept > limit {
		return refuse(v1alpha1.ReasonPolicyExceedsProcessor,
			"the ingress of DataRegion %s keeps access logs for %s, but RetentionPolicy %s lets addresses live for %s: have the platform shorten spec.ingress.logPeriod, or use another region",
			in.Region.Name, ingress.LogPeriod, in.Policy.Name, v1alpha1.FormatPeriod(limit))
	}
	return nil
}

// demands lists what each processor of the region must be able to keep: who holds the data, its whole life there; the
// mail relay what waits to be delivered; the ingress its logs.
func demands(in *Input) []demand {
	policy, region := in.Policy, &in.Region.Spec
	longest, _ := longestPeriod(policy)
	backup := duration(policy.Spec.Backup.Period)
	// Capped, since the sum of two long periods overflows into the past.
	whole := longest + min(backup, time.Duration(1<<63-1)-longest)
	all := "RetentionPolicy " + policy.Name + " keeps appointment data " + string(v1alpha1.FormatPeriod(longest)) + " and backups " + string(policy.Spec.Backup.Period) + " more"
	var list []demand
	for i := range region.DatabaseServers {
		s := &region.DatabaseServers[i]
		list = append(list, demand{ServerUse(s.Name), &s.Processor, all, whole})
	}
	for i := range region.BackupStores {
		s := &region.BackupStores[i]
		list = append(list, demand{StoreUse(s.Name), &s.Processor, all, whole})
	}
	// An archive no rule hands over to keeps nothing, whatever its processor may.
	if rule := longestArchive(policy); rule != nil {
		for i := range region.Archives {
			a := &region.Archives[i]
			list = append(list, demand{ArchiveUse(a.Name), &a.Processor,
				"RetentionPolicy " + policy.Name + " has " + string(rule.Category) + " archived for " + string(rule.Archive.Period), duration(rule.Archive.Period)})
		}
	}
	if relay, rule := region.MailRelay, ruleOf(policy, v1alpha1.CategoryMailOutbox); relay != nil && rule != nil {
		list = append(list, demand{"mail relay", &relay.Processor, "RetentionPolicy " + policy.Name + " lets mail wait " + string(rule.Period), duration(rule.Period)})
	}
	if ingress := region.Ingress; ingress != nil {
		list = append(list, demand{"ingress", &ingress.Processor, "the ingress of DataRegion " + in.Region.Name + " keeps access logs for " + string(ingress.LogPeriod), duration(ingress.LogPeriod)})
	}
	return list
}

// longestArchive gives the rule whose records stay in an archive the longest; nil when none hands over.
func longestArchive(policy *v1alpha1.RetentionPolicy) (longest *v1alpha1.RetentionRule) {
	for i := range policy.Spec.Rules {
		rule := &policy.Spec.Rules[i]
		if rule.Archive != nil && (longest == nil || duration(rule.Archive.Period) > duration(longest.Archive.Period)) {
			longest = rule
		}
	}
	return longest
}

func ruleOf(policy *v1alpha1.RetentionPolicy, category v1alpha1.Category) *v1alpha1.RetentionRule {
	for i := range policy.Spec.Rules {
		if policy.Spec.Rules[i].Category == category {
			return &policy.Spec.Rules[i]
		}
	}
	return nil
}
