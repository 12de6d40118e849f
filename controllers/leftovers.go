// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/settings"
)

// Leftovers brings the data of removed tenants to its end: the schema when the period of category TenantData has
// passed, jobs and identities when the last backup is gone (invariant 4).
type Leftovers struct {
	Client    client.Client
	Databases *Databases
	Stores    *Stores
	Book      *evidence.Book
	Certifier *Certifier
	// Namespace of the operator, where declarations of removed tenants lie.
	Namespace string
	Now       func() time.Time
}

// Sweep looks at every region once. What fails is reported and tried again after the next measurement.
func (l *Leftovers) Sweep(ctx context.Context) {
	regions := &v1alpha1.DataRegionList{}
	if err := l.Client.List(ctx, regions); err != nil {
		log.FromContext(ctx).Error(err, "listing regions")
		return
	}
	for i := range regions.Items {
		if err := l.sweep(ctx, &regions.Items[i]); err != nil {
			log.FromContext(ctx).Error(err, "ending retained data", "region", regions.Items[i].Name)
		}
	}
	if err := l.Certifier.Track(ctx); err != nil {
		log.FromContext(ctx).Error(err, "tracking certificates")
	}
}

func (l *Leftovers) sweep(ctx context.Context, region *v1alpha1.DataRegion) error {
	claimed, err := l.claimed(ctx)
	if err != nil {
		return err
	}
	alive := maps.Clone(claimed)
	for i := range region.Spec.DatabaseServers {
		server := &region.Spec.DatabaseServers[i]
		for _, database := range server.Databases {
			audit := l.Book.Audit(plan.DatabaseKey{Region: region.Name, Server: server.Name, Database: database})
			// Not knowing what exists, nothing may be called a leftover.
			if known := audit.Err == nil && !audit.At.IsZero(); !known {
				return nil
			}
			for dataID, record := range audit.Records {
				alive[dataID] = true
				// A tenant that is still there is offboarded by its own reconciler, which waits for the export.
				if claimed[dataID] || record.RetainedUntil == nil || l.Now().Before(*record.RetainedUntil) {
					continue
				}
				if err := l.drop(ctx, region, server, database, dataID); err != nil {
					return err
				}
			}
		}
	}
	return errors.Join(l.issueDue(ctx, region, alive), l.sweepJobs(ctx, region, alive))
}

// claimed are the data of BookingTenants that exist.
func (l *Leftovers) claimed(ctx context.Context) (map[string]bool, error) {
	tenants := &v1alpha1.BookingTenantList{}
	if err := l.Client.List(ctx, tenants, client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	claimed := map[string]bool{}
	for i := range tenants.Items {
		claimed[plan.DataID(tenants.Items[i].UID)] = true
	}
	return claimed, nil
}

// issueDue ends what an operator that was killed had begun: the schema is gone, and its certificate not issued.
func (l *Leftovers) issueDue(ctx context.Context, region *v1alpha1.DataRegion, alive map[string]bool) error {
	certificates := &v1alpha1.DeletionCertificateList{}
	if err := l.Client.List(ctx, certificates, client.MatchingLabels{resources.LabelRegion: region.Name}); err != nil {
		return err
	}
	for i := range certificates.Items {
		cert := &certificates.Items[i]
		if cert.Status.Deletion != nil || alive[cert.Spec.DataID] {
			continue
		}
		for j := range region.Spec.DatabaseServers {
			server := &region.Spec.DatabaseServers[j]
			if server.Name == cert.Spec.Server && slices.Contains(server.Databases, cert.Spec.Database) {
				if err := l.dropAndCertify(ctx, region, server, cert); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (l *Leftovers) drop(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer, database, dataID string) error {
	admin, err := l.Databases.Admin(ctx, region, server, database)
	if err != nil {
		return err
	}
	registered, err := admin.Lookup(ctx, dataID)
	if err != nil || registered == nil {
		return err
	}
	// One tenant's documents that wait keep no other's data from its end.
	if waiting, err := handOverAll(ctx, admin, region, dataID); err != nil {
		return err
	} else if waiting > 0 {
		log.FromContext(ctx).Info("retained data stays past its end", "reason", awaitArchive(region, dataID, waiting).Error())
		return nil
	}
	spec := v1alpha1.DeletionCertificateSpec{
		Tenant: v1alpha1.TenantIdentity{Namespace: registered.Namespace, Name: registered.Name, UID: registered.UID},
		DataID: dataID, Region: region.Name, Server: server.Name, Database: database, ContractEnd: timeOf(*registered.RetainedSince),
	}
	spec.Export = lastExport(ctx, l.Stores, region, dataID)
	if err := count(ctx, admin, region, &spec, l.Now()); err != nil {
		return err
	}
	cert, err := l.Certifier.Begin(ctx, spec)
	if err != nil {
		return err
	}
	// With the schema goes its purge, which would fail from now on; expiry stays until the last backup is gone.
	if err := deletePurge(ctx, l.Client, region.Spec.PlatformNamespace, dataID); err != nil {
		return err
	}
	if err := l.dropAndCertify(ctx, region, server, cert); err != nil {
		return err
	}
	log.FromContext(ctx).Info("retained data reached its end", "schema", dataID, "server", server.Name)
	return nil
}

// dropAndCertify drops what is left, which verifies that nothing is, and issues the certificate.
func (l *Leftovers) dropAndCertify(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer, cert *v1alpha1.DeletionCertificate) error {
	admin, err := l.Databases.Admin(ctx, region, server, cert.Spec.Database)
	if err != nil {
		return err
	}
	if err := admin.Drop(ctx, cert.Spec.DataID); err != nil {
		return fmt.Errorf("dropping schema %s on server %s: %w", cert.Spec.DataID, server.Name, err)
	}
	return l.Certifier.Issue(ctx, cert, region, backupPeriod(ctx, l.Client, region, cert.Spec.DataID))
}

// backupPeriod is the one the tenant's own expiry keeps, so that it is known after tenant and policy are gone; zero when
// there is no expiry any longer.
func backupPeriod(ctx context.Context, c client.Client, region *v1alpha1.DataRegion, dataID string) time.Duration {
	made, document := &corev1.ConfigMap{}, settings.Backup{}
	if c.Get(ctx, client.ObjectKey{Namespace: region.Spec.PlatformNamespace, Name: resources.BackupNameOf(dataID)}, made) != nil ||
		json.Unmarshal([]byte(made.Data[settings.FileKey]), &document) != nil {
		return 0
	}
	period, err := document.Period.Duration()
	if err != nil {
		return 0
	}
	return period
}

// withJobs are the data CronJobs of a region belong to.
func (l *Leftovers) withJobs(ctx context.Context, region *v1alpha1.DataRegion) (map[string]bool, error) {
	found := map[string]bool{}
	for _, component := range resources.ScheduledComponents {
		for _, end := range plan.DataIDAlphabet {
			crons := &batchv1.CronJobList{}
			err := l.Client.List(ctx, crons, client.InNamespace(region.Spec.PlatformNamespace), client.MatchingFields{jobIndex: handful(component, string(end))})
			if err != nil {
				return nil, err
			}
			for i := range crons.Items {
				if labels := crons.Items[i].Labels; labels[resources.LabelRegion] == region.Name {
					found[labels[resources.LabelDataID]] = true
				}
			}
		}
	}
	return found, nil
}

// sweepJobs removes the jobs, Secrets and identities of data that exists nowhere any longer: no schema registers it,
// no tenant claims it, no store holds a version of a backup.
func (l *Leftovers) sweepJobs(ctx context.Context, region *v1alpha1.DataRegion, alive map[string]bool) error {
	found, err := l.withJobs(ctx, region)
	if err != nil {
		return err
	}
	for dataID := range found {
		if alive[dataID] || !l.storesEmpty(region, dataID) {
			continue
		}
		for j := range region.Spec.BackupStores {
			if _, err := removeFromStore(ctx, l.Stores, region.Name, &region.Spec.BackupStores[j], dataID); err != nil {
				return err
			}
		}
		if err := leaveArchives(ctx, l.Stores, region, dataID); err != nil {
			return err
		}
		// Before the jobs, or they would be made again.
		if err := forgetDeclaration(ctx, l.Client, l.Namespace, dataID); err != nil {
			return err
		}
		if err := deletePlatformObjects(ctx, l.Client, region.Spec.PlatformNamespace, client.MatchingLabels{resources.LabelDataID: dataID}); err != nil {
			return err
		}
		alive[dataID] = true
	}
	return nil
}

// storesEmpty tells whether every store was listed and none holds a version of the tenant's backups.
func (l *Leftovers) storesEmpty(region *v1alpha1.DataRegion, dataID string) bool {
	return !slices.ContainsFunc(region.Spec.BackupStores, func(store v1alpha1.BackupStore) bool {
		listing := l.Book.Listing(evidence.StoreKey{Region: region.Name, Store: store.Name})
		return listing.Err != nil || listing.At.IsZero() || listing.Tenants[dataID].OldestVersion != nil
	})
}

// removeFromStore deletes every version under the tenant's prefix that no lock keeps, and the identities that reached
// it once none is left; locked is when the last lock ends.
func removeFromStore(ctx context.Context, stores *Stores, region string, store *v1alpha1.BackupStore, dataID string) (locked time.Time, err error) {
	c, identities, err := stores.Client(ctx, region, store)
	if err != nil {
		return time.Time{}, err
	}
	if locked, err = c.DeleteUnlocked(ctx, dataID+"/"); err != nil {
		return time.Time{}, fmt.Errorf("deleting backups of %s at store %s: %w", dataID, store.Name, err)
	}
	if !locked.IsZero() {
		return locked, nil
	}
	if _, err := c.AbortUploads(ctx, dataID+"/", time.Now()); err != nil {
		return time.Time{}, fmt.Errorf("ending unfinished uploads of %s at store %s: %w", dataID, store.Name, err)
	}
	return time.Time{}, removeIdentities(ctx, identities, store, dataID)
}

// leaveArchives takes away the identities that reached the tenant's prefix at each archive. What lies there stays.
func leaveArchives(ctx context.Context, stores *Stores, region *v1alpha1.DataRegion, dataID string) error {
	for i := range region.Spec.Archives {
		store := &region.Spec.Archives[i]
		_, identities, err := stores.Client(ctx, region.Name, store)
		if err != nil {
			return err
		}
		if err := removeIdentities(ctx, identities, store, dataID); err != nil {
			return err
		}
	}
	return nil
}

func removeIdentities(ctx context.Context, identities objectstore.Identities, store *v1alpha1.BackupStore, dataID string) error {
	if err := identities.Remove(ctx, dataID); err != nil {
		return fmt.Errorf("removing the identities of %s at store %s: %w", dataID, store.Name, err)
	}
	return nil
}

// deletePurge removes purge and hand-over, which go with the schema.
func deletePurge(ctx context.Context, c client.Client, namespace, dataID string) error {
	for _, component := range []resources.Component{resources.ComponentRetention, resources.ComponentArchive} {
		which := client.MatchingLabels{resources.LabelDataID: dataID, resources.LabelComponent: string(component)}
		if err := deletePlatformObjects(ctx, c, namespace, which); err != nil {
			return err
		}
	}
	return nil
}

// deleteJobs removes what would start jobs, and what runs; Secrets and settings stay for what still needs them.
func deleteJobs(ctx context.Context, c client.Client, namespace string, which client.MatchingLabels) error {
	options := []client.DeleteAllOfOption{
		client.InNamespace(namespace), which, client.PropagationPolicy(metav1.DeletePropagationBackground),
	}
	for _, object := range []client.Object{&batchv1.CronJob{}, &batchv1.Job{}} {
		if err := c.DeleteAllOf(ctx, object, options...); err != nil {
			return fmt.Errorf("deleting the platform's jobs of %s: %w", which[resources.LabelDataID], err)
		}
	}
	return nil
}

// deletePlatformObjects removes what a tenant has in the platform namespace: jobs before the Secrets they need.
func deletePlatformObjects(ctx context.Context, c client.Client, namespace string, which client.MatchingLabels) error {
	options := []client.DeleteAllOfOption{
		client.InNamespace(namespace), which, client.PropagationPolicy(metav1.DeletePropagationBackground),
	}
	for _, object := range []client.Object{&batchv1.CronJob{}, &batchv1.Job{}, &corev1.Secret{}, &corev1.ConfigMap{}} {
		if err := c.DeleteAllOf(ctx, object, options...); err != nil {
			return fmt.Errorf("deleting the platform's objects of %s: %w", which[resources.LabelDataID], err)
		}
	}
	return nil
}
