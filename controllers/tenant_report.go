// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// report writes the status once, and only when something of it is news or the verdict must be renewed.
func (r *TenantReconciler) report(ctx context.Context, s *scope) error {
	before := s.tenant.DeepCopy()
	status := &s.tenant.Status
	status.ObservedGeneration = s.tenant.Generation
	if s.imported != nil {
		status.Import = s.imported
	}
	if err := r.reportLifeCycle(ctx, s); err != nil {
		return err
	}
	if !s.tenant.Spec.Paused {
		s.known = r.knownIncidents(s)
		reportParts(s)
		reportRecoveryKey(s)
		reportContractEnd(s)
		reportVerdicts(s)
		reportEvidence(s)
	}
	if !r.news(&before.Status, status, s.now) {
		return nil
	}
	if err := r.Status().Patch(ctx, s.tenant, client.MergeFrom(before)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("reporting status: %w", err))
	}
	statusWrites.Inc()
	r.announce(s, before)
	if len(s.history.All) > 0 {
		r.incidents.Store(s.tenant.UID, s.history.All)
	}
	tellIncidents(&s.history, r.teller(s.tenant, ""))
	return nil
}

// news tells whether the status must be written: a condition or a number auditors look at first changed, or the
// verdict is past half its life. Everything else waits for the renewal (invariant 9).
func (r *TenantReconciler) news(before, after *v1alpha1.BookingTenantStatus, now time.Time) bool {
	if equality.Semantic.DeepEqual(before, after) {
		return false
	}
	was, is := validUntil(before), validUntil(after)
	if was.IsZero() != is.IsZero() || now.After(was.Add(-r.MaxEvidenceAge/2)) && is.After(was) {
		return true
	}
	return !equality.Semantic.DeepEqual(lasting(before), lasting(after))
}

// validUntil is the zero time where nothing stands that could run out.
func validUntil(status *v1alpha1.BookingTenantStatus) time.Time {
	if status.Compliance == nil || status.Compliance.ValidUntil == nil {
		return time.Time{}
	}
	return status.Compliance.ValidUntil.Time
}

// lasting is a status without what changes at each measurement.
func lasting(status *v1alpha1.BookingTenantStatus) *v1alpha1.BookingTenantStatus {
	s := status.DeepCopy()
	s.Compliance, s.Evidence = nil, nil
	for i := range s.Conditions {
		if s.Conditions[i].Status == metav1.ConditionTrue {
			s.Conditions[i].Message = ""
		}
	}
	if s.Residency != nil {
		s.Residency.MeasuredAt, s.Residency.Nodes = nil, nil
	}
	if s.Retention != nil {
		s.Retention.MeasuredAt, s.Retention.LastPurge, s.Retention.Runs = nil, nil, nil
		if s.Retention.Erasures != nil {
			s.Retention.Erasures = &v1alpha1.ErasureEvidence{Overdue: s.Retention.Erasures.Overdue}
		}
		for i := range s.Retention.Categories {
			c := &s.Retention.Categories[i]
			c.Oldest, c.Removed, c.LastRun, c.NextDue = nil, nil, nil, nil
			if c.Archived != nil {
				c.Archived = &v1alpha1.ArchivedEvidence{Failure: c.Archived.Failure}
			}
		}
	}
	if s.Backup != nil {
		s.Backup.Oldest, s.Backup.LastRestorable = nil, nil
		for i := range s.Backup.Stores {
			s.Backup.Stores[i] = v1alpha1.BackupStoreEvidence{Name: s.Backup.Stores[i].Name, Lock: s.Backup.Stores[i].Lock}
		}
	}
	return s
}

// reportLifeCycle sets the kstatus conditions.
func (r *TenantReconciler) reportLifeCycle(ctx context.Context, s *scope) error {
	switch {
	case s.tenant.Spec.Paused:
		s.ready(metav1.ConditionUnknown, v1alpha1.ReasonPaused, "spec.paused keeps the operator from changing anything; purge and backup go on")
	case s.refusal != nil:
		s.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, s.refusal.Reason, s.refusal.Message)
		s.set(v1alpha1.ConditionReady, metav1.ConditionFalse, s.refusal.Reason, s.refusal.Message)
		meta.RemoveStatusCondition(&s.tenant.Status.Conditions, v1alpha1.ConditionReconciling)
	case s.failure != nil:
		s.progressing(v1alpha1.ReasonDependencyUnavailable, s.failure.Error())
	case s.restore != nil:
		s.progressing(v1alpha1.ReasonRestoring, fmt.Sprintf(
			"TenantRestore %s is at step %s; the site tells citizens so and takes no bookings", s.restore.Name, s.restore.Status.Step))
	case s.importing != nil:
		s.progressing(s.importing.reason, s.importing.message)
	case s.available < s.plan.Instance.Replicas:
		trusted, err := r.trustedNodes(ctx, &s.plan.Region)
		if err != nil {
			return err
		}
		if trusted == 0 {
			s.progressing(v1alpha1.ReasonNoTrustedNode, fmt.Sprintf(
				"no node carries the label %s with one of the values %s: label a node of region %s that may be trusted, e.g. kubectl label node NODE %s=%s",
				s.plan.Region.NodeLabel, strings.Join(s.plan.Region.NodeValues, ", "), s.plan.Region.Name, s.plan.Region.NodeLabel, s.plan.Region.NodeValues[0]))
			return nil
		}
		s.progressing(v1alpha1.ReasonProgressing, fmt.Sprintf("%d of %d replicas answer", s.available, s.plan.Instance.Replicas))
	default:
		s.ready(metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "everything asked for is in place")
	}
	return nil
}

func (s *scope) set(kind string, status metav1.ConditionStatus, reason, message string) {
	if len(message) > 4096 {
		message = message[:4096]
	}
	meta.SetStatusCondition(&s.tenant.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: s.tenant.Generation, LastTransitionTime: metav1.NewTime(s.now),
	})
}

func (s *scope) ready(status metav1.ConditionStatus, reason, message string) {
	s.set(v1alpha1.ConditionReady, status, reason, message)
	meta.RemoveStatusCondition(&s.tenant.Status.Conditions, v1alpha1.ConditionReconciling)
	meta.RemoveStatusCondition(&s.tenant.Status.Conditions, v1alpha1.ConditionStalled)
}

func (s *scope) progressing(reason, message string) {
	s.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	s.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
	meta.RemoveStatusCondition(&s.tenant.Status.Conditions, v1alpha1.ConditionStalled)
}

// reportParts tells of database and instance.
func reportParts(s *scope) {
	if s.plan == nil && s.input.Placement != nil {
		// Refused after it had been served: what was built still stands, and nobody looked at it.
		return
	}
	if s.plan == nil {
		s.set(v1alpha1.ConditionDatabaseReady, metav1.ConditionFalse, v1alpha1.ReasonProgressing, "no database was chosen yet")
		s.set(v1alpha1.ConditionInstanceAvailable, metav1.ConditionFalse, v1alpha1.ReasonNotServing, "the site does not serve")
		return
	}
	status := &s.tenant.Status
	status.DataID, status.URL = s.plan.DataID, s.plan.Instance.URL
	status.Database = s.input.Placement
	if s.databaseReady {
		s.set(v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue, v1alpha1.ReasonMigrated, "schema, roles and migrations are in place")
	} else {
		s.set(v1alpha1.ConditionDatabaseReady, metav1.ConditionFalse, v1alpha1.ReasonDependencyUnavailable, "the schema could not be brought about; it is retried")
	}
	switch wanted := s.plan.Instance.Replicas; {
	case wanted == 0:
		s.set(v1alpha1.ConditionInstanceAvailable, metav1.ConditionFalse, v1alpha1.ReasonNotServing, "the site must not serve")
	case s.available < wanted:
		s.set(v1alpha1.ConditionInstanceAvailable, metav1.ConditionFalse, v1alpha1.ReasonUnavailable, fmt.Sprintf("%d of %d replicas answer", s.available, wanted))
	default:
		s.set(v1alpha1.ConditionInstanceAvailable, metav1.ConditionTrue, v1alpha1.ReasonAvailable, fmt.Sprintf("%d of %d replicas answer", s.available, wanted))
	}
}

// reportVerdicts is the only place a compliance condition of a living operator comes from.
func reportVerdicts(s *scope) {
	var until time.Time
	for _, f := range s.findings {
		s.set(f.Type, f.Status, f.Reason, f.Message)
		until = f.ValidUntil
	}
	checked := metav1.NewTime(s.now.Truncate(time.Second))
	s.tenant.Status.Compliance = &v1alpha1.ComplianceStatus{CheckedAt: &checked}
	if !until.IsZero() {
		s.tenant.Status.Compliance.ValidUntil = timeOf(until)
	}
}

// announce tells, as events, of what somebody may have to act on: a spec that is refused, a site that comes up or goes
// down, a tenant whose compliance turns, a claim that fails or is mended. First looks and parts tell nothing of their
// own, since every event is a request to the API server.
func (r *TenantReconciler) announce(s *scope, before *v1alpha1.BookingTenant) {
	tell := r.teller(s.tenant, "")
	for _, c := range s.tenant.Status.Conditions {
		old := meta.FindStatusCondition(before.Status.Conditions, c.Type)
		if !noteworthy(old, &c) || s.incidentTells(&c) {
			continue
		}
		kind := corev1.EventTypeNormal
		if c.Status == metav1.ConditionFalse || c.Type == v1alpha1.ConditionStalled {
			kind = corev1.EventTypeWarning
		}
		tell(kind, c.Reason, "%s is %s: %s", c.Type, c.Status, c.Message)
	}
}

// incidentTells tells whether an incident that began now says why a claim fails, and what was done about it. A second
// event of the same reason would only count the first one up.
func (s *scope) incidentTells(c *metav1.Condition) bool {
	return c.Status == metav1.ConditionFalse && slices.ContainsFunc(s.history.Opened, func(i v1alpha1.Incident) bool { return i.Reason == c.Reason })
}

func noteworthy(old, c *metav1.Condition) bool {
	if old != nil && old.Status == c.Status {
		return false
	}
	switch c.Type {
	case v1alpha1.ConditionStalled:
		return true
	case v1alpha1.ConditionReady, v1alpha1.ConditionCompliant:
		return old != nil
	case v1alpha1.ConditionResidencyEnforced, v1alpha1.ConditionProcessorsPermitted, v1alpha1.ConditionTransportEncrypted,
		v1alpha1.ConditionRetentionEnforced, v1alpha1.ConditionBackupsCurrent:
		return old != nil && (c.Status == metav1.ConditionFalse || old.Status == metav1.ConditionFalse)
	case v1alpha1.ConditionAppointmentsCovered:
		// Its end comes by way of Unknown, while the site takes the catalogue up, which is no news.
		return old != nil && c.Status == metav1.ConditionFalse
	}
	return false
}
