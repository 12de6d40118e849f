// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
)

// leaving is how far the end of a contract has come, as Offboarded tells it.
type leaving struct {
	reason, message string
	// again is when to look again; zero when nothing more happens.
	again time.Duration
}

// left tells whether the contract has ended.
func (s *scope) left() bool {
	o := s.tenant.Spec.Offboarding
	return o != nil && !s.now.Before(o.ContractEnd.Time)
}

// offboard is the straight line of a tenant whose contract has ended: lock out, export, wait, delete, certify. Each step
// is found done or done again, so that an operator killed anywhere goes on there.
func (r *TenantReconciler) offboard(ctx context.Context, s *scope) (ctrl.Result, error) {
	before := s.tenant.DeepCopy()
	step, err := r.leave(ctx, s)
	s.fail(err)
	if err := r.reportLeaving(ctx, s, before, step); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: step.again}, s.failure
}

func (r *TenantReconciler) leave(ctx context.Context, s *scope) (leaving, error) {
	if o := s.tenant.Status.Offboarding; o != nil && o.Certificate != "" {
		return certified(o.Certificate), nil
	}
	if s.input.Region == nil {
		return leaving{}, fmt.Errorf("DataRegion %s is gone: create it again", s.tenant.Spec.RegionRef.Name)
	}
	if s.input.Placement == nil {
		found, err := r.find(ctx, s.input.Region, plan.DataID(s.tenant.UID))
		if err != nil {
			return leaving{}, err
		}
		if found == nil {
			return leaving{reason: v1alpha1.ReasonNoData, message: "the tenant has no data in its region: there is nothing to export or delete"}, nil
		}
		s.input.Placement = found
	}
	if err := r.abandonImport(ctx, s); err != nil {
		return leaving{}, err
	}
	var err error
	s.input.Left = true
	if s.plan, err = plan.Build(s.input); err != nil {
		return leaving{}, err
	}
	admin, err := r.Databases.Admin(ctx, s.input.Region, &s.plan.Database.Server, s.plan.Database.Name)
	if err != nil {
		return leaving{}, err
	}
	if err := r.lockOut(ctx, s, admin); err != nil {
		return leaving{}, err
	}
	if s.tenant.Status.Offboarding.Export == nil {
		return r.export(ctx, s, admin)
	}
	if until := s.tenant.Status.Offboarding.Until.Time; s.now.Before(until) {
		return s.exported(), r.retireExport(ctx, s)
	}
	return r.certify(ctx, s)
}

// lockOut takes the application's access away, once, and says so before it does: what is exported is then final.
func (r *TenantReconciler) lockOut(ctx context.Context, s *scope, admin *postgres.Admin) error {
	if err := r.ensureFinalizer(ctx, s); err != nil {
		return err
	}
	if s.tenant.Status.Offboarding == nil {
		before := s.tenant.DeepCopy()
		s.tenant.Status.Database = s.input.Placement
		s.tenant.Status.Offboarding = &v1alpha1.OffboardingStatus{Since: timeOf(s.now.Truncate(time.Second))}
		if err := r.Status().Patch(ctx, s.tenant, client.MergeFrom(before)); err != nil {
			return fmt.Errorf("reporting status: %w", err)
		}
	}
	if s.tenant.Status.Offboarding.Export != nil {
		return nil
	}
	registered, err := admin.Lookup(ctx, s.plan.DataID)
	if err != nil {
		return err
	}
	if registered == nil {
		return fmt.Errorf("database %s does not know schema %s any longer: restore it, or delete the BookingTenant", s.plan.Database.Name, s.plan.DataID)
	}
	if registered.RetainedSince != nil {
		return nil
	}
	return admin.Retain(ctx, s.plan.DataID, s.now.Add(tenantDataPeriod(s.input.Policy)))
}

// exported is the wait for the end of the period of TenantData, in which the authority fetches and checks its export.
func (s *scope) exported() leaving {
	o := s.tenant.Status.Offboarding
	return leaving{v1alpha1.ReasonExported, fmt.Sprintf("every store holds the export, first of it %s with %d records; the data is deleted at %s",
		o.Export.Objects[0].Key, o.Export.Records, o.Until.UTC().Format(time.RFC3339)), o.Until.Sub(s.now) + time.Second}
}

func certified(name string) leaving {
	return leaving{reason: v1alpha1.ReasonCertified, message: "schema and roles are gone: DeletionCertificate " + name + " tells of them, and of the backups until they have expired"}
}

// certify deletes schema and roles. Backups and exports reach the end of their period, which the certificate follows.
func (r *TenantReconciler) certify(ctx context.Context, s *scope) (leaving, error) {
	region, dataID := s.input.Region, s.plan.DataID
	cert, err := r.dropData(ctx, s)
	if err != nil {
		return leaving{}, err
	}
	if err := r.Certifier.Issue(ctx, cert, region, backupPeriod(ctx, r.Client, region, dataID)); err != nil {
		return leaving{}, err
	}
	if err := deletePurge(ctx, r.Client, region.Spec.PlatformNamespace, dataID); err != nil {
		return leaving{}, err
	}
	s.tenant.Status.Offboarding.Certificate = cert.Name
	return certified(cert.Name), nil
}

// reportLeaving writes the status when something of it is news. Nothing is claimed of a tenant that does not serve: what
// is kept of it is audited in its region's status.retained.
func (r *TenantReconciler) reportLeaving(ctx context.Context, s *scope, before *v1alpha1.BookingTenant, step leaving) error {
	status := &s.tenant.Status
	status.ObservedGeneration = s.tenant.Generation
	status.Compliance, status.Evidence = nil, nil
	meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionDatabaseReady)
	for _, f := range compliance.Expire("the contract has ended; what is kept is audited in status.retained of DataRegion " + s.tenant.Spec.RegionRef.Name) {
		s.set(f.Type, f.Status, f.Reason, f.Message)
	}
	s.set(v1alpha1.ConditionInstanceAvailable, metav1.ConditionFalse, v1alpha1.ReasonNotServing, "the contract has ended, the site does not serve")
	switch {
	case s.refusal != nil:
		s.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, s.refusal.Reason, s.refusal.Message)
		s.set(v1alpha1.ConditionReady, metav1.ConditionFalse, s.refusal.Reason, s.refusal.Message)
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionReconciling)
	case s.failure != nil:
		s.progressing(v1alpha1.ReasonDependencyUnavailable, s.failure.Error())
	case step.reason == v1alpha1.ReasonExporting || step.reason == v1alpha1.ReasonExportFailed:
		s.progressing(step.reason, step.message)
	default:
		s.ready(metav1.ConditionTrue, step.reason, step.message)
	}
	if step.reason != "" {
		done := metav1.ConditionFalse
		if step.reason == v1alpha1.ReasonCertified || step.reason == v1alpha1.ReasonNoData {
			done = metav1.ConditionTrue
		}
		s.set(v1alpha1.ConditionOffboarded, done, step.reason, step.message)
	}
	if equality.Semantic.DeepEqual(before.Status, s.tenant.Status) {
		return nil
	}
	told := s.tenant.DeepCopy()
	if err := r.Status().Patch(ctx, told, client.MergeFrom(before)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("reporting status: %w", err))
	}
	statusWrites.Inc()
	r.announceLeaving(s, before, step)
	return nil
}

func (r *TenantReconciler) announceLeaving(s *scope, before *v1alpha1.BookingTenant, step leaving) {
	old := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionOffboarded)
	if step.reason == "" || old != nil && old.Reason == step.reason {
		return
	}
	kind := corev1.EventTypeNormal
	if step.reason == v1alpha1.ReasonExportFailed {
		kind = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(s.tenant, nil, kind, step.reason, "Offboard", "%s", step.message[:min(len(step.message), 1000)])
}

// reportContractEnd tells, before the contract has ended, that it will.
func reportContractEnd(s *scope) {
	o := s.tenant.Spec.Offboarding
	if o == nil {
		meta.RemoveStatusCondition(&s.tenant.Status.Conditions, v1alpha1.ConditionOffboarded)
		return
	}
	s.set(v1alpha1.ConditionOffboarded, metav1.ConditionFalse, v1alpha1.ReasonContractEnds, fmt.Sprintf(
		"the site takes no bookings; the contract ends at %s: then the site stops and everything is exported", o.ContractEnd.UTC().Format(time.RFC3339)))
}
