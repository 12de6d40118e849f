// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// placing lets one tenant at a time choose a database, so that two never take the last place.
type placing struct{ sync.Mutex }

func (r *TenantReconciler) ensureFinalizer(ctx context.Context, s *scope) error {
	before := s.tenant.DeepCopy()
	if !controllerutil.AddFinalizer(s.tenant, v1alpha1.TenantFinalizer) {
		return nil
	}
	if err := r.Patch(ctx, s.tenant, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("adding finalizer: %w", err)
	}
	return nil
}

// place finds the database that holds the tenant's data, or chooses the least full. Status remembers; when status was
// lost, the registries of the databases do, so that data is never left behind for an empty schema.
func (r *TenantReconciler) place(ctx context.Context, s *scope) error {
	if s.input.Placement != nil {
		return nil
	}
	dataID, region := plan.DataID(s.tenant.UID), s.input.Region
	found, err := r.find(ctx, region, dataID)
	if err != nil {
		return err
	}
	if found == nil {
		r.placing.Lock()
		defer r.placing.Unlock()
		if found, err = plan.Place(region, dataID, r.Book.Loads()); err != nil {
			return err
		}
		r.Book.Placed(plan.DatabaseKey{Region: region.Name, Server: found.Server, Database: found.Name}, dataID)
	}
	s.input.Placement = found
	return nil
}

// find asks every registry of the region for the data. One that does not answer might hold it, so that its silence is
// an error, not a no.
func (r *TenantReconciler) find(ctx context.Context, region *v1alpha1.DataRegion, dataID string) (*v1alpha1.DatabasePlacement, error) {
	for i := range region.Spec.DatabaseServers {
		server := &region.Spec.DatabaseServers[i]
		for _, database := range server.Databases {
			admin, err := r.Databases.Admin(ctx, region, server, database)
			if err != nil {
				return nil, err
			}
			registered, err := admin.Lookup(ctx, dataID)
			if err != nil {
				return nil, fmt.Errorf("looking the tenant up on server %s: %w", server.Name, err)
			}
			if registered != nil {
				return &v1alpha1.DatabasePlacement{Server: server.Name, Name: database, Schema: dataID}, nil
			}
		}
	}
	return nil, nil
}
