// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

// maxOrphans named in a message; the rest is counted.
const maxOrphans = 12

// Orphans is what the tenant's instance found when it held the confirmed appointments ahead against its catalogue.
type Orphans struct {
	// CatalogueHash of the catalogue they were held against; empty while the instances have not all the same.
	CatalogueHash string
	// Appointments without room, and by office, service and cause.
	Appointments int
	Found        []settings.Orphans
}

// Equal tells whether two findings lead to the same verdict.
func (o Orphans) Equal(other Orphans) bool {
	return o.CatalogueHash == other.CatalogueHash && o.Appointments == other.Appointments && slices.Equal(o.Found, other.Found)
}

// covered: a change of the catalogue takes nobody's appointment, and whom it leaves without an office is told. It is a
// warning to the authority, no part of Compliant, and names offices and services, never a person.
func covered(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := Finding{Type: v1alpha1.ConditionAppointmentsCovered, Advisory: true}
	if !fresh(*e.Orphans, "which appointments the catalogue has no room for", &f, clock) {
		return f
	}
	switch found := e.Orphans.Value; {
	case found.CatalogueHash != p.Instance.Settings.CatalogueHash():
		f.Status, f.Reason = metav1.ConditionUnknown, v1alpha1.ReasonCatalogueRolling
		f.Message = "the instance has not taken up the catalogue in force yet; when this lasts, see the log of its pods for settings it refused"
	case found.Appointments == 0:
		f.Status, f.Reason, f.Message = metav1.ConditionTrue, v1alpha1.ReasonMeasured, "the catalogue has room for every confirmed appointment ahead"
	default:
		f.fail(v1alpha1.ReasonAppointmentsOrphaned,
			"the catalogue has no room for %d confirmed appointments (%s): restore what they need, or write to those who come and cancel; until then they stay valid, and the staff sees them",
			found.Appointments, found.inWords())
	}
	return f
}

func (o Orphans) inWords() string {
	rest := o.Appointments
	var groups []string
	for _, group := range o.Found[:min(len(o.Found), maxOrphans)] {
		rest -= group.Appointments
		groups = append(groups, fmt.Sprintf("%d at office %s for service %s: %s", group.Appointments, group.Office, group.Service, group.Cause))
	}
	if rest > 0 {
		groups = append(groups, fmt.Sprintf("%d others", rest))
	}
	return strings.Join(groups, "; ")
}
