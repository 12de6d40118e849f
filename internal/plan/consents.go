// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"regexp"
	"slices"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// basedOnConsent is how a legal basis names consent.
var basedOnConsent = regexp.MustCompile(`Art[.]? ?6 ?([(]1[)]|Abs[.]? ?1) ?([(]a[)]|(lit|Bst)[.]? ?a\b)`)

// checkConsents refuses consents that could not be stored, and a policy that rests everything on consent while a service
// asks for none (T2).
func checkConsents(in *Input) *Refusal {
	ruled := ruleOf(in.Policy, v1alpha1.CategoryConsent) != nil
	for _, service := range in.Tenant.Spec.Catalogue.Services {
		if len(service.Consents) > 0 && !ruled {
			return refuse(v1alpha1.ReasonInvalidCatalogue, "service %s asks for consent, but RetentionPolicy %s has no rule for category Consent, so that none could be stored: ask the data protection officer to add one, or remove the service's consents",
				service.Name, in.Policy.Name)
		}
		asks := slices.ContainsFunc(service.Consents, func(c v1alpha1.Consent) bool { return c.Scope == v1alpha1.ConsentService })
		if !asks && service.LegalBasis == "" && basedOnConsent.MatchString(in.Policy.Spec.LegalBasis) {
			return refuse(v1alpha1.ReasonInvalidCatalogue, "service %s rests on the legal basis of RetentionPolicy %s, which is consent, but asks nobody for it: add consents with scope Service to the service, or name its own legalBasis",
				service.Name, in.Policy.Name)
		}
	}
	return nil
}
