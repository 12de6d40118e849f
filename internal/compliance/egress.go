// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// Egress is what the tenant's instances found when they tried to connect.
type Egress struct {
	// Declared tells whether the database server answered each of them.
	Declared bool
	// Tried is the smallest number of undeclared addresses one of them tried.
	Tried int
	// Open are the undeclared addresses that answered one of them, sorted.
	Open []string
}

// Equal tells whether two findings lead to the same verdict.
func (e Egress) Equal(other Egress) bool {
	return e.Declared == other.Declared && e.Tried == other.Tried && slices.Equal(e.Open, other.Open)
}

// egress: the instance reaches what the region declares and nothing else (A11). That nothing else answered proves
// something only while what is declared did: a network that is down refuses everything.
func egress(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := Finding{Type: v1alpha1.ConditionEgressRestricted, Advisory: !p.Region.EgressRequired}
	if e.Egress == nil {
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the operator does not ask instances: run it with --read-notices"
		return f
	}
	if !fresh(*e.Egress, "where the instance can connect to", &f, clock) {
		return f
	}
	switch found := e.Egress.Value; {
	case len(found.Open) > 0:
		f.fail(v1alpha1.ReasonEgressOpen, "the instance could connect to %s, which DataRegion %s does not declare: the network of the cluster does not enforce NetworkPolicies, or another policy allows it",
			strings.Join(found.Open, ", "), p.Region.Name)
	case found.Tried == 0:
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the instance knows no undeclared address to try"
	case !found.Declared:
		f.Status, f.Reason, f.Message = metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, "the instance reached neither its database server nor anything else, which proves nothing"
	default:
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("connections to undeclared addresses (%d tried) were refused, while the database server answered", found.Tried)
	}
	return f
}
