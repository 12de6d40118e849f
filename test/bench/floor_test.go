// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	floorPrefix   = "floor"
	floorPlatform = "floor-platform"
)

// floor is the least that must happen for n tenants: a bare client writes their objects beside psql running their
// statements, in a database of its own. Everything is prepared before the clock starts.
type floor struct {
	cluster *cluster
	psql    *programs
	tenants []*v1alpha1.BookingTenant
	objects [][]runtime.ApplyConfiguration
	script  string
}

func newFloor(tb testing.TB, c *cluster, key v1alpha1.AgeRecipient, first, n int) *floor {
	tb.Helper()
	database, admin := prepared(tb, c.server)
	f := &floor{cluster: c, psql: newPrograms(tb, c.server, database, c.server.AdminUser, c.server.AdminPassword)}
	var script strings.Builder
	for i := range n {
		tenant := newTenant(namespaceOf(floorPrefix, first+i), fmt.Sprintf("floor-%d", first+i), key)
		f.tenants = append(f.tenants, tenant)
		f.objects = append(f.objects, c.objectsOf(tb, tenant))
		sql, err := admin.FreshSQL(tb.Context(), newDatabaseTenant())
		must(tb, err)
		script.WriteString(sql + "\n")
	}
	f.script = filepath.Join(tb.TempDir(), "floor.sql")
	must(tb, os.WriteFile(f.script, []byte(script.String()), 0o600))
	return f
}

// objectsOf are the objects the operator would write for a tenant that is not there yet.
func (c *cluster) objectsOf(tb testing.TB, tenant *v1alpha1.BookingTenant) []runtime.ApplyConfiguration {
	tb.Helper()
	tenant = tenant.DeepCopy()
	tenant.UID = types.UID(rand.Text())
	region := c.region.DeepCopy()
	region.Spec.PlatformNamespace = floorPlatform
	p, err := plan.Build(plan.Input{
		Tenant: tenant, Policy: c.policy, Region: region, Now: time.Now(), Defaults: plan.Defaults{Image: image, OperatorNamespace: system},
		Placement: &v1alpha1.DatabasePlacement{Server: "pg-1", Name: c.database, Schema: plan.DataID(tenant.UID)},
	})
	must(tb, err)
	roles := postgres.RolesOf(p.DataID)
	creds := resources.Credentials{
		Instance:  settings.Credentials{Username: roles.AppA, Password: rand.Text()},
		Retention: settings.Credentials{Username: roles.Retention, Password: rand.Text()},
		Backup:    settings.Credentials{Username: roles.Backup, Password: rand.Text()},
		Stores:    map[string]objectstore.Pair{},
	}
	for _, store := range p.Backup.Stores {
		creds.Stores[store.Name] = pairOf(p.DataID)
	}
	var objects []runtime.ApplyConfiguration
	for _, object := range resources.Objects(p, creds) {
		objects = append(objects, object.Config)
	}
	return append(objects, resources.InitialBackupJob(p))
}

// run is what the clock measures.
func (f *floor) run(tb testing.TB) {
	tb.Helper()
	ran := make(chan error, 1)
	go func() { ran <- f.psql.psql(tb.Context(), f.script) }()
	err := each(tb.Context(), len(f.tenants), func(ctx context.Context, i int) error {
		if err := f.cluster.client.Create(ctx, f.tenants[i]); err != nil {
			return err
		}
		for _, object := range f.objects[i] {
			if err := f.cluster.client.Apply(ctx, object, client.FieldOwner("floor"), client.ForceOwnership); err != nil {
				return err
			}
		}
		return nil
	})
	must(tb, err)
	must(tb, <-ran)
}

// remove takes the floor's objects out of the operator's sight.
func (f *floor) remove(tb testing.TB) {
	tb.Helper()
	kinds := []func() client.Object{
		func() client.Object { return &v1alpha1.BookingTenant{} }, func() client.Object { return &corev1.Secret{} },
		func() client.Object { return &corev1.ConfigMap{} }, func() client.Object { return &corev1.Service{} },
		func() client.Object { return &corev1.ServiceAccount{} }, func() client.Object { return &appsv1.Deployment{} },
		func() client.Object { return &batchv1.CronJob{} }, func() client.Object { return &batchv1.Job{} },
		func() client.Object { return &networkingv1.Ingress{} }, func() client.Object { return &networkingv1.NetworkPolicy{} },
		func() client.Object { return &policyv1.PodDisruptionBudget{} },
	}
	names := []string{floorPlatform}
	for n := range namespaces {
		names = append(names, namespaceOf(floorPrefix, n))
	}
	must(tb, each(tb.Context(), len(names), func(ctx context.Context, i int) error {
		for _, kind := range kinds {
			// In the background: nothing here collects what is left.
			err := f.cluster.client.DeleteAllOf(ctx, kind(), client.InNamespace(names[i]), client.PropagationPolicy("Background"))
			if err != nil {
				return fmt.Errorf("deleting %T in %s: %w", kind(), names[i], err)
			}
		}
		return nil
	}))
}
