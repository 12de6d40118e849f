// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
)

// TenantReconciler brings BookingTenants about and reports what was measured of them.
type TenantReconciler struct {
	client.Client
	Databases *Databases
	Stores    *Stores
	Serving   *Serving
	Book      *evidence.Book
	Certifier *Certifier
	Recorder  events.EventRecorder
	Defaults  plan.Defaults
	// MaxEvidenceAge is how old evidence may be before it proves nothing.
	MaxEvidenceAge time.Duration
	// ReadsNotices tells whether a NoticeReader fills the book; without one nothing is claimed of notices.
	ReadsNotices bool
	// Now is the clock; tests inject their own.
	Now func() time.Time

	placing    placing
	namespaces bindings
	applied    appliedSpecs
	matched    matched
	// incidents reported last, by UID of the tenant; only of tenants that had any.
	incidents sync.Map
	// met are the strays seen last, by UID of the tenant; only of tenants that have any.
	met sync.Map
	// tending lets one look after the jobs of removed tenants at a time.
	tending sync.Mutex
	bound   appliedSpecs
}

// Reconcile is the straight line of one tenant.
func (r *TenantReconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	s, err := r.load(ctx, req.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	if s == nil {
		return ctrl.Result{}, r.tendRemoved(ctx, req.NamespacedName)
	}
	// Deletion comes before every gate: nothing that is missing or wrong may hold it up.
	if !s.tenant.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, s)
	}
	if s.tenant.Spec.Paused {
		return ctrl.Result{}, r.report(ctx, s)
	}
	if r.unmeasured(s) {
		return ctrl.Result{RequeueAfter: firstLook}, nil
	}
	if s.left() {
		return r.offboard(ctx, s)
	}
	if s.plan, err = r.prepare(ctx, s); err == nil && s.plan != nil {
		err = r.apply(ctx, s)
	}
	s.fail(err)
	r.observe(ctx, s)
	r.judge(s)
	r.evict(ctx, s, r.meet(s))
	if err := r.report(ctx, s); err != nil {
		return ctrl.Result{}, err
	}
	if s.failure != nil {
		return ctrl.Result{}, s.failure
	}
	again := ctrl.Result{RequeueAfter: r.renewal(s), Priority: new(0)}
	if s.blocked {
		// A node may hold a pod of every tenant: telling of the last comes before the second try to evict the first.
		again.Priority = new(handler.LowPriority)
	}
	return again, nil
}

// lookAgain is how soon a tenant is looked at again that waits for something nobody watches.
const lookAgain = 10 * time.Second

// firstLook is how soon a tenant is looked at again that waits for its first measurement.
const firstLook = 500 * time.Millisecond

// unmeasured tells whether this process has never looked at the database or a store of a tenant that has data there.
// An operator that has just started knows nothing: judging then would turn every verdict Unknown, and bringing every
// schema about again would cost a round trip each.
func (r *TenantReconciler) unmeasured(s *scope) bool {
	placed, region := s.tenant.Status.Database, s.input.Region
	if placed == nil || region == nil {
		return false
	}
	told := func(claim string) bool { return meta.IsStatusConditionTrue(s.tenant.Status.Conditions, claim) }
	if dataID := plan.DataID(s.tenant.UID); r.ReadsNotices &&
		(told(v1alpha1.ConditionNoticeConsistent) && !r.Book.NoticeRead(dataID) || !r.Book.InstancesAsked()) {
		return true
	}
	if told(v1alpha1.ConditionTransportEncrypted) && !r.Book.SitesLooked() {
		return true
	}
	if r.Book.Wall(region.Name).At.IsZero() || region.Spec.Ingress != nil && r.Book.Front(region.Name).At.IsZero() {
		return true
	}
	if r.redeclared(region, placed.Server) || unseen(r.Book, region) {
		return true
	}
	for i := range region.Spec.DatabaseServers {
		key := plan.DatabaseKey{Region: region.Name, Server: placed.Server, Database: placed.Name}
		if server := &region.Spec.DatabaseServers[i]; server.Name == placed.Server && slices.Contains(server.Databases, placed.Name) && r.Book.Audit(key).At.IsZero() {
			return true
		}
	}
	return unlisted(r.Book, region)
}

// redeclared tells whether the region's server or a store was not yet met under its present declaration: until then
// nobody knows what the name leads to, and nothing of a tenant may be pointed there.
func (r *TenantReconciler) redeclared(region *v1alpha1.DataRegion, server string) bool {
	unmet := func(where, declared string) bool {
		sample := r.Book.Endpoint(evidence.EndpointKey{Region: region.Name, Where: where})
		return sample.Value.Declared != declared
	}
	for i := range region.Spec.DatabaseServers {
		if s := &region.Spec.DatabaseServers[i]; s.Name == server && unmet(plan.ServerUse(s.Name), plan.ServerDigest(s)) {
			return true
		}
	}
	return slices.ContainsFunc(plan.Stores(region), func(s v1alpha1.BackupStore) bool {
		return unmet(plan.UseOf(region, s.Name), plan.StoreDigest(&s))
	})
}

// unseen tells whether a CloudNativePG Cluster of the region has not been looked at yet by this process.
func unseen(book *evidence.Book, region *v1alpha1.DataRegion) bool {
	return slices.ContainsFunc(region.Spec.DatabaseServers, func(server v1alpha1.DatabaseServer) bool {
		return server.ClusterRef != nil && book.Server(evidence.ServerKey{Region: region.Name, Server: server.Name}).At.IsZero()
	})
}

// prepare checks, places and plans. Before the checks pass nothing of the tenant exists anywhere; afterwards its
// finalizer stands before its first piece of data does.
func (r *TenantReconciler) prepare(ctx context.Context, s *scope) (*plan.Plan, error) {
	s.refusal = plan.Check(s.input)
	if s.refusal != nil && (!s.refusal.StillPlanned() || s.tenant.Status.Database == nil) {
		return nil, nil
	}
	// The wall before the first piece of data: of two regions' tenants in one namespace the second stays without any.
	if err := r.namespaces.bind(ctx, r.Client, s.tenant.Namespace, s.input.Region.Name); err != nil {
		return nil, err
	}
	if err := r.ensureFinalizer(ctx, s); err != nil {
		return nil, err
	}
	if err := r.place(ctx, s); err != nil {
		return nil, err
	}
	if err := r.dueImport(ctx, s); err != nil {
		return nil, err
	}
	return plan.Build(s.input)
}

// fail sorts an error: a refusal waits for somebody, anything else is retried.
func (s *scope) fail(err error) {
	var refusal *plan.Refusal
	switch {
	case err == nil:
	case errors.As(err, &refusal):
		s.refusal = refusal
	default:
		s.failure = err
	}
}

// judge reaches the verdicts. Without a plan there is nothing to hold evidence against.
func (r *TenantReconciler) judge(s *scope) {
	if s.plan == nil {
		why := "nothing was planned, so nothing can be judged"
		if s.refusal != nil {
			why = "the spec is stalled, so nothing can be judged: " + s.refusal.Reason
		}
		s.findings = compliance.Expire(why)
		return
	}
	s.findings = compliance.Judge(s.plan, &s.evidence, compliance.Clock{Now: s.now, MaxEvidenceAge: r.MaxEvidenceAge})
}

// renewal is when the verdict must be renewed or the agreement begins or ends.
func (r *TenantReconciler) renewal(s *scope) time.Duration {
	if s.untold {
		return afterTelling
	}
	if s.blocked {
		return retryEviction
	}
	if s.importing != nil {
		return s.importing.again
	}
	// A Cluster is mended where nobody tells a tenant that has no data yet.
	if s.refusal != nil && s.refusal.Reason == v1alpha1.ReasonOtherCopiesTooLong {
		return lookAgain
	}
	midnight := s.now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(s.now)
	again := min(r.MaxEvidenceAge/2, midnight+time.Second)
	if until := validUntil(&s.tenant.Status); !until.IsZero() {
		// What instances try themselves is older than what the operator measures, and may leave a verdict less than the half.
		again = min(again, max(until.Sub(s.now)-r.MaxEvidenceAge/8, r.MaxEvidenceAge/8))
	}
	if o := s.tenant.Spec.Offboarding; o != nil {
		again = min(again, max(o.ContractEnd.Sub(s.now), 0)+time.Second)
	}
	return again
}
