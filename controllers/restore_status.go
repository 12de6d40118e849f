// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"
)

// ended tells whether a restore was finished or has failed; neither is ever tried again.
func ended(restore *v1alpha1.TenantRestore) bool {
	return meta.IsStatusConditionTrue(restore.Status.Conditions, v1alpha1.ConditionReady) ||
		meta.IsStatusConditionTrue(restore.Status.Conditions, v1alpha1.ConditionStalled)
}

// firstOf names the restore of the same tenant that is under way or comes first: one at a time.
func (r *TenantRestoreReconciler) firstOf(ctx context.Context, restore *v1alpha1.TenantRestore) (string, error) {
	active, err := activeRestores(ctx, r.Client, restore.Namespace, restore.Spec.TenantRef.Name)
	if err != nil {
		return "", err
	}
	first := restore
	for i := range active {
		other := &active[i]
		if other.Status.StartedAt != nil && first.Status.StartedAt == nil ||
			(other.Status.StartedAt == nil) == (first.Status.StartedAt == nil) && older(other, first) {
			first = other
		}
	}
	return first.Name, nil
}

func older(a, b *v1alpha1.TenantRestore) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.Name < b.Name
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

// restoresOf a tenant, whatever became of them.
func restoresOf(ctx context.Context, c client.Reader, namespace, tenant string) ([]v1alpha1.TenantRestore, error) {
	list := &v1alpha1.TenantRestoreList{}
	if err := c.List(ctx, list, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing restores: %w", err)
	}
	var found []v1alpha1.TenantRestore
	for i := range list.Items {
		if list.Items[i].Spec.TenantRef.Name == tenant {
			found = append(found, list.Items[i])
		}
	}
	return found, nil
}

// activeRestores of a tenant are those that have neither finished nor failed.
func activeRestores(ctx context.Context, c client.Reader, namespace, tenant string) ([]v1alpha1.TenantRestore, error) {
	found, err := restoresOf(ctx, c, namespace, tenant)
	return slices.DeleteFunc(found, func(r v1alpha1.TenantRestore) bool { return ended(&r) }), err
}

// restoreInput collects what the job is given; of the identity, where there is one, the Secret's own bytes.
func (r *TenantRestoreReconciler) restoreInput(ctx context.Context, s *restoring) (resources.RestoreInput, error) {
	p := s.tenant.plan
	input := resources.RestoreInput{Restore: s.restore, Stores: s.creds.Stores}
	for i := range p.Backup.Stores {
		name := p.Backup.Stores[i].Name
		if s.creds.Stores[name].Keeper.AccessKeyID == "" {
			return input, fmt.Errorf("the tenant has no identity at store %s yet", name)
		}
	}
	made, err := r.Tenants.secret(ctx, p.Region.PlatformNamespace, resources.RestoreName(p))
	if err != nil {
		return input, err
	}
	input.Credentials = settings.Credentials{Username: postgres.QuarantineOf(p.DataID).Role, Password: passwordOf(made)}
	identity, err := identitySecret(ctx, r.Tenants.Databases.Secrets, s.restore.Namespace, s.restore.Spec.IdentitySecretRef)
	if err != nil {
		return input, err
	}
	input.Identity, err = identityIn(identity, v1alpha1.ReasonRestoreFailed)
	return input, err
}

// report writes the status when something of it is news.
func (r *TenantRestoreReconciler) report(ctx context.Context, s *restoring) error {
	s.restore.Status.ObservedGeneration = s.restore.Generation
	if equality.Semantic.DeepEqual(s.before.Status, s.restore.Status) {
		return nil
	}
	status := s.restore.Status
	if err := r.Status().Patch(ctx, s.restore, client.MergeFrom(s.before)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("reporting status: %w", err))
	}
	s.restore.Status = status
	s.before = s.restore.DeepCopy()
	return nil
}

// show takes over what the job tells.
func (s *restoring) show(now time.Time) {
	status := &s.restore.Status
	if s.state.Step != "" {
		status.Step = v1alpha1.RestoreStep(s.state.Step)
	}
	status.Rows, status.Challenge = s.state.Progress, s.state.Challenge
	message := "the job is at work in quarantine"
	if s.state.Challenge != "" {
		message = "the holder of the recovery key must answer status.challenge: termintreu restore answer --identity FILE; put what it prints into annotation " + v1alpha1.AnnotationAnswer
		if s.state.Failure != "" {
			message = s.state.Failure + ": " + message
		}
	}
	s.progress(now, v1alpha1.ReasonRestoring, message)
}

// finished turns the job's proof into status.
func (s *restoring) finished(raw string, now time.Time) error {
	var result restore.Result
	if err := json.Unmarshal([]byte(raw), &result); err != nil {
		return fmt.Errorf("reading the result of the restore: %w", err)
	}
	told := &v1alpha1.RestoreResult{
		SnapshotStart: metav1.NewTime(result.SnapshotStart), Store: result.Store, SHA256: result.SHA256, Erased: result.Erased,
		JournalEntries: int64(result.Journal), Overdue: result.Overdue, JournalHits: result.Hits, Seconds: int64(result.Seconds + 0.5),
	}
	for _, rows := range result.Rows {
		told.Rows += rows
	}
	for _, rows := range result.Purged {
		told.Purged += rows
	}
	if result.KeyProven {
		told.KeyProvenFor = recipientsOf(s.tenant.plan)
	}
	status := &s.restore.Status
	status.Step, status.Rows, status.Challenge, status.Result, status.FinishedAt = v1alpha1.RestoreSwapped, told.Rows, "", told, timeOf(now)
	meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionReconciling)
	s.set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonRestored, fmt.Sprintf(
		"the backup of %s is in use: %d rows, %d purged, %d erased again by %d journal entries, 0 overdue, 0 of the journal left",
		result.SnapshotStart.UTC().Format(time.RFC3339), told.Rows, told.Purged, told.Erased, told.JournalEntries), now)
	return nil
}

// recipientsOf is a digest of those a plan encrypts backups to.
func recipientsOf(p *plan.Plan) string { return plan.Hash(p.Backup.Settings.Recipients) }

// reportRecoveryKey tells whether anybody has shown to hold a key. What was proven stays so when the restore is deleted.
func reportRecoveryKey(s *scope) {
	if s.plan == nil {
		return
	}
	status, recipients := &s.tenant.Status, recipientsOf(s.plan)
	for i := range s.restores {
		if proof := s.restores[i].Status; proof.Result != nil && proof.Result.KeyProvenFor == recipients && proof.FinishedAt != nil &&
			(status.RecoveryKey == nil || status.RecoveryKey.Recipients != recipients || status.RecoveryKey.ProvenAt.Before(proof.FinishedAt)) {
			status.RecoveryKey = &v1alpha1.RecoveryKeyStatus{ProvenAt: *proof.FinishedAt, Recipients: recipients}
		}
	}
	if key := status.RecoveryKey; key != nil && key.Recipients == recipients {
		s.set(v1alpha1.ConditionRecoveryKeyProven, metav1.ConditionTrue, v1alpha1.ReasonKeyAnswered,
			"the holder of the recovery key answered a restore that finished on "+key.ProvenAt.UTC().Format(time.DateOnly))
		return
	}
	s.set(v1alpha1.ConditionRecoveryKeyProven, metav1.ConditionUnknown, v1alpha1.ReasonKeyNeverAnswered,
		"nobody has shown yet to hold a key to these backups: restore once without identitySecretRef and answer the challenge")
}

func (s *restoring) failed(refusal *plan.Refusal, now time.Time) {
	status := &s.restore.Status
	status.Challenge, status.FinishedAt = "", timeOf(now)
	meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionReconciling)
	s.set(v1alpha1.ConditionReady, metav1.ConditionFalse, refusal.Reason, refusal.Message, now)
	s.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, refusal.Reason, refusal.Message, now)
}

func (s *restoring) progress(now time.Time, reason, message string) {
	s.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message, now)
	s.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message, now)
}

func (s *restoring) set(kind string, status metav1.ConditionStatus, reason, message string, now time.Time) {
	meta.SetStatusCondition(&s.restore.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message[:min(len(message), 4096)],
		ObservedGeneration: s.restore.Generation, LastTransitionTime: metav1.NewTime(now),
	})
}
