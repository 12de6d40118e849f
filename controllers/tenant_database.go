// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/serving"
	"github.com/termintreu/termintreu/internal/settings"
)

// connectionsPerReplica bounds an instance's pool; a rollout runs one replica more.
const connectionsPerReplica = 4

// appliedSpecs remembers what each schema was brought to by this process and when, for the time until an audit has
// seen it.
type appliedSpecs struct {
	mu      sync.Mutex
	applied map[string]appliedSpec
}

type appliedSpec struct {
	hash string
	at   time.Time
}

// since tells whether the schema was brought to the hash after the given audit, so that the audit cannot know.
func (a *appliedSpecs) since(dataID, hash string, audit time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	spec := a.applied[dataID]
	return spec.hash == hash && audit.Before(spec.at)
}

func (a *appliedSpecs) set(dataID, hash string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.applied == nil {
		a.applied = map[string]appliedSpec{}
	}
	a.applied[dataID] = appliedSpec{hash, time.Now()}
}

// applyDatabase brings schema, roles, rules and migrations about, unless an audit has seen them so: in steady state
// no tenant costs a round trip of its own.
func (r *TenantReconciler) applyDatabase(ctx context.Context, s *scope, creds *resources.Credentials) error {
	p := s.plan
	key := plan.DatabaseKey{Region: p.Region.Name, Server: p.Database.Server.Name, Database: p.Database.Name}
	spec := tenantSpec(p, creds)
	record, at, found, err := r.Book.Record(key, p.DataID)
	if found && err == nil && record.SpecHash == spec.SpecHash || r.applied.since(p.DataID, spec.SpecHash, at) {
		return nil
	}
	admin, err := r.Databases.Admin(ctx, s.input.Region, &p.Database.Server, p.Database.Name)
	if err != nil {
		return err
	}
	if err := admin.Ensure(ctx, spec); err != nil {
		return fmt.Errorf("bringing schema %s about on server %s: %w", p.DataID, p.Database.Server.Name, err)
	}
	r.applied.set(p.DataID, spec.SpecHash)
	if !found {
		s.done = append(s.done, fmt.Sprintf("created schema %s with its roles in database %s of server %s", p.DataID, p.Database.Name, p.Database.Server.Name))
	}
	return nil
}

func tenantSpec(p *plan.Plan, creds *resources.Credentials) postgres.Tenant {
	spec := postgres.Tenant{
		DataID: p.DataID, Namespace: p.Tenant.Namespace, Name: p.Tenant.Name, UID: string(p.UID),
		AppA: creds.Instance.Password, Retention: creds.Retention.Password, Backup: creds.Backup.Password, Archive: creds.Archive.Password,
		Tolerance: p.Database.Tolerance, EraseWithin: p.Backup.MaximumAge, ConnectionLimit: connectionsPerReplica * (int(p.Instance.Replicas) + 1),
	}
	if pause := p.Database.Suspension; pause != nil {
		spec.SuspendedUntil = &pause.Until
	}
	for _, rule := range p.Database.Rules {
		if stored(rule.Category) {
			spec.Rules = append(spec.Rules, postgres.Rule{
				Category: rule.Category, StartEvent: rule.StartEvent, Period: rule.Period, Action: rule.Action, ArchivePeriod: rule.ArchivePeriod,
			})
		}
	}
	spec.SpecHash = plan.Hash([]any{spec, postgres.SchemaVersion})
	return spec
}

// stored tells whether the schema has a table for the category. TenantData is the schema itself.
func stored(category v1alpha1.Category) bool { return category != v1alpha1.CategoryTenantData }

// credentials reads the tenant's own Secrets, and draws what is missing.
func (r *TenantReconciler) credentials(ctx context.Context, p *plan.Plan) (*resources.Credentials, error) {
	creds := &resources.Credentials{Stores: map[string]objectstore.Pair{}, Archives: map[string]objectstore.Pair{}}
	app, err := r.secret(ctx, p.Tenant.Namespace, resources.InstanceName(p))
	if err != nil {
		return nil, err
	}
	retention, err := r.secret(ctx, p.Region.PlatformNamespace, resources.RetentionName(p))
	if err != nil {
		return nil, err
	}
	backup, err := r.secret(ctx, p.Region.PlatformNamespace, resources.BackupName(p))
	if err != nil {
		return nil, err
	}
	expiry, err := r.secret(ctx, p.Region.PlatformNamespace, resources.ExpiryName(p))
	if err != nil {
		return nil, err
	}
	roles := postgres.RolesOf(p.DataID)
	if creds.Serving, err = r.servingPair(ctx, p, app); err != nil {
		return nil, err
	}
	creds.Instance = settings.Credentials{Username: roles.AppA, Password: passwordOf(app)}
	creds.Retention = settings.Credentials{Username: roles.Retention, Password: passwordOf(retention)}
	creds.Backup = settings.Credentials{Username: roles.Backup, Password: passwordOf(backup)}
	addPairs(creds.Stores, p.Backup.Stores, objectstore.PairOf(p.DataID), backup, expiry)
	return creds, r.archiveCredentials(ctx, p, creds, expiry)
}

// archiveCredentials are those of the hand-over; none where nothing is handed over.
func (r *TenantReconciler) archiveCredentials(ctx context.Context, p *plan.Plan, creds *resources.Credentials, expiry map[string][]byte) error {
	if p.Archive == nil {
		return nil
	}
	archive, err := r.secret(ctx, p.Region.PlatformNamespace, resources.ArchiveName(p))
	if err != nil {
		return err
	}
	creds.Archive = settings.Credentials{Username: postgres.RolesOf(p.DataID).Archive, Password: passwordOf(archive)}
	addPairs(creds.Archives, p.Archive.Stores, objectstore.ArchivePairOf(p.DataID), archive, expiry)
	return nil
}

// addPairs reads the secrets of a pair at each store. What a Secret holds counts for the identity it must hold alone: an
// earlier release had one for everything.
func addPairs(pairs map[string]objectstore.Pair, stores []v1alpha1.BackupStore, pair objectstore.Pair, writer, keeper map[string][]byte) {
	for _, store := range stores {
		_, secretKey := settings.StoreKeys(store.Name)
		if keysOf(writer, store.Name, pair.Writer) && keysOf(keeper, store.Name, pair.Keeper) {
			pair.Writer.SecretAccessKey, pair.Keeper.SecretAccessKey = string(writer[secretKey]), string(keeper[secretKey])
			pairs[store.Name] = pair
		}
	}
}

// keysOf tells whether a Secret holds the keys of an identity at a store.
func keysOf(data map[string][]byte, store string, identity objectstore.Keys) bool {
	idKey, secretKey := settings.StoreKeys(store)
	return string(data[idKey]) == identity.AccessKeyID && len(data[secretKey]) > 0
}

// keysIn gives what a Secret holds for a store as it stands, which may be nothing.
func keysIn(data map[string][]byte, store string) objectstore.Keys {
	idKey, secretKey := settings.StoreKeys(store)
	return objectstore.Keys{AccessKeyID: string(data[idKey]), SecretAccessKey: string(data[secretKey])}
}

// servingPair is the certificate the instance presents: the one it has while that is good, else a new one.
func (r *TenantReconciler) servingPair(ctx context.Context, p *plan.Plan, secret map[string][]byte) (serving.Pair, error) {
	now := r.Now()
	authority, err := r.Serving.Authority(ctx, now)
	if err != nil {
		return serving.Pair{}, err
	}
	names := []string{resources.ServiceHost(p.Tenant.Namespace, p.Tenant.Name)}
	if pair := pairOf(secret); authority.Serves(pair, names, now) {
		return pair, nil
	}
	return authority.Issue(names, now)
}

func (r *TenantReconciler) secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	live, err := r.live(ctx, resources.Object{GVK: corev1.SchemeGroupVersion.WithKind("Secret"), Namespace: namespace, Name: name})
	if err != nil || live == nil {
		return nil, err
	}
	secret, ok := live.(*corev1.Secret)
	if !ok {
		return nil, fmt.Errorf("%s/%s is no Secret", namespace, name)
	}
	return secret.Data, nil
}

// passwordOf gives a Secret's password, or a new one of 130 random bits.
func passwordOf(data map[string][]byte) string {
	if password := data[settings.PasswordKey]; len(password) > 0 {
		return string(password)
	}
	return rand.Text()
}

// ensureIdentities makes, at each store, the pair that reaches the tenant's prefix and nothing else. Keys enter the
// Secrets only once the store has them; a pair whose accounts or policy a listing no longer shows is bound anew.
func (r *TenantReconciler) ensureIdentities(ctx context.Context, s *scope, creds *resources.Credentials) error {
	return errors.Join(
		r.ensurePairs(ctx, s, s.plan.Backup.Stores, objectstore.PairOf(s.plan.DataID), creds.Stores),
		r.ensurePairs(ctx, s, s.plan.Archives(), objectstore.ArchivePairOf(s.plan.DataID), creds.Archives))
}

func (r *TenantReconciler) ensurePairs(ctx context.Context, s *scope, stores []v1alpha1.BackupStore, names objectstore.Pair, pairs map[string]objectstore.Pair) error {
	var failed error
	for i := range stores {
		store := &stores[i]
		pair, made := pairs[store.Name]
		if made && !r.lostIdentity(s.plan, store.Name) {
			continue
		}
		if !made {
			pair = names
			pair.Writer.SecretAccessKey, pair.Keeper.SecretAccessKey = rand.Text()+rand.Text(), rand.Text()+rand.Text()
		}
		_, identities, err := r.Stores.Client(ctx, s.plan.Region.Name, store)
		if err == nil {
			err = identities.Ensure(ctx, s.plan.DataID, pair)
		}
		if err != nil {
			failed = fmt.Errorf("making the tenant's identities at store %s: %w", store.Name, err)
			continue
		}
		r.bound.set(s.plan.DataID+"/"+store.Name, "")
		if made {
			s.done = append(s.done, "bound the identities at store "+store.Name+" anew")
		}
		pairs[store.Name] = pair
	}
	return failed
}

// lostIdentity tells whether a store showed, since this process last bound it, that the tenant's identity is gone.
func (r *TenantReconciler) lostIdentity(p *plan.Plan, store string) bool {
	at, unbound := r.Book.Unbound(storeKey(p, store), p.DataID)
	return unbound && !r.bound.since(p.DataID+"/"+store, "", at)
}
