// SPDX-License-Identifier: Apache-2.0

package compliance_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

// judged gives the findings of evidence that was spoilt.
func judged(spoil func(*compliance.Evidence)) []compliance.Finding {
	e := soundEvidence()
	spoil(e)
	return compliance.Judge(baselPlan(), e, clock)
}

func strayPod(e *compliance.Evidence) {
	e.Placements.Value[1].Node, e.Placements.Value[1].NodeValue = "de-1", "de"
}

func TestAnIncidentStaysInSightAfterItIsHealed(t *testing.T) {
	first := compliance.Chronicle(nil, judged(strayPod), nil, now)
	if len(first.All) != 1 || len(first.Opened) != 1 || first.All[0].HealedAt != nil {
		t.Fatalf("a pod on a foreign node gives %+v", first)
	}
	incident := first.All[0]
	if incident.What != "Pod basel/site-booking-1" || incident.Where != "de-1" || incident.Reason != v1alpha1.ReasonForeignNode || incident.Action != v1alpha1.IncidentReported {
		t.Errorf("the incident is %+v", incident)
	}

	again := compliance.Chronicle(first.All, judged(strayPod), nil, now.Add(time.Minute))
	if len(again.All) != 1 || len(again.Opened) != 0 || !again.All[0].NoticedAt.Equal(&incident.NoticedAt) {
		t.Errorf("what lasts is told again: %+v", again)
	}

	healed := compliance.Chronicle(again.All, judged(func(*compliance.Evidence) {}), nil, now.Add(2*time.Minute))
	if len(healed.All) != 1 || len(healed.Healed) != 1 || healed.All[0].HealedAt == nil || !healed.All[0].HealedAt.After(healed.All[0].NoticedAt.Time) {
		t.Errorf("what is mended shows as %+v", healed)
	}

	anew := compliance.Chronicle(healed.All, judged(strayPod), nil, now.Add(3*time.Minute))
	if len(anew.All) != 2 || anew.All[0].HealedAt != nil || anew.All[1].HealedAt == nil {
		t.Errorf("a second breach shows as %+v", anew.All)
	}
}

func TestNothingHealsUnseen(t *testing.T) {
	open := compliance.Chronicle(nil, judged(strayPod), nil, now).All
	for name, spoil := range map[string]func(*compliance.Evidence){
		"placements unknown": func(e *compliance.Evidence) { e.Placements.Err = errors.New("no answer") },
		"wall unknown":       func(e *compliance.Evidence) { e.Wall.At = time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			if h := compliance.Chronicle(open, judged(spoil), nil, now); h.All[0].HealedAt != nil || len(h.Healed) != 0 {
				t.Errorf("with %s the incident counts as healed: %+v", name, h.All)
			}
		})
	}
	expired := compliance.Expire("nobody looked")
	if h := compliance.Chronicle(open, expired, nil, now); h.All[0].HealedAt != nil {
		t.Errorf("with nothing judged the incident counts as healed: %+v", h.All)
	}
}

func TestWhatWasDoneAboutAnIncidentIsShown(t *testing.T) {
	findings := judged(strayPod)
	var violation compliance.Violation
	for _, f := range findings {
		for _, v := range f.Violations {
			violation = v
		}
	}
	blocked := compliance.Chronicle(nil, findings, map[compliance.Violation]v1alpha1.IncidentAction{violation: v1alpha1.IncidentEvictionBlocked}, now)
	if blocked.All[0].Action != v1alpha1.IncidentEvictionBlocked {
		t.Errorf("a blocked eviction shows as %s", blocked.All[0].Action)
	}
	evicted := compliance.Chronicle(blocked.All, findings, map[compliance.Violation]v1alpha1.IncidentAction{violation: v1alpha1.IncidentEvicted}, now)
	if len(evicted.All) != 1 || evicted.All[0].Action != v1alpha1.IncidentEvicted || len(evicted.Acted) != 1 {
		t.Errorf("the eviction that went through later shows as %+v, told of: %+v", evicted.All, evicted.Acted)
	}
	again := compliance.Chronicle(evicted.All, findings, map[compliance.Violation]v1alpha1.IncidentAction{violation: v1alpha1.IncidentEvicted}, now)
	if len(again.Acted) != 0 {
		t.Errorf("what was done before is told of again: %+v", again.Acted)
	}
}

func TestTheHistoryIsBoundedAndKeepsWhatLasts(t *testing.T) {
	lasting := judged(strayPod)
	var known []v1alpha1.Incident
	for i := range 40 {
		findings := judged(func(e *compliance.Evidence) {
			strayPod(e)
			e.Placements.Value[2].What, e.Placements.Value[2].NodeValue = fmt.Sprintf("Pod termintreu-ch/purge-%d", i), "fr"
		})
		known = compliance.Chronicle(known, findings, nil, now.Add(time.Duration(i)*time.Minute)).All
	}
	known = compliance.Chronicle(known, lasting, nil, now.Add(time.Hour)).All
	if len(known) != 16 {
		t.Errorf("%d incidents are kept, want 16", len(known))
	}
	open := 0
	for _, incident := range known {
		if incident.HealedAt == nil {
			open++
		}
	}
	if open != 1 {
		t.Errorf("%d incidents are open after one of them lasted all along: %+v", open, known)
	}
}
