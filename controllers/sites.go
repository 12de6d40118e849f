// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
)

// SiteReader looks at the certificate of every booking site, in the Secret its Ingress names, a few at a time, at an
// interval of its own (B4). It keeps names and dates; the key is held against the certificate and forgotten. It is a
// leader-elected runnable.
type SiteReader struct {
	Client client.Reader
	// Secrets are read past the cache, which must hold nobody's keys.
	Secrets  client.Reader
	Book     *evidence.Book
	Interval time.Duration
}

// NeedLeaderElection makes only the leader look.
func (r *SiteReader) NeedLeaderElection() bool { return true }

// Start looks until the context ends.
func (r *SiteReader) Start(ctx context.Context) error {
	wait.NonSlidingUntilWithContext(ctx, r.round, r.Interval)
	return nil
}

func (r *SiteReader) round(ctx context.Context) {
	tenants := &v1alpha1.BookingTenantList{}
	if err := r.Client.List(ctx, tenants, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "listing tenants")
		return
	}
	readers, known := errgroup.Group{}, map[string]bool{}
	readers.SetLimit(noticeReaders)
	for i := range tenants.Items {
		tenant := &tenants.Items[i]
		if site := &tenant.Spec.Instance; len(site.Hosts) == 0 || site.TLSSecretName == "" || !tenant.DeletionTimestamp.IsZero() {
			continue
		}
		dataID := plan.DataID(tenant.UID)
		known[dataID] = true
		readers.Go(func() error {
			looked := time.Now()
			met, err := r.look(ctx, tenant)
			if ctx.Err() == nil {
				r.Book.PutSite(dataID, compliance.Sample[compliance.Endpoint]{Value: met, At: looked, Err: err})
			}
			return nil
		})
	}
	_ = readers.Wait() // the readers enter their errors into the book
	r.Book.KeepSites(known)
}

// look reads one site's certificate. A Secret that is not there yet proves nothing: cert-manager makes it once it has
// seen the Ingress.
func (r *SiteReader) look(ctx context.Context, tenant *v1alpha1.BookingTenant) (compliance.Endpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	site, secret := &tenant.Spec.Instance, &corev1.Secret{}
	key := client.ObjectKey{Namespace: tenant.Namespace, Name: site.TLSSecretName}
	if err := r.Secrets.Get(ctx, key, secret); err != nil {
		return compliance.Endpoint{}, fmt.Errorf("secret %s cannot be read, create it or have it issued: %w", key, err)
	}
	hosts := make([]string, 0, len(site.Hosts))
	for _, host := range site.Hosts {
		hosts = append(hosts, string(host))
	}
	met := evidence.Certified(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey], hosts)
	met.Declared = plan.SiteDigest(hosts, site.TLSSecretName)
	return met, nil
}
