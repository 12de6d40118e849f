// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
)

// Leftovers brings the data of removed tenants to its end: the schema when the period of category TenantData has
// passed, jobs and identities when the last backup is gone (invariant 4).
type Leftovers struct {
	Client    client.Client
	Databases *Databases
	Stores    *Stores
	Book      *evidence.Book
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
}

func (l *Leftovers) sweep(ctx context.Context, region *v1alpha1.DataRegion) error {
	alive := map[string]bool{}
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
				if record.RetainedUntil == nil || l.Now().Before(*record.RetainedUntil) {
					continue
				}
				if err := l.drop(ctx, region, server, database, dataID); err != nil {
					return err
				}
			}
		}
	}
	return l.sweepJobs(ctx, region, alive)
}

func (l *Leftovers) drop(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer, database, dataID string) error {
	admin, err := l.Databases.Admin(ctx, region, server, database)
	if err != nil {
		return err
	}
	// With the schema goes its purge, which would fail from now on; expiry stays until the last backup is gone.
	purge := client.MatchingLabels{resources.LabelDataID: dataID, resources.LabelComponent: string(resources.ComponentRetention)}
	if err := deletePlatformObjects(ctx, l.Client, region.Spec.PlatformNamespace, purge); err != nil {
		return err
	}
	if err := admin.Drop(ctx, dataID); err != nil {
		return fmt.Errorf("dropping schema %s on server %s: %w", dataID, server.Name, err)
	}
	log.FromContext(ctx).Info("retained data reached its end", "schema", dataID, "server", server.Name)
	return nil
}

// sweepJobs removes the jobs, Secrets and identities of data that exists nowhere any longer: no schema registers it,
// no tenant claims it, no store holds a version of a backup.
func (l *Leftovers) sweepJobs(ctx context.Context, region *v1alpha1.DataRegion, alive map[string]bool) error {
	tenants := &v1alpha1.BookingTenantList{}
	if err := l.Client.List(ctx, tenants, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range tenants.Items {
		alive[plan.DataID(tenants.Items[i].UID)] = true
	}
	crons := &batchv1.CronJobList{}
	if err := l.Client.List(ctx, crons, client.InNamespace(region.Spec.PlatformNamespace), client.MatchingLabels{resources.LabelRegion: region.Name}); err != nil {
		return err
	}
	for i := range crons.Items {
		dataID := crons.Items[i].Labels[resources.LabelDataID]
		if dataID == "" || alive[dataID] || !l.storesEmpty(region, dataID) {
			continue
		}
		for j := range region.Spec.BackupStores {
			if _, err := removeFromStore(ctx, l.Stores, region.Name, &region.Spec.BackupStores[j], dataID); err != nil {
				return err
			}
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
	if err := identities.Remove(ctx, dataID); err != nil {
		return time.Time{}, fmt.Errorf("removing the identities of %s at store %s: %w", dataID, store.Name, err)
	}
	return time.Time{}, nil
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
