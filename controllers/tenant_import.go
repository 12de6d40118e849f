// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/settings"
)

// importing is how far the import of a new tenant has come, as Ready tells it.
type importing struct {
	reason, message string
	// again is when to look again.
	again time.Duration
}

// importOf names a tenant's import where the databases remember restores: there is one at most.
func importOf(tenant *v1alpha1.BookingTenant) string { return "import of " + string(tenant.UID) }

func imported(tenant *v1alpha1.BookingTenant) bool {
	return tenant.Status.Import != nil && tenant.Status.Import.FinishedAt != nil
}

// importStatus is what the report will say of the import.
func (s *scope) importStatus() *v1alpha1.ImportStatus {
	if s.imported == nil {
		if s.imported = s.tenant.Status.Import.DeepCopy(); s.imported == nil {
			s.imported = &v1alpha1.ImportStatus{}
		}
	}
	return s.imported
}

// dueImport finds out whether the tenant is still to take in what it begins with. Status remembers; when it was lost,
// the database does, which wrote it down in the transaction that swapped.
func (r *TenantReconciler) dueImport(ctx context.Context, s *scope) error {
	if s.tenant.Spec.Bootstrap == nil || imported(s.tenant) {
		return nil
	}
	admin, err := r.adminOf(ctx, s)
	if err != nil {
		return err
	}
	result, err := admin.RestoreResult(ctx, importOf(s.tenant))
	if err != nil {
		return err
	}
	if result == "" {
		s.input.Importing = true
		return nil
	}
	if err := r.removeImport(ctx, s); err != nil {
		return err
	}
	return s.tookIn(result)
}

// takeIn is the straight line of an import: wait for the export, let a job prove it in quarantine, swap. Each step is
// found done or done again, so that an operator killed anywhere goes on there.
func (r *TenantReconciler) takeIn(ctx context.Context, s *scope, creds *resources.Credentials) error {
	planned, err := plan.BuildImport(s.input, s.plan)
	if err != nil {
		return err
	}
	status := s.importStatus()
	status.Store, status.Key = planned.Store.Name, planned.Settings.Key
	admin, err := r.adminOf(ctx, s)
	if err != nil {
		return err
	}
	job, err := r.jobNamed(ctx, s, resources.ImportName(s.plan))
	if err != nil {
		return err
	}
	if job != nil && jobHas(job, batchv1.JobComplete) {
		return r.finishImport(ctx, s, creds, admin)
	}
	file, err := r.findExport(ctx, s, planned)
	if err != nil {
		return err
	}
	if job == nil && file == "" {
		s.importing = &importing{v1alpha1.ReasonAwaitingExport, fmt.Sprintf(
			"put the export at store %s, bucket %s, as %s, encrypted as the old place wrote it; the site tells citizens that it is moving",
			planned.Store.Name, planned.Store.Bucket, planned.Settings.Key), lookAgain}
		return nil
	}
	identity, err := identitySecret(ctx, r.Databases.Secrets, s.tenant.Namespace, s.tenant.Spec.Bootstrap.Import.IdentitySecretRef)
	if err != nil {
		return err
	}
	made := importMade(s, planned, file, identity)
	switch {
	case job == nil:
		in := resources.ImportInput{Import: *planned, Keys: creds.Stores[planned.Store.Name].Writer, Made: made}
		return r.beginImport(ctx, s, in, identity, creds, admin)
	case job.Annotations[resources.AnnotationImport] != made:
		return r.restartImport(ctx, s, admin, "what the import is made from has changed, so that it begins again")
	case jobHas(job, batchv1.JobFailed):
		return r.failedImport(ctx, s, admin, job)
	}
	return r.followImport(ctx, s, admin)
}

// beginImport makes quarantine and job, once the export lies where it must.
func (r *TenantReconciler) beginImport(ctx context.Context, s *scope, in resources.ImportInput, identity *corev1.Secret, creds *resources.Credentials, admin *postgres.Admin) error {
	if err := r.completeInput(ctx, s, &in, identity); err != nil {
		return err
	}
	// The cache may not know yet what this process made a moment ago, and one job has one password.
	name := client.ObjectKey{Namespace: s.plan.Region.PlatformNamespace, Name: resources.ImportName(s.plan)}
	if err := r.Databases.Secrets.Get(ctx, name, &batchv1.Job{}); !apierrors.IsNotFound(err) {
		s.takingIn("the import has begun")
		return err
	}
	status := s.importStatus()
	status.Step, status.StartedAt, status.Challenge, status.Failure = v1alpha1.RestorePreparing, timeOf(s.now.Truncate(time.Second)), "", ""
	expires := s.now.Add(time.Duration(resources.ImportLimit(in))*time.Second + time.Hour)
	err := admin.BeginImport(ctx, s.plan.DataID, importOf(s.tenant), in.Credentials.Password, expires)
	if postgres.Unproven(err) {
		refusal := &plan.Refusal{Reason: v1alpha1.ReasonImportFailed, Message: fmt.Sprintf(
			"nothing was taken in: %v; import into another BookingTenant", err)}
		if err := admin.AbortRestore(ctx, tenantSpec(s.plan, creds), importOf(s.tenant)); err != nil {
			return err
		}
		return refusal
	}
	if err != nil {
		return err
	}
	for _, object := range resources.ImportObjects(s.plan, in) {
		if err := r.Client.Apply(ctx, object.Config, FieldOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s: %w", object, err)
		}
	}
	s.done = append(s.done, "began the import")
	s.takingIn("the import has begun")
	return nil
}

func (s *scope) takingIn(message string) {
	s.importing = &importing{v1alpha1.ReasonImporting, message + "; the site tells citizens that it is moving", restorePoll}
}

// completeInput adds what the job is given in secret; of the identity, where there is one, the Secret's own bytes.
func (r *TenantReconciler) completeInput(ctx context.Context, s *scope, in *resources.ImportInput, identity *corev1.Secret) error {
	made, err := r.secret(ctx, s.plan.Region.PlatformNamespace, resources.ImportName(s.plan))
	if err != nil {
		return err
	}
	in.Credentials = settings.Credentials{Username: postgres.QuarantineOf(s.plan.DataID).Role, Password: passwordOf(made)}
	if in.Identity, err = identityIn(identity, v1alpha1.ReasonImportFailed); err != nil {
		s.importing = &importing{again: lookAgain} // nobody tells when the Secret is mended
	}
	return err
}

// identitySecret reads the Secret that holds an age secret key; nil when the key's holder is asked.
func identitySecret(ctx context.Context, secrets client.Reader, namespace string, reference *v1alpha1.ObjectReference) (*corev1.Secret, error) {
	if reference == nil {
		return nil, nil
	}
	secret := &corev1.Secret{}
	if err := secrets.Get(ctx, client.ObjectKey{Namespace: namespace, Name: reference.Name}, secret); err != nil {
		return nil, fmt.Errorf("reading the identity in Secret %s: %w", reference.Name, err)
	}
	return secret, nil
}

// identityIn gives the key of such a Secret; what lacks it is refused for the given reason.
func identityIn(secret *corev1.Secret, reason string) ([]byte, error) {
	if secret == nil {
		return nil, nil
	}
	identity := secret.Data[settings.IdentityKey]
	if len(identity) == 0 {
		return nil, &plan.Refusal{Reason: reason, Message: fmt.Sprintf(
			"Secret %s has no key %s: put the age secret key there, or leave identitySecretRef out and answer the challenge", secret.Name, settings.IdentityKey)}
	}
	return identity, nil
}

// importMade is a digest of all an import is made from: what was asked for, the catalogue, the file, the key. It tells
// an import that was tried from one that somebody has mended since.
func importMade(s *scope, planned *plan.Import, file string, identity *corev1.Secret) string {
	made := []any{s.tenant.Spec.Bootstrap, planned.Settings.Offices, planned.Settings.Services, file, ""}
	if identity != nil {
		made[len(made)-1] = identity.ResourceVersion
	}
	return plan.Hash(made)
}

// findExport gives the version of the export that lies at the store; empty when none does.
func (r *TenantReconciler) findExport(ctx context.Context, s *scope, planned *plan.Import) (version string, err error) {
	admin, _, err := r.Stores.Client(ctx, s.plan.Region.Name, &planned.Store)
	if err != nil {
		return "", err
	}
	err = admin.ListVersions(ctx, planned.Settings.Key, func(v objectstore.Version) error {
		if v.Key == planned.Settings.Key && v.Latest && !v.DeleteMarker {
			version = v.VersionID + v.LastModified.UTC().Format(time.RFC3339Nano)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("looking for the export at store %s: %w", planned.Store.Name, err)
	}
	return version, nil
}
