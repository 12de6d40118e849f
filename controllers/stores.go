// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/settings"
)

// Keys of a store's admin Secret.
const (
	accessKeyIDKey     = "accessKeyID"
	secretAccessKeyKey = "secretAccessKey"
)

// Stores keeps one administrative client per object store.
type Stores struct {
	// Secrets reads admin Secrets, uncached.
	Secrets client.Reader
	// Namespace of the operator, where admin Secrets live.
	Namespace string

	mu      sync.Mutex
	clients map[evidence.StoreKey]*storeClient
}

type storeClient struct {
	fingerprint string
	// login is the resource version of the Secret behind the client.
	login      string
	client     *objectstore.Client
	identities objectstore.Identities
}

// Client gives the administrative client of a store and the maker of its identities.
func (s *Stores) Client(ctx context.Context, region string, store *v1alpha1.BackupStore) (*objectstore.Client, objectstore.Identities, error) {
	key := evidence.StoreKey{Region: region, Store: store.Name}
	fingerprint := plan.StoreDigest(store)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.clients[key]; known != nil && known.fingerprint == fingerprint {
		return known.client, known.identities, nil
	}
	secret, err := adminSecret(ctx, s.Secrets, s.Namespace, store.AdminSecretRef.Name, accessKeyIDKey, secretAccessKeyKey)
	if err != nil {
		return nil, nil, fmt.Errorf("store %s: %w", store.Name, err)
	}
	c, err := objectstore.New(objectstore.Config{
		Store: settings.Store{
			Name: store.Name, Endpoint: store.Endpoint, Bucket: store.Bucket,
			SigningRegion: store.SigningRegion, CABundle: store.CABundle,
		},
		AccessKeyID: string(secret.Data[accessKeyIDKey]), SecretAccessKey: string(secret.Data[secretAccessKeyKey]),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("store %s: %w", store.Name, err)
	}
	identities, err := objectstore.NewIdentities(store.IdentityProvider, c)
	if err != nil {
		return nil, nil, fmt.Errorf("store %s: %w", store.Name, err)
	}
	if s.clients == nil {
		s.clients = map[evidence.StoreKey]*storeClient{}
	}
	s.clients[key] = &storeClient{fingerprint, secret.ResourceVersion, c, identities}
	return c, identities, nil
}

// heedSecret drops a store's client when the Secret behind it was changed.
func (s *Stores) heedSecret(ctx context.Context, region string, store *v1alpha1.BackupStore) error {
	secret, err := adminSecret(ctx, s.Secrets, s.Namespace, store.AdminSecretRef.Name)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("store %s: %w", store.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := evidence.StoreKey{Region: region, Store: store.Name}
	if known := s.clients[key]; known != nil && (err != nil || known.login != secret.ResourceVersion) {
		delete(s.clients, key)
	}
	return nil
}

// Forget drops a store's client after a failure, so that the next use reads its Secret anew.
func (s *Stores) Forget(key evidence.StoreKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, key)
}
