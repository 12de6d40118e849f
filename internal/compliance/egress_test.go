// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
)

// A11: only a refusal beside an answer proves that the network is restricted.
func TestEgressIsRestrictedOnlyWhenAnUndeclaredAddressRefusedWhileADeclaredOneAnswered(t *testing.T) {
	sample := func(at time.Time, found compliance.Egress) *compliance.Sample[compliance.Egress] {
		return &compliance.Sample[compliance.Egress]{At: at, Value: found}
	}
	refused := compliance.Egress{Declared: true, Tried: 1}
	open := compliance.Egress{Declared: true, Tried: 2, Open: []string{"10.96.0.1:443"}}
	for name, c := range map[string]struct {
		found          *compliance.Sample[compliance.Egress]
		status         metav1.ConditionStatus
		reason, saying string
	}{
		"refused while the database answered": {sample(now, refused), metav1.ConditionTrue, v1alpha1.ReasonMeasured, "1 tried"},
		"one of two answered":                 {sample(now, open), metav1.ConditionFalse, v1alpha1.ReasonEgressOpen, "10.96.0.1:443, which DataRegion ch does not declare"},
		"open though the database is down":    {sample(now, compliance.Egress{Tried: 1, Open: open.Open}), metav1.ConditionFalse, v1alpha1.ReasonEgressOpen, "10.96.0.1:443"},
		"nothing answered at all":             {sample(now, compliance.Egress{Tried: 1}), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "proves nothing"},
		"nothing was tried":                   {sample(now, compliance.Egress{Declared: true}), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "no undeclared address"},
		"stale":                               {sample(ago(clock.MaxEvidenceAge+time.Second), refused), metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale, "too long ago"},
		"never tried":                         {sample(time.Time{}, compliance.Egress{}), metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "has not been measured yet"},
		"failed":                              {&compliance.Sample[compliance.Egress]{At: now, Value: refused, Err: errors.New("no answer")}, metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed, "no answer"},
		"nobody asks":                         {nil, metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "--read-notices"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, required := range []bool{true, false} {
				if c.found == nil && !required {
					continue
				}
				p, e := baselPlan(), soundEvidence()
				p.Region.EgressRequired, e.Egress = required, c.found
				findings := compliance.Judge(p, e, clock)
				f := find(t, findings, v1alpha1.ConditionEgressRestricted)
				if f.Status != c.status || f.Reason != c.reason || !strings.Contains(f.Message, c.saying) {
					t.Errorf("it is %s because of %s: %s", f.Status, f.Reason, f.Message)
				}
				want := c.status
				if !required {
					want = metav1.ConditionTrue
				}
				if summary := find(t, findings, v1alpha1.ConditionCompliant); summary.Status != want {
					t.Errorf("required %t: Compliant is %s: %s", required, summary.Status, summary.Message)
				}
			}
		})
	}
}

// B4: the ingress sees every form, so it must be where the data may be.
func TestAnIngressOnAForeignNodeIsAFinding(t *testing.T) {
	pod := compliance.Placement{What: "Pod ingress/edge-1", Bound: true, Node: "ch-1", NodeValue: "ch"}
	foreign := pod
	foreign.Node, foreign.NodeValue = "de-1", "de"
	for name, c := range map[string]struct {
		front  compliance.Sample[[]compliance.Placement]
		status metav1.ConditionStatus
		saying string
	}{
		"on a trusted node":      {compliance.Sample[[]compliance.Placement]{At: now, Value: []compliance.Placement{pod}}, metav1.ConditionTrue, "1 pods of the ingress"},
		"on a foreign node, too": {compliance.Sample[[]compliance.Placement]{At: now, Value: []compliance.Placement{pod, foreign}}, metav1.ConditionFalse, "Pod ingress/edge-1 of the ingress runs on node de-1"},
		"outside the cluster":    {compliance.Sample[[]compliance.Placement]{At: now}, metav1.ConditionTrue, "declared only"},
		"never looked for":       {compliance.Sample[[]compliance.Placement]{}, metav1.ConditionUnknown, "where the ingress runs"},
		"stale":                  {compliance.Sample[[]compliance.Placement]{At: ago(time.Hour), Value: []compliance.Placement{pod}}, metav1.ConditionUnknown, "where the ingress runs"},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := baselPlan(), soundEvidence()
			p.Instance.Ingress, e.Front = &plan.Ingress{}, c.front
			f := find(t, compliance.Judge(p, e, clock), v1alpha1.ConditionResidencyEnforced)
			if f.Status != c.status || !strings.Contains(f.Message, c.saying) {
				t.Errorf("it is %s: %s", f.Status, f.Message)
			}
			if (c.status == metav1.ConditionFalse) != (len(f.Violations) > 0) {
				t.Errorf("the violations are %v", f.Violations)
			}
		})
	}
}
