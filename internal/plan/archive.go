// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/settings"
)

// archivable are the categories that hold documents: the schema knows how to hand over these and no other.
var archivable = []v1alpha1.Category{v1alpha1.CategoryMessage, v1alpha1.CategoryAttachment, v1alpha1.CategoryConsent}

// checkArchives refuses a policy that hands over where there is nothing to hand over to: its records would be lost, or
// kept for ever (T8).
func checkArchives(in *Input) *Refusal {
	if refusal := checkArchiveRules(in.Policy); refusal != nil {
		return refusal
	}
	if rule := archiving(in.Policy); rule != nil && len(in.Region.Spec.Archives) == 0 {
		return refuse(v1alpha1.ReasonNoArchive, "RetentionPolicy %s hands %s over to an archive, but DataRegion %s declares none: ask the platform to declare a write-once store in spec.archives, or use a policy without the action Archive",
			in.Policy.Name, rule.Category, in.Region.Name)
	}
	return nil
}

// checkArchiveRules refuses what the rules of the CRD refuse, of a policy that was stored before they were.
func checkArchiveRules(policy *v1alpha1.RetentionPolicy) *Refusal {
	for i := range policy.Spec.Rules {
		rule := &policy.Spec.Rules[i]
		if (rule.Action == v1alpha1.ActionArchive) != (rule.Archive != nil) {
			return refuse(v1alpha1.ReasonInvalidPeriod, "RetentionPolicy %s, rule %s: archive and the action Archive go together: give both, or neither", policy.Name, rule.Category)
		}
		if rule.Archive == nil {
			continue
		}
		if !slices.Contains(archivable, rule.Category) {
			return refuse(v1alpha1.ReasonInvalidPeriod, "RetentionPolicy %s, rule %s: only documents are handed over to an archive, which are Message, Attachment and Consent: use Delete", policy.Name, rule.Category)
		}
		kept, err := rule.Archive.Period.Duration()
		if err != nil {
			return refuse(v1alpha1.ReasonInvalidPeriod, "RetentionPolicy %s, rule %s, archive: %v", policy.Name, rule.Category, err)
		}
		if kept <= duration(rule.Period) {
			return refuse(v1alpha1.ReasonInvalidPeriod, "RetentionPolicy %s, rule %s: the archive keeps records %s from the same start event that the database keeps them %s from: make archive.period the longer one, or use Delete",
				policy.Name, rule.Category, rule.Archive.Period, rule.Period)
		}
	}
	return nil
}

// archiving gives the first rule that hands over; nil when none does.
func archiving(policy *v1alpha1.RetentionPolicy) *v1alpha1.RetentionRule {
	for i := range policy.Spec.Rules {
		if policy.Spec.Rules[i].Action == v1alpha1.ActionArchive {
			return &policy.Spec.Rules[i]
		}
	}
	return nil
}

// buildArchive is nil where nothing is handed over, or nowhere: a tenant that ends is planned unchecked, and its region may
// have given its archives up. Those who can open a backup can open what lies in an archive.
func buildArchive(in *Input, p *Plan) *Archive {
	if archiving(in.Policy) == nil || len(in.Region.Spec.Archives) == 0 {
		return nil
	}
	a := &Archive{Stores: in.Region.Spec.Archives, Settings: settings.Archive{
		DataID: p.DataID, Database: databaseSettings(p), Recipients: p.Backup.Settings.Recipients,
	}}
	for i := range a.Stores {
		a.Settings.Stores = append(a.Settings.Stores, storeSettings(&a.Stores[i], p))
	}
	return a
}

// storeSettings are how an operand reaches the tenant's prefix at a store.
func storeSettings(store *v1alpha1.BackupStore, p *Plan) settings.Store {
	return settings.Store{
		Name: store.Name, Endpoint: store.Endpoint, Bucket: store.Bucket, SigningRegion: store.SigningRegion,
		CABundle: store.CABundle, Prefix: p.DataID + "/",
	}
}
