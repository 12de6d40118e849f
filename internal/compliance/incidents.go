// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// maxIncidents bounds the history in status: nothing there grows without end.
const maxIncidents = 16

// History is what became of the incidents of a tenant.
type History struct {
	// All incidents to show, newest first.
	All []v1alpha1.Incident
	// Opened and Healed now, for whoever wants to tell of them; Acted are those of earlier that something else was done about.
	Opened, Acted, Healed []v1alpha1.Incident
}

// Chronicle carries the incidents of a tenant on: what the findings complain of is opened once, and what they no longer
// complain of is healed, unless a part of a claim is unknown, since then nobody has seen it mended. Actions are what
// was done about a violation, by what and where it is.
func Chronicle(known []v1alpha1.Incident, findings []Finding, actions map[Violation]v1alpha1.IncidentAction, now time.Time) History {
	h := History{All: slices.Clone(known)}
	at := metav1.NewTime(now.UTC().Truncate(time.Second))
	standing, sure := map[[3]string]bool{}, true
	for _, f := range findings {
		sure = sure && !f.Unsure
		for _, v := range f.Violations {
			standing[[3]string{v.What, v.Where, v.Reason}] = true
			h.enter(v, actions[v], at)
		}
	}
	for i := range h.All {
		incident := &h.All[i]
		if incident.HealedAt == nil && sure && !standing[[3]string{incident.What, incident.Where, incident.Reason}] {
			incident.HealedAt = &at
			h.Healed = append(h.Healed, *incident)
		}
	}
	h.All = newest(h.All, maxIncidents)
	return h
}

// enter opens an incident, or adds to an open one what was done about it.
func (h *History) enter(v Violation, action v1alpha1.IncidentAction, at metav1.Time) {
	open := slices.IndexFunc(h.All, func(i v1alpha1.Incident) bool {
		return i.HealedAt == nil && i.What == v.What && i.Where == v.Where && i.Reason == v.Reason
	})
	if open >= 0 {
		if action != "" && action != h.All[open].Action {
			h.All[open].Action = action
			h.Acted = append(h.Acted, h.All[open])
		}
		return
	}
	if action == "" {
		action = v1alpha1.IncidentReported
	}
	incident := v1alpha1.Incident{
		What: bounded(v.What, 400), Where: bounded(v.Where, 253), Reason: v.Reason, Message: bounded(v.Message, 512), NoticedAt: at, Action: action,
	}
	h.All = slices.Insert(h.All, 0, incident)
	h.Opened = append(h.Opened, incident)
}

// newest is a history without the oldest beyond a number: healed ones go first, since what lasts must be seen.
func newest(history []v1alpha1.Incident, most int) []v1alpha1.Incident {
	history = slices.Clone(history) // deleting shifts what the caller has
	for len(history) > most {
		drop := len(history) - 1
		for i := drop; i >= 0; i-- {
			if history[i].HealedAt != nil {
				drop = i
				break
			}
		}
		history = slices.Delete(history, drop, drop+1)
	}
	return history
}

func bounded(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most]
}
