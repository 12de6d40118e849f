// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// processors: nobody processes the tenant's data, or accesses it, in a country the region does not allow, and no
// certificate of theirs is past its last day (A12, D2, D3). What they declare is all there is: no cluster can observe
// a contract.
func processors(p *plan.Plan, _ *Evidence, clock Clock) Finding {
	f := Finding{Type: v1alpha1.ConditionProcessorsPermitted}
	if len(p.Processors) == 0 {
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "no processor is declared"
		return f
	}
	// A declaration does not grow old, but the day a certificate ends on comes.
	f.support(clock.Now.Add(clock.MaxEvidenceAge))
	for _, use := range p.Processors {
		var outside []string
		for _, country := range countries(&use.Processor) {
			if !slices.Contains(p.Region.AllowedCountries, country) {
				outside = append(outside, string(country))
			}
		}
		if len(outside) > 0 {
			f.fail(v1alpha1.ReasonCountryNotAllowed, "%s (%s) processes or accesses data in %s; DataRegion %s allows %v",
				use.Processor.Name, use.Where, strings.Join(outside, ", "), p.Region.Name, p.Region.AllowedCountries)
		}
		for _, certificate := range use.Processor.Certificates {
			if clock.Now.UTC().Format(time.DateOnly) > string(certificate.ValidUntil) {
				f.fail(v1alpha1.ReasonCertificateExpired, "the certificate %s of %s (%s) ended on %s: have it renewed, or take it off the list",
					certificate.Kind, use.Processor.Name, use.Where, certificate.ValidUntil)
			}
		}
	}
	if f.Status == "" {
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("%d processors declare to work in %v alone; no certificate of theirs has ended", len(p.Processors), p.Region.AllowedCountries)
	}
	return f
}

// countries a processor works in or accesses data from here. Its seat is no such place.
func countries(p *v1alpha1.Processor) []v1alpha1.CountryCode {
	return append([]v1alpha1.CountryCode{p.Country}, p.AlsoProcessesIn...)
}

// Countries are all the tenant's data is processed in or accessed from, as declared, sorted.
func Countries(p *plan.Plan) []v1alpha1.CountryCode {
	var all []v1alpha1.CountryCode
	for i := range p.Processors {
		all = append(all, countries(&p.Processors[i].Processor)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
