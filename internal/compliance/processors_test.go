// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
)

// A12: a processor that also works elsewhere fails a region of one country; D3: a certificate ends.
func TestProcessorsWorkWhereTheRegionAllows(t *testing.T) {
	processor := func(change func(*v1alpha1.Processor)) func(*plan.Plan, *compliance.Evidence) {
		return func(p *plan.Plan, _ *compliance.Evidence) { change(&p.Processors[1].Processor) }
	}
	ending := func(day time.Time) func(*plan.Plan, *compliance.Evidence) {
		return processor(func(p *v1alpha1.Processor) {
			p.Certificates = []v1alpha1.Certificate{{Kind: "BSI C5", ValidUntil: v1alpha1.Date(day.Format(time.DateOnly))}}
		})
	}
	expectVerdicts(t, v1alpha1.ConditionProcessorsPermitted, map[string]verdict{
		"all at home": {func(*plan.Plan, *compliance.Evidence) {}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, []string{"2 processors declare", "[CH]"}},
		"one that also works elsewhere": {processor(func(p *v1alpha1.Processor) { p.AlsoProcessesIn = []v1alpha1.CountryCode{"CH", "HU", "SK"} }),
			metav1.ConditionFalse, v1alpha1.ReasonCountryNotAllowed, []string{"Aarespeicher AG (backup store zug)", "in HU, SK", "allows [CH]"}},
		"one that works elsewhere only":       {processor(func(p *v1alpha1.Processor) { p.Country = "US" }), metav1.ConditionFalse, v1alpha1.ReasonCountryNotAllowed, []string{"in US"}},
		"one whose seat alone lies elsewhere": {processor(func(p *v1alpha1.Processor) { p.Seat = "US" }), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"a region of several countries": {func(p *plan.Plan, _ *compliance.Evidence) {
			p.Region.AllowedCountries = []v1alpha1.CountryCode{"CH", "HU"}
			p.Processors[1].Processor.AlsoProcessesIn = []v1alpha1.CountryCode{"HU"}
		}, metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"certificate on its last day": {ending(now), metav1.ConditionTrue, v1alpha1.ReasonMeasured, nil},
		"certificate a day past it": {ending(now.Add(-24 * time.Hour)), metav1.ConditionFalse, v1alpha1.ReasonCertificateExpired,
			[]string{"BSI C5", "Aarespeicher AG", "have it renewed"}},
		"nobody declared": {func(p *plan.Plan, _ *compliance.Evidence) { p.Processors = nil }, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, nil},
	})
}
