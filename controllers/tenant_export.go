// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
)

// exportPoll is how often an export under way is looked at.
const exportPoll = 2 * time.Second

// export brings the Job about and, once it has ended, looks for what it wrote at every store. A Job's success is no
// evidence, and an export that lies there is one, whoever has seen the Job end (invariant 7).
func (r *TenantReconciler) export(ctx context.Context, s *scope, admin *postgres.Admin) (leaving, error) {
	job, err := r.jobNamed(ctx, s, resources.ExportName(s.plan))
	if err != nil {
		return leaving{}, err
	}
	if job != nil && !jobHas(job, batchv1.JobComplete) && !jobHas(job, batchv1.JobFailed) {
		return exporting(job.Name), nil
	}
	record, missing, err := r.readExport(ctx, s)
	switch {
	case err != nil:
		return leaving{}, err
	case record != nil:
		return r.keepExport(ctx, s, admin, record)
	case job == nil:
		return exporting(resources.ExportName(s.plan)), r.startExport(ctx, s)
	}
	return leaving{v1alpha1.ReasonExportFailed, fmt.Sprintf(
		"Job %s/%s ended without the export at %s: see its log; it is begun again an hour after its end, or at once when you delete it; nothing is deleted before every store has the export",
		job.Namespace, job.Name, strings.Join(missing, ", ")), lookAgain}, nil
}

func exporting(job string) leaving {
	return leaving{v1alpha1.ReasonExporting, "the site has stopped; Job " + job + " writes the export to every store", exportPoll}
}

// jobNamed gives a job of the tenant's in the platform namespace; nil when there is none.
func (r *TenantReconciler) jobNamed(ctx context.Context, s *scope, name string) (*batchv1.Job, error) {
	live, err := r.live(ctx, resources.Object{GVK: batchv1.SchemeGroupVersion.WithKind("Job"), Namespace: s.plan.Region.PlatformNamespace, Name: name})
	if err != nil || live == nil {
		return nil, err
	}
	job, ok := live.(*batchv1.Job)
	if !ok {
		return nil, fmt.Errorf("%s is no Job", name)
	}
	return job, nil
}

// startExport ends the backups, takes the site down, and starts the Job.
func (r *TenantReconciler) startExport(ctx context.Context, s *scope) error {
	creds, err := r.credentials(ctx, s.plan)
	if err != nil {
		return err
	}
	if err := r.ensureIdentities(ctx, s, creds); err != nil {
		return err
	}
	desired := resources.RetainedObjects(s.plan, *creds)
	desired = append(desired, resources.InstanceObjects(s.plan, *creds)...)
	desired = append(desired, resources.ExportFiles(s.plan, *creds, s.tenant.Spec.Offboarding.Export.Recipients)...)
	absent := append(resources.Absent(s.plan), resources.Object{
		GVK: batchv1.SchemeGroupVersion.WithKind("CronJob"), Namespace: s.plan.Region.PlatformNamespace, Name: resources.BackupName(s.plan)})
	if err := r.applyObjects(ctx, s, desired, absent); err != nil {
		return err
	}
	if err := r.Client.Apply(ctx, resources.ExportJob(s.plan), FieldOwner, client.ForceOwnership); err != nil {
		return fmt.Errorf("starting the export: %w", err)
	}
	r.tellDone(s)
	return nil
}

// readExport looks for the export of this offboarding at every store, and names those that lack it.
func (r *TenantReconciler) readExport(ctx context.Context, s *scope) (*v1alpha1.ExportRecord, []string, error) {
	var newest *export.Delivered
	var names, missing []string
	for i := range s.plan.Backup.Stores {
		store := &s.plan.Backup.Stores[i]
		admin, _, err := r.Stores.Client(ctx, s.plan.Region.Name, store)
		if err != nil {
			return nil, nil, err
		}
		found, err := export.FindDelivered(ctx, admin, s.plan.DataID)
		if err != nil {
			return nil, nil, fmt.Errorf("looking for the export at store %s: %w", store.Name, err)
		}
		// One that somebody made before the application was locked out lacks what came after.
		if found == nil || found.Start.Before(s.tenant.Status.Offboarding.Since.Time) {
			missing = append(missing, "store "+store.Name)
			continue
		}
		if newest == nil || found.Start.After(newest.Start) {
			newest = found
		}
		names = append(names, store.Name)
		if !reflect.DeepEqual(found, newest) {
			missing = append(missing, "store "+store.Name)
		}
	}
	if len(missing) > 0 || newest == nil || len(newest.Objects) == 0 {
		return nil, missing, nil
	}
	return exportRecord(newest, names), nil, nil
}

func exportRecord(d *export.Delivered, stores []string) *v1alpha1.ExportRecord {
	record := &v1alpha1.ExportRecord{At: metav1.NewTime(d.Start), Stores: stores}
	for _, n := range d.Records {
		record.Records += n
	}
	for _, o := range d.Objects {
		record.Objects = append(record.Objects, v1alpha1.ExportObject{Key: o.Key, Size: o.Size, SHA256: v1alpha1.SHA256(o.SHA256)})
	}
	return record
}

// lastExport of a tenant that any store of the region still holds; nil when none answers that it does.
func lastExport(ctx context.Context, stores *Stores, region *v1alpha1.DataRegion, dataID string) *v1alpha1.ExportRecord {
	var newest *export.Delivered
	var names []string
	for i := range region.Spec.BackupStores {
		store := &region.Spec.BackupStores[i]
		admin, _, err := stores.Client(ctx, region.Name, store)
		if err != nil {
			continue
		}
		found, err := export.FindDelivered(ctx, admin, dataID)
		switch {
		case err != nil || found == nil || newest != nil && found.Start.Before(newest.Start):
		case newest != nil && found.Start.Equal(newest.Start):
			names = append(names, store.Name)
		default:
			newest, names = found, []string{store.Name}
		}
	}
	if newest == nil {
		return nil
	}
	return exportRecord(newest, names)
}

// keepExport begins the period of TenantData: not before the authority has something to fetch.
func (r *TenantReconciler) keepExport(ctx context.Context, s *scope, admin *postgres.Admin, record *v1alpha1.ExportRecord) (leaving, error) {
	until := s.now.Truncate(time.Second).Add(tenantDataPeriod(s.input.Policy))
	if err := admin.Retain(ctx, s.plan.DataID, until); err != nil {
		return leaving{}, err
	}
	// The export has them; now they may leave the database for the archive (T8).
	if _, err := handOverAll(ctx, admin, s.input.Region, s.plan.DataID); err != nil {
		return leaving{}, err
	}
	o := s.tenant.Status.Offboarding
	o.Export, o.Until = record, timeOf(until)
	// Kept in status first; then what the Job needed goes.
	step := s.exported()
	step.again = exportPoll
	return step, nil
}

// retireExport removes what the export and backups needed; purge and expiry go on.
func (r *TenantReconciler) retireExport(ctx context.Context, s *scope) error {
	namespace, name := s.plan.Region.PlatformNamespace, resources.ExportName(s.plan)
	absent := append(resources.RetiredObjects(s.plan),
		resources.Object{GVK: corev1.SchemeGroupVersion.WithKind("Secret"), Namespace: namespace, Name: name},
		resources.Object{GVK: corev1.SchemeGroupVersion.WithKind("ConfigMap"), Namespace: namespace, Name: name})
	if err := r.retireBackups(ctx, s, nil, absent); err != nil {
		return err
	}
	r.tellDone(s)
	job, err := r.jobNamed(ctx, s, resources.ExportName(s.plan))
	if err != nil || job == nil {
		return err
	}
	return client.IgnoreNotFound(r.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationBackground)))
}

// retireBackups ends the backups, and takes away what one that was killed over its restore test left.
func (r *TenantReconciler) retireBackups(ctx context.Context, s *scope, desired, absent []resources.Object) error {
	if err := r.applyObjects(ctx, s, desired, absent); err != nil {
		return err
	}
	admin, err := r.adminOf(ctx, s)
	if err != nil {
		return err
	}
	return admin.DropScratch(ctx, s.input.Placement.Schema)
}
