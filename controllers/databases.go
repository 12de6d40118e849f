// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"net"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/cnpg"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
)

// Databases keeps one administrative connection pool per database, made again when server or Secret changes.
type Databases struct {
	// Secrets reads admin Secrets, uncached: nothing of them stays in memory but the pool.
	Secrets client.Reader
	// Namespace of the operator, where admin Secrets live.
	Namespace string
	// Tenants reads BookingTenants, cached.
	Tenants client.Reader

	// Book knows what a region leaves to a CloudNativePG Cluster.
	Book *evidence.Book

	identities serverIdentities
	mu         sync.Mutex
	pools      map[plan.DatabaseKey]*pool
}

type pool struct {
	mu          sync.Mutex
	fingerprint string
	// login is the resource version of the Secret the pool logs in with.
	login    string
	admin    *postgres.Admin
	prepared bool
}

// Admin gives the prepared administrative connection of a database, on the server its name stands for and no other.
func (d *Databases) Admin(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer, database string) (*postgres.Admin, error) {
	if server = d.Book.ResolveServer(region.Name, server); server.Host == "" || server.CABundle == "" {
		return nil, fmt.Errorf("database server %s: its CloudNativePG Cluster %s/%s has not been seen yet", server.Name, server.ClusterRef.Namespace, server.ClusterRef.Name)
	}
	p := d.pool(plan.DatabaseKey{Region: region.Name, Server: server.Name, Database: database})
	p.mu.Lock()
	defer p.mu.Unlock()
	fingerprint := plan.ServerDigest(server)
	if p.admin != nil && p.fingerprint != fingerprint {
		p.close()
	}
	// A region was removed and declared again meanwhile: the server has to show anew which one it is.
	if p.prepared && d.identities.get(serverKey{region.Name, server.Name}).pinned == "" {
		p.close()
	}
	if p.admin == nil {
		admin, login, err := d.open(ctx, region, server, database)
		if err != nil {
			return nil, err
		}
		p.admin, p.fingerprint, p.login = admin, fingerprint, login
	}
	if !p.prepared {
		err := d.confirm(ctx, region, server, database, p.admin)
		if err == nil {
			err = p.admin.Prepare(ctx)
		}
		if err != nil {
			// A rotated Secret shows as a refused login: read it again next time.
			p.close()
			return nil, fmt.Errorf("preparing database %s of server %s: %w", database, server.Name, err)
		}
		p.prepared = true
	}
	return p.admin, nil
}

// Forget closes the pool of a database after a failure, so that the next use reads the Secret and connects anew.
func (d *Databases) Forget(key plan.DatabaseKey) {
	p := d.pool(key)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close()
}

// ForgetServer does the same for every database of a server.
func (d *Databases) ForgetServer(region string, server *v1alpha1.DatabaseServer) {
	for _, database := range server.Databases {
		d.Forget(plan.DatabaseKey{Region: region, Server: server.Name, Database: database})
	}
}

// CloseAtEnd closes every pool when the context ends, so that a server is left with no idle sessions.
func (d *Databases) CloseAtEnd(ctx context.Context) error {
	<-ctx.Done()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.pools {
		p.mu.Lock()
		p.close()
		p.mu.Unlock()
	}
	return nil
}

func (d *Databases) pool(key plan.DatabaseKey) *pool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pools == nil {
		d.pools = map[plan.DatabaseKey]*pool{}
	}
	if d.pools[key] == nil {
		d.pools[key] = &pool{}
	}
	return d.pools[key]
}

func (p *pool) close() {
	if p.admin != nil {
		p.admin.Close()
	}
	p.admin, p.prepared = nil, false
}

func (d *Databases) open(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer, database string) (*postgres.Admin, string, error) {
	secret, err := d.login(ctx, server, settings.UsernameKey, settings.PasswordKey)
	if err != nil {
		return nil, "", fmt.Errorf("database server %s: %w", server.Name, err)
	}
	to := reach(server)
	to.Username, to.Password = string(secret.Data[settings.UsernameKey]), string(secret.Data[settings.PasswordKey])
	to.Meet = func(identifier string, conn net.Conn) error {
		return d.identities.meet(region, server, identifier, conn)
	}
	admin, err := postgres.Open(ctx, to, database)
	return admin, secret.ResourceVersion, err
}

// heedSecret makes the pools of a server log in anew when the Secret was changed: a login that no longer fits must
// show at once, not when the last connection made with the old one has gone.
func (d *Databases) heedSecret(ctx context.Context, region string, server *v1alpha1.DatabaseServer) error {
	secret, err := d.login(ctx, server)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("database server %s: %w", server.Name, err)
	}
	for _, database := range server.Databases {
		p := d.pool(plan.DatabaseKey{Region: region, Server: server.Name, Database: database})
		p.mu.Lock()
		if p.admin != nil && (err != nil || p.login != secret.ResourceVersion) {
			p.close()
		}
		p.mu.Unlock()
	}
	return nil
}

// login reads the Secret of a server: the one the region names, or that of its CloudNativePG Cluster.
func (d *Databases) login(ctx context.Context, server *v1alpha1.DatabaseServer, keys ...string) (*corev1.Secret, error) {
	namespace, name := d.Namespace, server.AdminSecretRef.Name
	if name == "" && server.ClusterRef != nil {
		namespace, name = server.ClusterRef.Namespace, cnpg.AppSecret(server.ClusterRef.Name)
	}
	return adminSecret(ctx, d.Secrets, namespace, name, keys...)
}

// reach is how a server is reached, without a login.
func reach(server *v1alpha1.DatabaseServer) postgres.Server {
	return postgres.Server{Name: server.Name, Host: server.Host, Port: server.Port, CABundle: server.CABundle}
}

// adminSecret reads a Secret and insists on its keys.
func adminSecret(ctx context.Context, reader client.Reader, namespace, name string, keys ...string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret); err != nil {
		return nil, fmt.Errorf("reading admin Secret %s/%s: %w", namespace, name, err)
	}
	for _, key := range keys {
		if len(secret.Data[key]) == 0 {
			return nil, fmt.Errorf("admin Secret %s/%s lacks key %s: add it", namespace, name, key)
		}
	}
	return secret, nil
}
