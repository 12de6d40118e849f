// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
)

// AnnotationRelease is the way out for a BookingTenant whose database will never answer again: set to any reason, the
// finalizer goes without the data having been retained or deleted. Whatever still exists goes on being purged and
// expired by the platform's jobs, but has no end until somebody drops it.
const AnnotationRelease = "booking.termintreu.dev/release"

// finalize retains or deletes what a removed tenant leaves, then lets the object go.
func (r *TenantReconciler) finalize(ctx context.Context, s *scope) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(s.tenant, v1alpha1.TenantFinalizer) {
		return ctrl.Result{}, nil
	}
	_, released := s.tenant.Annotations[AnnotationRelease]
	if !released {
		if err := r.end(ctx, s); err != nil {
			return ctrl.Result{}, errors.Join(err, r.reportEnding(ctx, s, err))
		}
	}
	before := s.tenant.DeepCopy()
	controllerutil.RemoveFinalizer(s.tenant, v1alpha1.TenantFinalizer)
	if err := r.Patch(ctx, s.tenant, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("removing finalizer: %w", err)
	}
	return ctrl.Result{}, nil
}

// reportEnding tells what holds the end of the data up, once.
func (r *TenantReconciler) reportEnding(ctx context.Context, s *scope, failure error) error {
	before := s.tenant.DeepCopy()
	s.tenant.Status.ObservedGeneration = s.tenant.Generation
	s.progressing(v1alpha1.ReasonDeleting, fmt.Sprintf(
		"the data could not be brought to its end: %v; it is retried; annotate the tenant with %s=REASON to let it go regardless", failure, AnnotationRelease))
	if equality.Semantic.DeepEqual(before.Status, s.tenant.Status) {
		return nil
	}
	statusWrites.Inc()
	return client.IgnoreNotFound(r.Status().Patch(ctx, s.tenant, client.MergeFrom(before)))
}

// end brings the tenant's data to what its deletion policy says. Everything that makes the site serve goes first.
func (r *TenantReconciler) end(ctx context.Context, s *scope) error {
	if s.input.Region == nil {
		return fmt.Errorf("DataRegion %s is gone: create it again", s.tenant.Spec.RegionRef.Name)
	}
	if s.input.Placement == nil {
		// The finalizer stands before the status does: an operator killed in between has left data that only the
		// registries know of.
		found, err := r.find(ctx, s.input.Region, plan.DataID(s.tenant.UID))
		if err != nil {
			return err
		}
		if found == nil {
			return nil
		}
		s.input.Placement = found
	}
	if err := r.abandonImport(ctx, s); err != nil {
		return err
	}
	if err := r.keepDeclaration(ctx, s); err != nil {
		return err
	}
	if s.tenant.Spec.DeletionPolicy == v1alpha1.DeletionDelete {
		return r.deleteData(ctx, s)
	}
	return r.retainData(ctx, s)
}

// retainData takes the application's access away, and leaves purge, expiry and audit to go on until the end of the
// period of category TenantData.
func (r *TenantReconciler) retainData(ctx context.Context, s *scope) error {
	until := s.tenant.DeletionTimestamp.Add(tenantDataPeriod(s.input.Policy))
	if o := s.tenant.Status.Offboarding; o != nil && o.Certificate != "" {
		return nil // the data is gone; expiry takes what stores still hold
	} else if o != nil && o.Until != nil {
		until = o.Until.Time
	}
	admin, err := r.adminOf(ctx, s)
	if err != nil {
		return err
	}
	if err := admin.Retain(ctx, s.input.Placement.Schema, until); err != nil {
		return fmt.Errorf("retaining schema %s: %w", s.input.Placement.Schema, err)
	}
	if _, err := handOverAll(ctx, admin, s.input.Region, s.input.Placement.Schema); err != nil {
		return err
	}
	if s.input.Policy != nil && (s.tenant.Status.Offboarding == nil || s.tenant.Status.Offboarding.Export == nil) {
		if err := r.retainObjects(ctx, s); err != nil {
			return err
		}
	}
	r.Recorder.Eventf(s.tenant, nil, corev1.EventTypeNormal, "Retained", "Delete",
		"The data stays in schema %s without application access; purge, expiry and audit go on until %s", s.input.Placement.Schema, until.UTC().Format(time.DateOnly))
	return nil
}

// retainObjects ends the backups; purge and expiry stay as they are.
func (r *TenantReconciler) retainObjects(ctx context.Context, s *scope) error {
	p, err := plan.Build(s.input)
	if err != nil {
		return err
	}
	creds, err := r.credentials(ctx, p)
	if err != nil {
		return err
	}
	return r.retireBackups(ctx, s, resources.RetainedObjects(p, *creds), resources.RetiredObjects(p))
}

// deleteData removes schema, roles, backups, identities and jobs at once, each verified by what deletes it. What a
// store has locked nobody can delete: expiry stays, and takes it when the lock has ended, as it would have anyway.
func (r *TenantReconciler) deleteData(ctx context.Context, s *scope) error {
	dataID, region := s.input.Placement.Schema, s.input.Region
	period := backupPeriod(ctx, r.Client, region, dataID)
	cert, err := r.dropData(ctx, s)
	if err != nil {
		return err
	}
	var locked time.Time
	for i := range region.Spec.BackupStores {
		until, err := removeFromStore(ctx, r.Stores, region.Name, &region.Spec.BackupStores[i], dataID)
		if err != nil {
			return err
		}
		if until.After(locked) {
			locked = until
		}
	}
	if err := r.Certifier.Issue(ctx, cert, region, period); err != nil {
		return err
	}
	if !locked.IsZero() {
		r.Recorder.Eventf(s.tenant, nil, corev1.EventTypeNormal, "Deleted", "Delete",
			"Schema %s and its roles are gone; backups the stores have locked go with their period, the last lock ends at %s: DeletionCertificate %s", dataID, locked.UTC().Format(time.RFC3339), cert.Name)
		return nil
	}
	if err := leaveArchives(ctx, r.Stores, region, dataID); err != nil {
		return err
	}
	if err := deletePlatformObjects(ctx, r.Client, region.Spec.PlatformNamespace, client.MatchingLabels{resources.LabelDataID: dataID}); err != nil {
		return err
	}
	if err := forgetDeclaration(ctx, r.Client, r.Defaults.OperatorNamespace, dataID); err != nil {
		return err
	}
	r.Recorder.Eventf(s.tenant, nil, corev1.EventTypeNormal, "Deleted", "Delete", "Schema %s, its roles and its backups are gone: DeletionCertificate %s", dataID, cert.Name)
	return nil
}

// handedOver refuses to go on while documents wait for an archive: what the law has kept must not go with the schema.
func handedOver(ctx context.Context, s *scope, admin *postgres.Admin) error {
	waiting, err := handOverAll(ctx, admin, s.input.Region, s.input.Placement.Schema)
	if err == nil && waiting > 0 {
		err = awaitArchive(s.input.Region, s.input.Placement.Schema, waiting)
	}
	return err
}

// handOverAll makes all documents due for the archive, and gives how many wait; none where the region has no archive any
// longer, which is the way out when one never answers again.
func handOverAll(ctx context.Context, admin *postgres.Admin, region *v1alpha1.DataRegion, dataID string) (int64, error) {
	if len(region.Spec.Archives) == 0 {
		return 0, nil
	}
	return admin.HandOverAll(ctx, dataID)
}

func awaitArchive(region *v1alpha1.DataRegion, dataID string, waiting int64) error {
	return fmt.Errorf("%d documents of schema %s wait to be handed over, which the CronJob %[2]s-archive does when the purge runs: nothing is dropped before; "+
		"run it by hand to go on sooner, and what is on hold waits until its hold ends; or take spec.archives out of DataRegion %[3]s to let them go unarchived", waiting, dataID, region.Name)
}

// dropData counts, then drops schema and roles, which verifies that they are absent.
func (r *TenantReconciler) dropData(ctx context.Context, s *scope) (*v1alpha1.DeletionCertificate, error) {
	dataID, region := s.input.Placement.Schema, s.input.Region
	admin, err := r.adminOf(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := handedOver(ctx, s, admin); err != nil {
		return nil, err
	}
	cert, err := r.beginCertificate(ctx, s, admin)
	if err != nil {
		return nil, err
	}
	for _, component := range []resources.Component{resources.ComponentRetention, resources.ComponentArchive, resources.ComponentBackup, resources.ComponentExport} {
		which := client.MatchingLabels{resources.LabelDataID: dataID, resources.LabelComponent: string(component)}
		if err := deleteJobs(ctx, r.Client, region.Spec.PlatformNamespace, which); err != nil {
			return nil, err
		}
	}
	if err := admin.Drop(ctx, dataID); err != nil {
		return nil, fmt.Errorf("dropping schema %s: %w", dataID, err)
	}
	return cert, nil
}

// beginCertificate writes down what is about to be deleted.
func (r *TenantReconciler) beginCertificate(ctx context.Context, s *scope, admin *postgres.Admin) (*v1alpha1.DeletionCertificate, error) {
	spec := v1alpha1.DeletionCertificateSpec{
		Tenant: v1alpha1.TenantIdentity{Namespace: s.tenant.Namespace, Name: s.tenant.Name, UID: string(s.tenant.UID)},
		DataID: s.input.Placement.Schema, Region: s.input.Region.Name, Server: s.input.Placement.Server, Database: s.input.Placement.Name,
		ContractEnd: timeOf(s.now),
	}
	if s.tenant.DeletionTimestamp != nil {
		spec.ContractEnd = s.tenant.DeletionTimestamp
	}
	if s.left() {
		spec.ContractEnd = &s.tenant.Spec.Offboarding.ContractEnd
	}
	if o := s.tenant.Status.Offboarding; o != nil {
		spec.Export = o.Export
	}
	for i := range s.tenant.Spec.Controllers {
		spec.Controllers = append(spec.Controllers, s.tenant.Spec.Controllers[i].Name)
	}
	if err := count(ctx, admin, s.input.Region, &spec, s.now); err != nil {
		return nil, err
	}
	return r.Certifier.Begin(ctx, spec)
}

func (r *TenantReconciler) serverOf(s *scope) (*v1alpha1.DatabaseServer, error) {
	for i := range s.input.Region.Spec.DatabaseServers {
		if server := &s.input.Region.Spec.DatabaseServers[i]; server.Name == s.input.Placement.Server {
			return server, nil
		}
	}
	return nil, fmt.Errorf("DataRegion %s no longer lists database server %s: restore the entry", s.input.Region.Name, s.input.Placement.Server)
}

// adminOf is the operator's access to the database the tenant was placed in.
func (r *TenantReconciler) adminOf(ctx context.Context, s *scope) (*postgres.Admin, error) {
	server, err := r.serverOf(s)
	if err != nil {
		return nil, err
	}
	return r.Databases.Admin(ctx, s.input.Region, server, s.input.Placement.Name)
}

// tenantDataPeriod is the period of category TenantData; the table of requirements gives 30 days where a policy is
// gone by the time its tenant goes.
func tenantDataPeriod(policy *v1alpha1.RetentionPolicy) time.Duration {
	if policy != nil {
		for _, rule := range policy.Spec.Rules {
			if period, err := rule.Period.Duration(); err == nil && rule.Category == v1alpha1.CategoryTenantData {
				return period
			}
		}
	}
	return 30 * 24 * time.Hour
}
