// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
)

// FieldOwner is the field manager of everything the operator applies.
const FieldOwner = client.FieldOwner("termintreu")

// apply brings database, identities and objects about, in this order: a pod finds what it needs when it starts.
func (r *TenantReconciler) apply(ctx context.Context, s *scope) error {
	if s.input.Region == nil {
		return fmt.Errorf("applying %s: region is gone", s.plan.Tenant)
	}
	// A server or bucket that took another's place gets nothing, and nothing is pointed at it.
	if replaced := compliance.Replaced(s.plan, r.endpoints(s.plan)); replaced != "" {
		return errors.New(replaced)
	}
	creds, err := r.credentials(ctx, s.plan)
	if err != nil {
		return err
	}
	defer r.tellDone(s)
	if err := r.applyDatabase(ctx, s, creds); err != nil {
		return err
	}
	s.databaseReady = true
	identityErr := r.ensureIdentities(ctx, s, creds)
	if err := r.applyObjects(ctx, s, resources.Objects(s.plan, *creds), resources.Absent(s.plan)); err != nil {
		return err
	}
	// A store that is down must not keep the site from coming up; it is reported and retried.
	if identityErr != nil {
		return identityErr
	}
	if s.input.Importing {
		return r.takeIn(ctx, s, creds)
	}
	return r.ensureFirstBackup(ctx, s)
}

// applyObjects sends what differs from the cache and nothing else: a no-op server-side apply costs the API server as
// much as a create.
func (r *TenantReconciler) applyObjects(ctx context.Context, s *scope, desired, absent []resources.Object) error {
	for _, object := range desired {
		live, judged := s.seen[object.String()]
		if !judged {
			var err error
			if live, err = r.live(ctx, object); err != nil {
				return err
			}
		}
		if live != nil && r.matched.is(object.Config, live) {
			continue
		}
		if err := r.Client.Apply(ctx, object.Config, FieldOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s: %w", object, err)
		}
		action := "created"
		if live != nil {
			action = "updated"
		}
		s.done = append(s.done, action+" "+object.String())
	}
	for _, object := range absent {
		live, err := r.live(ctx, object)
		if err != nil {
			return err
		}
		if live == nil {
			continue
		}
		if err := r.Delete(ctx, live); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting %s: %w", object, err)
		}
		s.done = append(s.done, "deleted "+object.String())
	}
	return nil
}

// tellDone gives one event for all a reconcile did: an event is a request to the API server like any other.
func (r *TenantReconciler) tellDone(s *scope) {
	if len(s.done) == 0 {
		return
	}
	const most = 1000 // an event's note takes no more
	note := strings.Join(s.done, ", ")
	if len(note) > most {
		note = note[:most]
	}
	r.Recorder.Eventf(s.tenant, nil, corev1.EventTypeNormal, "Applied", "Apply", "%s", note)
	s.done = nil
}

// live reads an object from the cache; nil when there is none.
func (r *TenantReconciler) live(ctx context.Context, object resources.Object) (client.Object, error) {
	return liveObject(ctx, r.Client, object)
}

func liveObject(ctx context.Context, c client.Client, object resources.Object) (client.Object, error) {
	made, err := c.Scheme().New(object.GVK)
	if err != nil {
		return nil, fmt.Errorf("kind %s: %w", object.GVK.Kind, err)
	}
	live, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("kind %s is no object", object.GVK.Kind)
	}
	err = c.Get(ctx, client.ObjectKey{Namespace: object.Namespace, Name: object.Name}, live)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return live, err
}

// ensureFirstBackup starts a backup of a new tenant at once, since its schedule may be half a day away and a promise
// of copies holds from the first booking on (B2).
func (r *TenantReconciler) ensureFirstBackup(ctx context.Context, s *scope) error {
	if s.plan.Instance.Replicas == 0 || s.tenant.Status.Backup != nil && s.tenant.Status.Backup.Last != nil {
		return nil
	}
	live, err := r.live(ctx, resources.Object{
		GVK: batchv1.SchemeGroupVersion.WithKind("Job"), Namespace: s.plan.Region.PlatformNamespace, Name: resources.InitialBackupName(s.plan),
	})
	if err != nil || live != nil || r.hasBackup(s.plan) {
		return err
	}
	if err := r.Client.Apply(ctx, resources.InitialBackupJob(s.plan), FieldOwner, client.ForceOwnership); err != nil {
		return fmt.Errorf("starting the first backup: %w", err)
	}
	s.done = append(s.done, "started the first backup")
	return nil
}

// hasBackup tells whether a store already holds a backup of the tenant.
func (r *TenantReconciler) hasBackup(p *plan.Plan) bool {
	for _, store := range p.Backup.Stores {
		if len(r.Book.Store(storeKey(p, store.Name), p.DataID).Value.Backups) > 0 {
			return true
		}
	}
	return false
}
