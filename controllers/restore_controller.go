// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
)

// restorePoll is how often a restore under way is looked at: the job tells its progress in the database.
const restorePoll = 2 * time.Second

// TenantRestoreReconciler brings backups back: a job restores into quarantine and proves; this swaps or gives up.
type TenantRestoreReconciler struct {
	client.Client
	// Live reads past the cache.
	Live client.Reader
	// Tenants plans the tenant, and knows its database and credentials.
	Tenants  *TenantReconciler
	Recorder events.EventRecorder
	Now      func() time.Time
}

// restoring is what one reconcile of one restore knows.
type restoring struct {
	restore *v1alpha1.TenantRestore
	before  *v1alpha1.TenantRestore
	tenant  *scope
	admin   *postgres.Admin
	creds   *resources.Credentials
	spec    postgres.Tenant
	state   *postgres.RestoreState
}

// Reconcile is the straight line of one restore.
func (r *TenantRestoreReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	restore := &v1alpha1.TenantRestore{}
	if err := r.Get(ctx, req.NamespacedName, restore); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	s := &restoring{restore: restore, before: restore.DeepCopy()}
	if !restore.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, r.letGo(ctx, s)
	}
	if ended(restore) {
		return ctrl.Result{}, nil
	}
	waits, err := r.advance(ctx, s)
	var refusal *plan.Refusal
	switch {
	case errors.As(err, &refusal):
		return ctrl.Result{}, errors.Join(r.giveUp(ctx, s), r.fail(ctx, s, refusal))
	case err != nil:
		s.progress(r.Now(), v1alpha1.ReasonDependencyUnavailable, err.Error())
		return ctrl.Result{}, errors.Join(err, r.report(ctx, s))
	case waits:
		return ctrl.Result{RequeueAfter: restorePoll}, r.report(ctx, s)
	}
	return ctrl.Result{}, r.report(ctx, s)
}

// advance takes the restore as far as it goes now, and tells whether it must be looked at again.
func (r *TenantRestoreReconciler) advance(ctx context.Context, s *restoring) (waits bool, err error) {
	if err := r.ensureFinalizer(ctx, s.restore); err != nil {
		return false, err
	}
	if err := r.prepare(ctx, s); err != nil {
		return false, err
	}
	if first, err := r.firstOf(ctx, s.restore); err != nil || first != s.restore.Name {
		s.progress(r.Now(), v1alpha1.ReasonProgressing, "TenantRestore "+first+" of the same tenant comes first")
		return true, err
	}
	job, err := r.job(ctx, s.tenant.plan)
	if err != nil {
		return false, err
	}
	if job != nil && job.Annotations[resources.AnnotationRestore] != string(s.restore.UID) {
		// What a restore before has left is going.
		return true, r.removeObjects(ctx, s.tenant.plan)
	}
	if job == nil {
		return r.resume(ctx, s)
	}
	return r.follow(ctx, s, job)
}

// prepare plans the tenant, and finds its database.
func (r *TenantRestoreReconciler) prepare(ctx context.Context, s *restoring) error {
	name := types.NamespacedName{Namespace: s.restore.Namespace, Name: s.restore.Spec.TenantRef.Name}
	tenant, err := r.Tenants.load(ctx, name)
	if err != nil {
		return err
	}
	if tenant == nil || !tenant.tenant.DeletionTimestamp.IsZero() {
		return &plan.Refusal{Reason: v1alpha1.ReasonTenantNotFound, Message: fmt.Sprintf(
			"namespace %s has no BookingTenant %s: create it first, with the region and the policy it had; its backups are found by its data ID", name.Namespace, name.Name)}
	}
	if refusal := plan.Check(tenant.input); refusal != nil && !refusal.StillPlanned() {
		return fmt.Errorf("BookingTenant %s is stalled: %w", name.Name, errors.New(refusal.Message))
	}
	if tenant.input.Placement == nil {
		return fmt.Errorf("BookingTenant %s has no database yet", name.Name)
	}
	if tenant.plan, err = plan.Build(tenant.input); err != nil {
		return err
	}
	s.tenant = tenant
	if s.creds, err = r.Tenants.credentials(ctx, tenant.plan); err != nil {
		return err
	}
	s.spec = tenantSpec(tenant.plan, s.creds)
	s.admin, err = r.Tenants.Databases.Admin(ctx, tenant.input.Region, &tenant.plan.Database.Server, tenant.plan.Database.Name)
	return err
}

// resume begins a restore that has no job, unless it has ended already: the cache may not know yet what this process
// wrote a moment ago, and an operator killed after the swap wrote nothing.
func (r *TenantRestoreReconciler) resume(ctx context.Context, s *restoring) (waits bool, err error) {
	live := &v1alpha1.TenantRestore{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(s.restore), live); err != nil || ended(live) {
		return false, client.IgnoreNotFound(err)
	}
	result, err := s.admin.RestoreResult(ctx, string(s.restore.UID))
	if err != nil {
		return false, err
	}
	if result != "" {
		return false, s.finished(result, r.Now())
	}
	return true, r.begin(ctx, s)
}

// begin makes roles and schema where they are lost, then quarantine and job.
func (r *TenantRestoreReconciler) begin(ctx context.Context, s *restoring) error {
	p := s.tenant.plan
	input, err := r.restoreInput(ctx, s)
	if err != nil {
		return err
	}
	s.restore.Status.Step = v1alpha1.RestorePreparing
	if s.restore.Status.StartedAt == nil {
		s.restore.Status.StartedAt = timeOf(r.Now())
	}
	s.progress(r.Now(), v1alpha1.ReasonRestoring, "the application is locked out and the quarantine made")
	// Told before it is done, so that the tenant says so too.
	if err := r.report(ctx, s); err != nil {
		return err
	}
	if err := s.admin.Ensure(ctx, s.spec); err != nil {
		return err
	}
	limit := time.Duration(resources.RestoreLimit(input)) * time.Second
	if err := s.admin.BeginRestore(ctx, p.DataID, string(s.restore.UID), input.Credentials.Password, r.Now().Add(limit+time.Hour)); err != nil {
		return err
	}
	for _, object := range resources.RestoreObjects(p, input) {
		if err := r.Client.Apply(ctx, object.Config, FieldOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s: %w", object, err)
		}
	}
	r.Recorder.Eventf(s.restore, s.tenant.tenant, corev1.EventTypeNormal, "Begun", "Restore", "Restoring %s into quarantine", p.Tenant.Name)
	return nil
}

// follow shows what the job tells, hands it the answer, and swaps or gives up when it has ended.
func (r *TenantRestoreReconciler) follow(ctx context.Context, s *restoring, job *batchv1.Job) (waits bool, err error) {
	p := s.tenant.plan
	if s.state, err = s.admin.RestoreState(ctx, p.DataID); err != nil {
		return false, err
	}
	switch {
	case jobHas(job, batchv1.JobFailed):
		why := "the job ended without a word: see its log, then make another TenantRestore"
		if s.state != nil && s.state.Failure != "" {
			why = s.state.Failure
		}
		return false, &plan.Refusal{Reason: v1alpha1.ReasonRestoreFailed, Message: why + "; what was in use is as it was"}
	case jobHas(job, batchv1.JobComplete):
		return false, r.finish(ctx, s)
	case s.state == nil:
		// The quarantine is gone under the job, as when the database was dropped once more.
		return true, r.removeObjects(ctx, p)
	}
	if answer := s.restore.Annotations[v1alpha1.AnnotationAnswer]; answer != "" && s.state.Challenge != "" {
		if err := s.admin.AnswerRestore(ctx, p.DataID, answer); err != nil {
			return false, err
		}
	}
	s.show(r.Now())
	return true, nil
}

// finish swaps, and lets the application in again.
func (r *TenantRestoreReconciler) finish(ctx context.Context, s *restoring) error {
	result, err := s.admin.FinishRestore(ctx, s.spec, string(s.restore.UID))
	if postgres.Unproven(err) {
		return &plan.Refusal{Reason: v1alpha1.ReasonRestoreFailed, Message: err.Error() + "; what was in use is as it was"}
	}
	if err != nil {
		return err
	}
	if err := s.finished(result, r.Now()); err != nil {
		return err
	}
	if err := r.removeObjects(ctx, s.tenant.plan); err != nil {
		return err
	}
	r.Recorder.Eventf(s.restore, s.tenant.tenant, corev1.EventTypeNormal, "Restored", "Restore", "%s", meta.FindStatusCondition(s.restore.Status.Conditions, v1alpha1.ConditionReady).Message)
	return nil
}

// fail ends the restore for good, once what it had begun is gone.
func (r *TenantRestoreReconciler) fail(ctx context.Context, s *restoring, refusal *plan.Refusal) error {
	s.failed(refusal, r.Now())
	r.Recorder.Eventf(s.restore, nil, corev1.EventTypeWarning, refusal.Reason, "Restore", "%s", refusal.Message[:min(len(refusal.Message), 1000)])
	return r.report(ctx, s)
}

// giveUp drops quarantine and job. Nothing else was touched.
func (r *TenantRestoreReconciler) giveUp(ctx context.Context, s *restoring) error {
	if s.admin == nil {
		return nil
	}
	if err := r.removeObjects(ctx, s.tenant.plan); err != nil {
		return err
	}
	return s.admin.AbortRestore(ctx, s.spec, string(s.restore.UID))
}

// letGo gives up what is under way, then removes the finalizer. Where tenant or region are gone, or the tenant has
// another database, there is nothing to give up that their own end does not take with it.
func (r *TenantRestoreReconciler) letGo(ctx context.Context, s *restoring) error {
	if !controllerutil.ContainsFinalizer(s.restore, v1alpha1.RestoreFinalizer) {
		return nil
	}
	if !ended(s.restore) {
		err := r.prepare(ctx, s)
		var refusal *plan.Refusal
		if err == nil {
			err = r.giveUp(ctx, s)
		}
		if _, released := s.restore.Annotations[AnnotationRelease]; err != nil && !errors.As(err, &refusal) && !released {
			s.progress(r.Now(), v1alpha1.ReasonDeleting, fmt.Sprintf(
				"the quarantine could not be removed: %v; it is retried; annotate the restore with %s=REASON to let it go regardless", err, AnnotationRelease))
			return errors.Join(err, r.report(ctx, s))
		}
	}
	live := s.restore.DeepCopy()
	controllerutil.RemoveFinalizer(live, v1alpha1.RestoreFinalizer)
	if err := r.Patch(ctx, live, client.MergeFrom(s.before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing finalizer: %w", err)
	}
	return nil
}

func (r *TenantRestoreReconciler) ensureFinalizer(ctx context.Context, restore *v1alpha1.TenantRestore) error {
	before := restore.DeepCopy()
	if !controllerutil.AddFinalizer(restore, v1alpha1.RestoreFinalizer) {
		return nil
	}
	if err := r.Patch(ctx, restore, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("adding finalizer: %w", err)
	}
	return nil
}

// job of the tenant's restore; nil when there is none.
func (r *TenantRestoreReconciler) job(ctx context.Context, p *plan.Plan) (*batchv1.Job, error) {
	job := &batchv1.Job{}
	err := r.Get(ctx, client.ObjectKey{Namespace: p.Region.PlatformNamespace, Name: resources.RestoreName(p)}, job)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return job, err
}

func jobHas(job *batchv1.Job, kind batchv1.JobConditionType) bool {
	for _, c := range job.Status.Conditions {
		if c.Type == kind && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// removeObjects deletes job, Secret and ConfigMap: the identity must not outlive the restore it was for.
func (r *TenantRestoreReconciler) removeObjects(ctx context.Context, p *plan.Plan) error {
	return deletePlatformObjects(ctx, r.Client, p.Region.PlatformNamespace, client.MatchingLabels{
		resources.LabelDataID: p.DataID, resources.LabelComponent: string(resources.ComponentRestore),
	})
}

// SetupWithManager registers the reconciler.
func (r *TenantRestoreReconciler) SetupWithManager(mgr ctrl.Manager) error {
	restoreOf := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		annotations := o.GetAnnotations()
		name := annotations[resources.AnnotationRestoreName]
		if name == "" {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: annotations[resources.AnnotationTenantNamespace], Name: name}}}
	})
	return ctrl.NewControllerManagedBy(mgr).For(&v1alpha1.TenantRestore{}).Watches(&batchv1.Job{}, restoreOf).Complete(r)
}
