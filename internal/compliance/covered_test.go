// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

func orphaned(groups ...settings.Orphans) func(*plan.Plan, *compliance.Evidence) {
	return func(_ *plan.Plan, e *compliance.Evidence) {
		for _, group := range groups {
			e.Orphans.Value.Appointments += group.Appointments
			e.Orphans.Value.Found = append(e.Orphans.Value.Found, group)
		}
	}
}

func TestAppointmentsTheCatalogueHasNoRoomForAreAWarningAndNoMore(t *testing.T) {
	gone := settings.Orphans{Office: "gundeli", Service: "ausweis", Cause: "the office is gone", Appointments: 2}
	closed := settings.Orphans{Office: "rathaus", Service: "ausweis", Cause: "the office is closed then", Appointments: 1}
	measured := func(change func(*compliance.Sample[compliance.Orphans])) func(*plan.Plan, *compliance.Evidence) {
		return func(_ *plan.Plan, e *compliance.Evidence) { change(e.Orphans) }
	}
	for name, c := range map[string]verdict{
		"room for all": {orphaned(), metav1.ConditionTrue, v1alpha1.ReasonMeasured, []string{"has room for every confirmed appointment"}},
		"two offices": {orphaned(gone, closed), metav1.ConditionFalse, v1alpha1.ReasonAppointmentsOrphaned, []string{
			"3 confirmed appointments", "2 at office gundeli for service ausweis: the office is gone", "1 at office rathaus", "write to those who come"}},
		"of another catalogue than the one in force": {func(p *plan.Plan, e *compliance.Evidence) {
			orphaned(gone)(p, e)
			p.Instance.Settings.Catalogue.Offices = []v1alpha1.Office{{Name: "rathaus"}}
		}, metav1.ConditionUnknown, v1alpha1.ReasonCatalogueRolling, []string{"log of its pods"}},
		"of instances that do not agree yet": {measured(func(s *compliance.Sample[compliance.Orphans]) { s.Value.CatalogueHash = "" }),
			metav1.ConditionUnknown, v1alpha1.ReasonCatalogueRolling, nil},
		"stale": {measured(func(s *compliance.Sample[compliance.Orphans]) { s.At = ago(clock.MaxEvidenceAge + time.Second) }),
			metav1.ConditionUnknown, v1alpha1.ReasonEvidenceStale, nil},
		"never counted": {measured(func(s *compliance.Sample[compliance.Orphans]) { *s = compliance.Sample[compliance.Orphans]{} }),
			metav1.ConditionUnknown, v1alpha1.ReasonNoEvidence, nil},
		"not counted": {measured(func(s *compliance.Sample[compliance.Orphans]) { s.Err = errors.New("no answer") }),
			metav1.ConditionUnknown, v1alpha1.ReasonMeasurementFailed, []string{"no answer"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, e := baselPlan(), soundEvidence()
			c.given(p, e)
			findings := compliance.Judge(p, e, clock)
			f := find(t, findings, v1alpha1.ConditionAppointmentsCovered)
			if f.Status != c.status || f.Reason != c.reason {
				t.Errorf("it is %s because of %s: %s", f.Status, f.Reason, f.Message)
			}
			for _, text := range c.says {
				if !strings.Contains(f.Message, text) {
					t.Errorf("it does not say %q: %s", text, f.Message)
				}
			}
			if summary := find(t, findings, v1alpha1.ConditionCompliant); summary.Status != metav1.ConditionTrue {
				t.Errorf("Compliant is %s: %s", summary.Status, summary.Message)
			}
		})
	}
}

func TestAThousandOrphansFitIntoACondition(t *testing.T) {
	p, e := baselPlan(), soundEvidence()
	for n := range 1000 {
		orphaned(settings.Orphans{Office: fmt.Sprintf("%s-%d", strings.Repeat("o", 58), n), Service: strings.Repeat("s", 63), Cause: "the office is gone", Appointments: 1})(p, e)
	}
	f := find(t, compliance.Judge(p, e, clock), v1alpha1.ConditionAppointmentsCovered)
	if len(f.Message) > 4096 || !strings.Contains(f.Message, "1000 confirmed") || !strings.Contains(f.Message, "988 others") {
		t.Errorf("%d bytes: %s", len(f.Message), f.Message)
	}
}

func TestAnOperatorThatDoesNotAskInstancesClaimsNothingOfTheirAppointments(t *testing.T) {
	e := soundEvidence()
	e.Orphans = nil
	for _, f := range compliance.Judge(baselPlan(), e, clock) {
		if f.Type == v1alpha1.ConditionAppointmentsCovered {
			t.Errorf("%s is %s", f.Type, f.Status)
		}
	}
}
