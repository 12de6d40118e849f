// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/settings"
)

// declaration is what a removed tenant's jobs are made from, by the release and for the region that are there now.
type declaration struct {
	Tenant v1alpha1.BookingTenant   `json:"tenant"`
	Policy v1alpha1.RetentionPolicy `json:"policy"`
}

// keepDeclaration writes down what the tenant and its policy say, before both may be gone.
func (r *TenantReconciler) keepDeclaration(ctx context.Context, s *scope) error {
	if s.input.Policy == nil {
		return nil
	}
	kept := declaration{
		Tenant: v1alpha1.BookingTenant{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.tenant.Namespace, Name: s.tenant.Name, UID: s.tenant.UID, CreationTimestamp: s.tenant.CreationTimestamp},
			Spec:       *s.tenant.Spec.DeepCopy(),
			Status:     v1alpha1.BookingTenantStatus{Database: s.input.Placement},
		},
		Policy: v1alpha1.RetentionPolicy{ObjectMeta: metav1.ObjectMeta{Name: s.input.Policy.Name}, Spec: s.input.Policy.Spec},
	}
	kept.Tenant.Spec.Appearance = nil // nobody looks at a site that is gone, and a logo is large
	document, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("keeping the declaration: %w", err)
	}
	dataID := s.input.Placement.Schema
	config := resources.Declaration(r.Defaults.OperatorNamespace, dataID, s.input.Region.Name, string(document))
	if err := r.Client.Apply(ctx, config, FieldOwner, client.ForceOwnership); err != nil {
		return fmt.Errorf("keeping the declaration of %s: %w", dataID, err)
	}
	return nil
}

// forgetDeclaration ends what a declaration was for.
func forgetDeclaration(ctx context.Context, c client.Client, namespace, dataID string) error {
	kept := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: resources.DeclarationName(dataID)}}
	return client.IgnoreNotFound(c.Delete(ctx, kept))
}

// TendRetained looks after the jobs of every removed tenant. One that fails keeps no other from it.
func (r *TenantReconciler) TendRetained(ctx context.Context) {
	if err := r.tend(ctx, func(*declaration) bool { return true }); err != nil && ctx.Err() == nil {
		log.FromContext(ctx).Error(err, "looking after the jobs of removed tenants")
	}
}

// tendRemoved looks after the jobs of removed tenants of a name, when something of them changes.
func (r *TenantReconciler) tendRemoved(ctx context.Context, name types.NamespacedName) error {
	return r.tend(ctx, func(kept *declaration) bool {
		return kept.Tenant.Namespace == name.Namespace && kept.Tenant.Name == name.Name
	})
}

func (r *TenantReconciler) tend(ctx context.Context, which func(*declaration) bool) error {
	r.tending.Lock()
	defer r.tending.Unlock()
	documents := &corev1.ConfigMapList{}
	labels := client.MatchingLabels{resources.LabelComponent: string(resources.ComponentDeclaration)}
	if err := r.List(ctx, documents, client.InNamespace(r.Defaults.OperatorNamespace), labels); err != nil {
		return fmt.Errorf("listing the declarations of removed tenants: %w", err)
	}
	var failed []error
	known := map[string]bool{}
	for i := range documents.Items {
		document, kept := &documents.Items[i], &declaration{}
		if err := json.Unmarshal([]byte(document.Data[resources.DeclarationKey]), kept); err != nil {
			failed = append(failed, fmt.Errorf("declaration %s cannot be read", document.Name))
			continue
		}
		known[plan.DataID(kept.Tenant.UID)] = true
		if !which(kept) || document.DeletionTimestamp != nil {
			continue
		}
		if err := r.tendOne(ctx, kept); err != nil {
			failed = append(failed, err)
		}
	}
	r.Book.KeepKept(known)
	return errors.Join(failed...)
}

// tendOne observes, judges, mends and reports the jobs of one removed tenant (invariants 1 and 4).
func (r *TenantReconciler) tendOne(ctx context.Context, kept *declaration) error {
	dataID := plan.DataID(kept.Tenant.UID)
	if alive, err := r.alive(ctx, dataID); alive || err != nil {
		return err
	}
	region := &v1alpha1.DataRegion{}
	if err := r.Get(ctx, types.NamespacedName{Name: kept.Tenant.Spec.RegionRef.Name}, region); err != nil {
		return client.IgnoreNotFound(err)
	}
	s := &scope{now: r.Now(), tenant: &kept.Tenant}
	s.input = plan.Input{Tenant: &kept.Tenant, Policy: &kept.Policy, Region: r.Book.Resolve(region), Defaults: r.Defaults, Now: s.now, Placement: kept.Tenant.Status.Database}
	p, err := plan.Build(s.input)
	if err != nil {
		return fmt.Errorf("planning the jobs of removed tenant %s: %w", dataID, err)
	}
	s.plan = p
	purge, sure := r.purges(s)
	creds := &resources.Credentials{}
	if sure {
		// What is lost is made anew at the stores only for a Secret that is applied in the same round.
		if creds, err = r.keptCredentials(ctx, s, purge); err != nil {
			return err
		}
	}
	desired := resources.KeptObjects(p, *creds, purge)
	// The Secret stays, from which the job is made again where the region declares an archive again.
	absent := resources.CronJobsOf(resources.UnarchivedObjects(p))
	jobs, err := r.keptJobs(ctx, s, desired)
	if err != nil {
		return err
	}
	pods, err := r.podPlacements(ctx, p, s)
	if err != nil {
		return err
	}
	finding := compliance.Kept(&p.Region, jobs, pods)
	if !sure {
		// Whether there is still something to purge is not known: nothing is seen mended, and nothing made.
		finding.Unsure, desired, absent = true, nil, nil
	}
	applied := r.applyObjects(ctx, s, desired, absent)
	r.evict(ctx, s, s.strays)
	r.reportKept(s, region, finding)
	return applied
}

// alive tells whether the BookingTenant is still there, whose own reconciler looks after everything.
func (r *TenantReconciler) alive(ctx context.Context, dataID string) (bool, error) {
	tenants := &v1alpha1.BookingTenantList{}
	err := r.List(ctx, tenants, client.MatchingFields{dataIDIndex: dataID}, client.UnsafeDisableDeepCopy)
	return len(tenants.Items) > 0, err
}

// purges tells whether there is a schema to purge: until the end of the period of TenantData, from when on it is
// dropped. Without a fresh audit nobody knows, nor from one that saw the schema before it was retained.
func (r *TenantReconciler) purges(s *scope) (purge, sure bool) {
	p := s.plan
	audit := r.Book.Audit(plan.DatabaseKey{Region: p.Region.Name, Server: p.Database.Server.Name, Database: p.Database.Name})
	record, found := audit.Records[p.DataID]
	if audit.Err != nil || audit.At.IsZero() || found && record.RetainedUntil == nil {
		return false, false
	}
	return found && s.now.Before(*record.RetainedUntil), true
}

// keptJobs are the CronJobs that must be there, as they are found.
func (r *TenantReconciler) keptJobs(ctx context.Context, s *scope, desired []resources.Object) (jobs []compliance.KeptJob, err error) {
	s.seen = map[string]client.Object{}
	for _, object := range resources.CronJobsOf(desired) {
		live, err := r.live(ctx, object)
		if err != nil {
			return nil, err
		}
		s.seen[object.String()] = live
		job := compliance.KeptJob{What: object.String(), Where: object.Namespace, Missing: live == nil}
		if cron, ok := live.(*batchv1.CronJob); ok {
			job.Suspended = cron.Spec.Suspend != nil && *cron.Spec.Suspend
			job.Bound = bound(&cron.Spec.JobTemplate.Spec.Template.Spec, &s.plan.Region)
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// keptCredentials are what the Secrets of a removed tenant's jobs hold. What is lost is made anew, in the database and
// at the stores first: the purge's password, and the keeper's keys. The writer's go to nobody.
func (r *TenantReconciler) keptCredentials(ctx context.Context, s *scope, purge bool) (*resources.Credentials, error) {
	p := s.plan
	creds := &resources.Credentials{Stores: map[string]objectstore.Pair{}, Archives: map[string]objectstore.Pair{}}
	retention, err := r.secret(ctx, p.Region.PlatformNamespace, resources.RetentionName(p))
	if err != nil {
		return nil, err
	}
	creds.Retention = settings.Credentials{Username: postgres.RolesOf(p.DataID).Retention, Password: passwordOf(retention)}
	if purge && len(retention[settings.PasswordKey]) == 0 {
		admin, err := r.Databases.Admin(ctx, s.input.Region, &p.Database.Server, p.Database.Name)
		if err != nil {
			return nil, err
		}
		if err := admin.RenewRetention(ctx, p.DataID, creds.Retention.Password); err != nil {
			return nil, err
		}
	}
	expiry, err := r.secret(ctx, p.Region.PlatformNamespace, resources.ExpiryName(p))
	if err != nil {
		return nil, err
	}
	// What the hand-over has stays as it is, and none of it is made anew: without it the documents wait, and say so.
	archive, err := r.secret(ctx, p.Region.PlatformNamespace, resources.ArchiveName(p))
	if err != nil {
		return nil, err
	}
	keepKeys(p, creds, archive, expiry)
	if purge && p.Archive != nil && len(archive[settings.PasswordKey]) > 0 {
		creds.Archive = settings.Credentials{Username: postgres.RolesOf(p.DataID).Archive, Password: passwordOf(archive)}
	}
	for i := range p.Backup.Stores {
		if err := r.keepKeeper(ctx, s, &p.Backup.Stores[i], expiry, creds); err != nil {
			return nil, err
		}
	}
	return creds, nil
}

// keepKeys takes over what a removed tenant's jobs hold at each archive as it stands, be it nothing: the end of a tenant
// makes nothing anew there, and what is applied takes nothing away either.
func keepKeys(p *plan.Plan, creds *resources.Credentials, archive, expiry map[string][]byte) {
	for _, store := range p.Archives() {
		creds.Archives[store.Name] = objectstore.Pair{Writer: keysIn(archive, store.Name), Keeper: keysIn(expiry, store.Name)}
	}
}

// keepKeeper gives the keys of the identity that expires backups at a store.
func (r *TenantReconciler) keepKeeper(ctx context.Context, s *scope, store *v1alpha1.BackupStore, expiry map[string][]byte, creds *resources.Credentials) error {
	p, pair := s.plan, objectstore.PairOf(s.plan.DataID)
	_, secretKey := settings.StoreKeys(store.Name)
	held := keysOf(expiry, store.Name, pair.Keeper)
	pair.Keeper.SecretAccessKey = string(expiry[secretKey])
	if !held || r.lostIdentity(p, store.Name) {
		if !held {
			pair.Keeper.SecretAccessKey = rand.Text() + rand.Text()
		}
		pair.Writer.SecretAccessKey = rand.Text() + rand.Text()
		_, identities, err := r.Stores.Client(ctx, p.Region.Name, store)
		if err == nil {
			err = identities.Ensure(ctx, p.DataID, pair)
		}
		if err != nil {
			return fmt.Errorf("making the keeper of %s at store %s anew: %w", p.DataID, store.Name, err)
		}
		r.bound.set(p.DataID+"/"+store.Name, "")
		s.done = append(s.done, "made the keeper at store "+store.Name+" anew")
	}
	creds.Stores[store.Name] = pair
	return nil
}

// reportKept tells of the jobs in the region's status, by way of the book, and as events of the region, which outlast
// it.
func (r *TenantReconciler) reportKept(s *scope, region *v1alpha1.DataRegion, finding compliance.Finding) {
	dataID := s.plan.DataID
	before, looked := r.Book.Kept(dataID)
	if !looked {
		before.Incidents = incidentsOf(region.Status.Retained, dataID)
	}
	s.known, s.findings = before.Incidents, []compliance.Finding{finding}
	s.history = s.chronicle()
	jobs := metav1.ConditionTrue
	switch {
	case finding.Status == metav1.ConditionFalse:
		jobs = metav1.ConditionFalse
	case finding.Unsure:
		jobs = metav1.ConditionUnknown
	}
	r.Book.PutKept(dataID, evidence.Kept{Jobs: jobs, Incidents: compliance.ShortHistory(s.history)})
	tell := r.teller(region, fmt.Sprintf("removed tenant %s: ", dataID))
	tellIncidents(&s.history, tell)
	if len(s.done) > 0 {
		// One event, since the recorder counts those that differ in their note alone as one, and keeps the first note.
		tell(corev1.EventTypeNormal, "Applied", "%s", strings.Join(s.done, ", "))
	}
}

// incidentsOf a removed tenant are those a region's status remembers.
func incidentsOf(retained []v1alpha1.RetainedData, dataID string) []v1alpha1.Incident {
	for i := range retained {
		if retained[i].DataID == dataID {
			return retained[i].Incidents
		}
	}
	return nil
}
