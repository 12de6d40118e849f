// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

func TestIncidentsOfOneReasonAreToldInOneEventWhichNamesThemAll(t *testing.T) {
	stray := func(pod string) v1alpha1.Incident {
		return v1alpha1.Incident{What: pod, Where: "node-1", Reason: v1alpha1.ReasonForeignNode, Message: pod + " runs abroad", Action: v1alpha1.IncidentEvicted}
	}
	lost := v1alpha1.Incident{What: "NetworkPolicy", Where: "authority", Reason: v1alpha1.ReasonJobMissing, Message: "it is gone", Action: v1alpha1.IncidentReported}
	history := &compliance.History{Opened: []v1alpha1.Incident{stray("Pod a"), lost, stray("Pod b")}, Healed: []v1alpha1.Incident{stray("Pod c"), stray("Pod d")}}
	var told []string
	tellIncidents(history, func(kind, reason, format string, args ...any) {
		told = append(told, kind+" "+reason+" "+fmt.Sprintf(format, args...))
	})
	slices.Sort(told)
	want := []string{
		"Normal IncidentHealed " + v1alpha1.ReasonForeignNode + " node-1: Pod c no longer; " + v1alpha1.ReasonForeignNode + " node-1: Pod d no longer",
		"Warning " + v1alpha1.ReasonJobMissing + " it is gone (Reported)",
		"Warning " + v1alpha1.ReasonForeignNode + " Pod a runs abroad (Evicted); Pod b runs abroad (Evicted)",
	}
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("told\n%q, not\n%q", told, want)
	}
	tellIncidents(&compliance.History{}, func(string, string, string, ...any) { t.Error("nothing happened, and it was told") })
}

func TestAClaimThatFailsByAnIncidentIsToldByTheIncident(t *testing.T) {
	s := &scope{history: compliance.History{Opened: []v1alpha1.Incident{{Reason: v1alpha1.ReasonForeignNode}}}}
	for condition, want := range map[metav1.Condition]bool{
		{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonForeignNode}: true,
		{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonJobMissing}:  false,
		{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonForeignNode}:  false,
	} {
		if got := s.incidentTells(&condition); got != want {
			t.Errorf("%s %s: %t", condition.Status, condition.Reason, got)
		}
	}
}
