// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/serving"
)

// servingSecret in the operator's namespace holds the authority that signs what instances present behind the ingress.
const servingSecret = "termintreu-serving-authority"

// Serving keeps the operator's authority: in a Secret, so that it outlives the process.
type Serving struct {
	Client client.Client
	// Secrets reads uncached.
	Secrets client.Reader
	// Namespace of the operator.
	Namespace string

	mu        sync.Mutex
	authority *serving.Authority
}

// Authority gives the authority that signs now, making it at first use and another one well before its end.
func (s *Serving) Authority(ctx context.Context, now time.Time) (*serving.Authority, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.authority != nil && !s.authority.Due(now) {
		return s.authority, nil
	}
	authority, err := s.load(ctx, now)
	if err != nil {
		return nil, fmt.Errorf("serving authority in Secret %s/%s: %w", s.Namespace, servingSecret, err)
	}
	s.authority = authority
	return authority, nil
}

func (s *Serving) load(ctx context.Context, now time.Time) (*serving.Authority, error) {
	secret := &corev1.Secret{}
	err := s.Secrets.Get(ctx, types.NamespacedName{Namespace: s.Namespace, Name: servingSecret}, secret)
	if apierrors.IsNotFound(err) {
		return s.replace(ctx, now, nil)
	}
	if err != nil {
		return nil, err
	}
	authority, err := serving.Open(pairOf(secret.Data))
	if err == nil && authority.Due(now) {
		return s.replace(ctx, now, secret)
	}
	return authority, err
}

// replace makes another authority, and keeps believing in the one before.
func (s *Serving) replace(ctx context.Context, now time.Time, before *corev1.Secret) (*serving.Authority, error) {
	var former []byte
	if before != nil {
		former = before.Data[serving.AuthorityKey]
	}
	pair, err := serving.New(now, former)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: servingSecret}, Type: corev1.SecretTypeOpaque}
	if before == nil {
		secret.Data = dataOf(pair)
		err = s.Client.Create(ctx, secret)
	} else {
		secret = before.DeepCopy()
		secret.Data = dataOf(pair)
		err = s.Client.Patch(ctx, secret, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	}
	if err != nil {
		return nil, err
	}
	return serving.Open(pair)
}

func pairOf(data map[string][]byte) serving.Pair {
	return serving.Pair{Certificate: data[serving.CertificateKey], Key: data[serving.PrivateKeyKey], Authorities: data[serving.AuthorityKey]}
}

func dataOf(pair serving.Pair) map[string][]byte {
	return map[string][]byte{serving.CertificateKey: pair.Certificate, serving.PrivateKeyKey: pair.Key, serving.AuthorityKey: pair.Authorities}
}
