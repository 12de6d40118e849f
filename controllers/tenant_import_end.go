// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/restore"
)

// failureLimit is how much of the job's sentence status takes.
const failureLimit = 1024

// followImport shows what the job tells, and hands it the answer of the holder of the key.
func (r *TenantReconciler) followImport(ctx context.Context, s *scope, admin *postgres.Admin) error {
	state, err := admin.RestoreState(ctx, s.plan.DataID)
	if err != nil {
		return err
	}
	if state == nil {
		return r.restartImport(ctx, s, admin, "the quarantine is gone under the job, so that the import begins again")
	}
	if answer := s.tenant.Annotations[v1alpha1.AnnotationAnswer]; answer != "" && state.Challenge != "" {
		if err := admin.AnswerRestore(ctx, s.plan.DataID, answer); err != nil {
			return err
		}
	}
	status := s.importStatus()
	if state.Step != "" {
		status.Step = v1alpha1.RestoreStep(state.Step)
	}
	status.Challenge = state.Challenge
	message := "the job is at work in quarantine"
	if state.Challenge != "" {
		message = "the holder of the key must answer status.import.challenge: termintreu restore answer --identity FILE; put what it prints into annotation " + v1alpha1.AnnotationAnswer
		if state.Failure != "" {
			message = state.Failure + ": " + message
		}
	}
	s.takingIn(message)
	return nil
}

// finishImport swaps what the job has proven in. A proof that no longer holds, since a record has fallen due or the
// operator was upgraded meanwhile, is made anew.
func (r *TenantReconciler) finishImport(ctx context.Context, s *scope, creds *resources.Credentials, admin *postgres.Admin) error {
	result, err := admin.FinishRestore(ctx, tenantSpec(s.plan, creds), importOf(s.tenant))
	if postgres.Unproven(err) {
		return r.restartImport(ctx, s, admin, err.Error()+", so that the import begins again")
	}
	if err != nil {
		return err
	}
	if err := r.removeImport(ctx, s); err != nil {
		return err
	}
	if err := s.tookIn(result); err != nil {
		return err
	}
	told := s.importStatus().Result
	r.Recorder.Eventf(s.tenant, nil, corev1.EventTypeNormal, "Imported", "Import",
		"%d records were taken in and read back the same as the export's; %d of them were due and are purged", told.Records, told.Purged)
	s.takingIn("the export was taken in, and the site comes up")
	return nil
}

// tookIn turns the job's proof into status.
func (s *scope) tookIn(raw string) error {
	var result restore.Imported
	if err := json.Unmarshal([]byte(raw), &result); err != nil {
		return fmt.Errorf("reading the result of the import: %w", err)
	}
	told := &v1alpha1.ImportResult{SHA256: v1alpha1.SHA256(result.SHA256), Size: result.Size, Overdue: result.Overdue, Seconds: int64(result.Seconds + 0.5)}
	for _, records := range result.Records {
		told.Records += records
	}
	for _, records := range result.Purged {
		told.Purged += records
	}
	status := s.importStatus()
	status.Store, status.Key, status.Step, status.Challenge, status.Failure = result.Store, result.Key, v1alpha1.RestoreSwapped, "", ""
	status.FinishedAt, status.Result = timeOf(s.now.Truncate(time.Second)), told
	return nil
}

// failedImport says what went wrong. The sentence is kept in status before the quarantine it lies in goes; the job's
// transaction has left nothing else in there.
func (r *TenantReconciler) failedImport(ctx context.Context, s *scope, admin *postgres.Admin, job *batchv1.Job) error {
	status := s.importStatus()
	// Nobody tells when the file at the store or the Secret is mended.
	s.importing = &importing{again: lookAgain}
	if status.Failure == "" {
		status.Failure = "the job ended without a word: see its log"
		state, err := admin.RestoreState(ctx, s.plan.DataID)
		if err != nil {
			return err
		}
		if state != nil && state.Failure != "" {
			status.Failure = state.Failure[:min(len(state.Failure), failureLimit)]
		}
		status.Challenge = ""
		s.importing.again = restorePoll
	} else if err := r.clearImport(ctx, s, admin); err != nil {
		return err
	}
	return &plan.Refusal{Reason: v1alpha1.ReasonImportFailed, Message: fmt.Sprintf(
		"nothing was taken in: %s; the import begins again when spec.bootstrap, the catalogue, the file at the store or the Secret is mended, when Job %s/%s is deleted, and an hour after its end",
		strings.TrimSuffix(status.Failure, "."), job.Namespace, job.Name)}
}

// clearImport drops quarantine and keys of an import that has failed. Its job stays, and tells what was tried.
func (r *TenantReconciler) clearImport(ctx context.Context, s *scope, admin *postgres.Admin) error {
	namespace, name := s.plan.Region.PlatformNamespace, resources.ImportName(s.plan)
	absent := []resources.Object{
		{GVK: corev1.SchemeGroupVersion.WithKind("Secret"), Namespace: namespace, Name: name},
		{GVK: corev1.SchemeGroupVersion.WithKind("ConfigMap"), Namespace: namespace, Name: name},
	}
	if err := r.applyObjects(ctx, s, nil, absent); err != nil {
		return err
	}
	return admin.AbortRestore(ctx, postgres.Tenant{DataID: s.plan.DataID}, importOf(s.tenant))
}

// restartImport gives up what is under way; the next look begins anew.
func (r *TenantReconciler) restartImport(ctx context.Context, s *scope, admin *postgres.Admin, why string) error {
	if err := r.removeImport(ctx, s); err != nil {
		return err
	}
	if err := admin.AbortRestore(ctx, postgres.Tenant{DataID: s.plan.DataID}, importOf(s.tenant)); err != nil {
		return err
	}
	status := s.importStatus()
	status.Step, status.Challenge, status.Failure = "", "", ""
	s.takingIn(why)
	return nil
}

// removeImport deletes job, Secret and ConfigMap: the identity must not outlive the import it was for.
func (r *TenantReconciler) removeImport(ctx context.Context, s *scope) error {
	return deletePlatformObjects(ctx, r.Client, s.input.Region.Spec.PlatformNamespace, client.MatchingLabels{
		resources.LabelDataID: s.input.Placement.Schema, resources.LabelComponent: string(resources.ComponentImport),
	})
}

// abandonImport gives up an import a tenant did not live to see the end of.
func (r *TenantReconciler) abandonImport(ctx context.Context, s *scope) error {
	if s.tenant.Spec.Bootstrap == nil || imported(s.tenant) {
		return nil
	}
	if err := r.removeImport(ctx, s); err != nil {
		return err
	}
	admin, err := r.adminOf(ctx, s)
	if err != nil {
		return err
	}
	return admin.AbortRestore(ctx, postgres.Tenant{DataID: s.input.Placement.Schema}, importOf(s.tenant))
}
