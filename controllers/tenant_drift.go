// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

const (
	// afterTelling is how soon a pod is evicted that was reported first; the cache has the report by then.
	afterTelling = 100 * time.Millisecond
	// retryEviction is how soon a blocked eviction is tried again.
	retryEviction = 10 * time.Second
	// evictionTimeout of one request: a slow answer must not keep the incident from being told.
	evictionTimeout = 3 * time.Second
)

// stray is a running pod on a node its region does not trust.
type stray struct {
	pod  client.ObjectKey
	node string
}

// evict takes pods from nodes the region does not trust, through the Eviction API, so that a PodDisruptionBudget keeps
// the last replica that answers until another one does. What blocks is reported and tried again. One that was not met
// before is reported first: a node may hold a pod of every tenant, and all are told of before the first is evicted.
func (r *TenantReconciler) evict(ctx context.Context, s *scope, met []stray) {
	if s.input.Region == nil || s.input.Region.Spec.Drift == v1alpha1.DriftReport {
		return
	}
	s.evictions = map[stray]v1alpha1.IncidentAction{}
	for _, stray := range s.strays {
		if !slices.Contains(met, stray) {
			s.untold = true
			continue
		}
		pod := &corev1.Pod{}
		pod.Namespace, pod.Name = stray.pod.Namespace, stray.pod.Name
		err := r.evictOne(ctx, pod)
		switch {
		case err == nil, apierrors.IsNotFound(err):
			s.evictions[stray] = v1alpha1.IncidentEvicted
		default:
			s.evictions[stray], s.blocked = v1alpha1.IncidentEvictionBlocked, true
			log.FromContext(ctx).Error(err, "eviction from an untrusted node is blocked", "pod", stray.pod, "node", stray.node)
		}
	}
}

// meet gives the strays this process had met before, and remembers those of now.
func (r *TenantReconciler) meet(s *scope) (before []stray) {
	if known, found := r.met.Load(s.tenant.UID); found {
		before, _ = known.([]stray)
	}
	if len(s.strays) > 0 {
		r.met.Store(s.tenant.UID, s.strays)
	} else {
		r.met.Delete(s.tenant.UID)
	}
	return before
}

func (r *TenantReconciler) evictOne(ctx context.Context, pod *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, evictionTimeout)
	defer cancel()
	return r.SubResource("eviction").Create(ctx, pod, &policyv1.Eviction{})
}

// knownIncidents are those reported last. The cache may not have seen them yet, and a history written from it would
// forget what was done.
func (r *TenantReconciler) knownIncidents(s *scope) []v1alpha1.Incident {
	if written, found := r.incidents.Load(s.tenant.UID); found {
		if known, ok := written.([]v1alpha1.Incident); ok {
			return known
		}
	}
	if s.tenant.Status.Residency == nil {
		return nil
	}
	return s.tenant.Status.Residency.Incidents
}

// chronicle carries the incidents in status on.
func (s *scope) chronicle() compliance.History {
	actions := map[compliance.Violation]v1alpha1.IncidentAction{}
	for _, f := range s.findings {
		for _, v := range f.Violations {
			for stray, action := range s.evictions {
				if v.Where == stray.node && v.What == podName(stray.pod) {
					actions[v] = action
				}
			}
		}
	}
	return compliance.Chronicle(s.known, s.findings, actions, s.now)
}

// teller gives events of an object, each of which begins with the prefix and takes no more than a note does.
func (r *TenantReconciler) teller(of runtime.Object, prefix string) func(kind, reason, format string, args ...any) {
	return func(kind, reason, format string, args ...any) {
		note := prefix + fmt.Sprintf(format, args...)
		r.Recorder.Eventf(of, nil, kind, reason, "Judge", "%s", note[:min(len(note), 1000)])
	}
}

// tellIncidents gives an event for the incidents of each reason that began, one for each that something was done about
// later, and one for those that ended: it outlasts the history in status. Events of one reason are counted and not told
// apart, so what happens at once is told at once.
func tellIncidents(history *compliance.History, tell func(kind, reason, format string, args ...any)) {
	opened := map[string][]string{}
	for _, incident := range history.Opened {
		opened[incident.Reason] = append(opened[incident.Reason], fmt.Sprintf("%s (%s)", incident.Message, incident.Action))
	}
	for _, reason := range slices.Sorted(maps.Keys(opened)) {
		tell(corev1.EventTypeWarning, reason, "%s", strings.Join(opened[reason], "; "))
	}
	for _, incident := range history.Acted {
		tell(corev1.EventTypeNormal, string(incident.Action), "%s: %s", incident.Reason, incident.Message)
	}
	healed := make([]string, 0, len(history.Healed))
	for _, incident := range history.Healed {
		healed = append(healed, fmt.Sprintf("%s %s: %s no longer", incident.Reason, incident.Where, incident.What))
	}
	if len(healed) > 0 {
		tell(corev1.EventTypeNormal, "IncidentHealed", "%s", strings.Join(healed, "; "))
	}
}

func podName(key client.ObjectKey) string { return "Pod " + key.Namespace + "/" + key.Name }
