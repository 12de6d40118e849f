// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/certificate"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/resources"
)

// Certifier writes DeletionCertificates: what is to be deleted before the first of it is, so that an operator that is
// killed in between loses no count; the signed statement once it was read back absent.
type Certifier struct {
	Client client.Client
	// Reader is uncached: a chain must not be continued from a list that is out of date, and the key is nobody's to cache.
	Reader client.Reader
	Stores *Stores
	Book   *evidence.Book
	// Namespace of the operator, where the signing key lies.
	Namespace string
	Now       func() time.Time

	// issuing keeps two statements from following the same one; only the leader issues any.
	issuing sync.Mutex
}

// count fills in the records of the schema, each counted. One that is gone already leaves the count of a certificate
// begun before as it is.
func count(ctx context.Context, admin *postgres.Admin, region *v1alpha1.DataRegion, spec *v1alpha1.DeletionCertificateSpec, now time.Time) error {
	counts, err := admin.Count(ctx, spec.DataID)
	if errors.Is(err, postgres.ErrNoSchema) {
		return nil
	}
	if err != nil {
		return err
	}
	spec.CountedAt = timeOf(now.Truncate(time.Second))
	for category, n := range counts {
		spec.Records = append(spec.Records, v1alpha1.RecordCount{Category: category, Count: n})
	}
	slices.SortFunc(spec.Records, func(a, b v1alpha1.RecordCount) int { return strings.Compare(string(a.Category), string(b.Category)) })
	archived, err := admin.Archived(ctx, spec.DataID)
	if err != nil {
		return err
	}
	var archives []string
	for _, a := range region.Spec.Archives {
		archives = append(archives, a.Name)
	}
	for _, a := range archived {
		entry := v1alpha1.ArchivedCount{Category: a.Category, Count: a.Records, Archives: archives, Until: timeAt(a.Until)}
		spec.Archived = append(spec.Archived, entry)
	}
	return nil
}

// Begin gives the certificate of a tenant's data; it is made when it is not there yet, by the opaque name of the data.
func (c *Certifier) Begin(ctx context.Context, spec v1alpha1.DeletionCertificateSpec) (*v1alpha1.DeletionCertificate, error) {
	made := &v1alpha1.DeletionCertificate{
		ObjectMeta: metav1.ObjectMeta{Name: spec.DataID, Labels: map[string]string{
			resources.LabelManagedBy: resources.Manager, resources.LabelDataID: spec.DataID, resources.LabelRegion: spec.Region,
		}},
		Spec: spec,
	}
	err := c.Client.Create(ctx, made)
	if apierrors.IsAlreadyExists(err) {
		live := &v1alpha1.DeletionCertificate{}
		if err := c.Reader.Get(ctx, client.ObjectKeyFromObject(made), live); err != nil {
			return nil, fmt.Errorf("reading certificate %s: %w", spec.DataID, err)
		}
		return live, nil
	}
	if err != nil {
		return nil, fmt.Errorf("beginning certificate %s: %w", spec.DataID, err)
	}
	return made, nil
}

// Issue signs that schema and roles were read back absent just now, and what the region's stores still hold. Period is
// how long a backup lives; zero when nobody knows. A certificate that was issued before stays as it is.
func (c *Certifier) Issue(ctx context.Context, cert *v1alpha1.DeletionCertificate, region *v1alpha1.DataRegion, period time.Duration) error {
	if cert.Status.Deletion != nil {
		return nil
	}
	c.issuing.Lock()
	defer c.issuing.Unlock()
	key, keyID, err := c.signingKey(ctx)
	if err != nil {
		return err
	}
	link, err := c.link(ctx, keyID)
	if err != nil {
		return err
	}
	before := cert.DeepCopy()
	s := &cert.Status
	s.DeletedAt, s.Sequence, s.KeyID = timeOf(c.Now().Truncate(time.Second)), &link.Sequence, keyID
	s.Backups = c.remaining(ctx, region, cert.Spec.DataID, period)
	s.Deletion = certificate.Sign(key, certificate.Deletion(cert.Name, &cert.Spec, s, link))
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionIssued, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonVerifiedAbsent,
		Message: "schema and roles were read back absent", ObservedGeneration: cert.Generation,
	})
	complete(cert, key, keyID)
	if err := c.Client.Status().Patch(ctx, cert, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("issuing certificate %s: %w", cert.Name, err)
	}
	return nil
}

// link continues the chain behind the newest statement there is.
func (c *Certifier) link(ctx context.Context, keyID string) (certificate.Link, error) {
	list := &v1alpha1.DeletionCertificateList{}
	if err := c.Reader.List(ctx, list); err != nil {
		return certificate.Link{}, fmt.Errorf("listing certificates: %w", err)
	}
	link := certificate.Link{Sequence: 1, KeyID: keyID}
	for i := range list.Items {
		s := &list.Items[i].Status
		if s.Deletion != nil && s.Sequence != nil && *s.Sequence >= link.Sequence {
			link.Sequence, link.Previous = *s.Sequence+1, certificate.Digest(s.Deletion.Text)
		}
	}
	return link, nil
}

// remaining lists what each store holds of the tenant now; a store that does not answer is told as such.
func (c *Certifier) remaining(ctx context.Context, region *v1alpha1.DataRegion, dataID string, period time.Duration) []v1alpha1.RemainingBackups {
	var all []v1alpha1.RemainingBackups
	for i := range region.Spec.BackupStores {
		store := &region.Spec.BackupStores[i]
		entry := v1alpha1.RemainingBackups{Store: store.Name}
		var versions int64
		var newest time.Time
		admin, _, err := c.Stores.Client(ctx, region.Name, store)
		if err == nil {
			err = admin.ListVersions(ctx, dataID+"/", func(v objectstore.Version) error {
				versions++
				if start := v.Start(); start.After(newest) {
					newest = start
				}
				return nil
			})
		}
		if err == nil {
			entry.Versions = &versions
			switch {
			case versions == 0:
				entry.GoneAt = timeOf(c.Now().Truncate(time.Second))
			case period > 0:
				entry.Until = timeOf(newest.Add(period))
			}
		}
		all = append(all, entry)
	}
	return all
}

// complete signs that nothing remains, or says what does.
func complete(cert *v1alpha1.DeletionCertificate, key ed25519.PrivateKey, keyID string) {
	s := &cert.Status
	condition := metav1.Condition{
		Type: v1alpha1.ConditionComplete, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonBackupsGone,
		Message: "every store was listed and holds nothing of the tenant", ObservedGeneration: cert.Generation,
	}
	var left []string
	for _, b := range s.Backups {
		if b.GoneAt != nil {
			continue
		}
		note := "store " + b.Store
		if b.Until != nil {
			note += " until " + b.Until.UTC().Format(time.RFC3339)
		}
		left = append(left, note)
	}
	if len(left) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, v1alpha1.ReasonBackupsRemain
		condition.Message = "not yet listed without backups or exports: " + strings.Join(left, ", ")
	} else if s.Completion == nil {
		s.Completion = certificate.Sign(key, certificate.Completion(cert.Name, s.Deletion.Text, keyID, s.Backups))
	}
	meta.SetStatusCondition(&s.Conditions, condition)
}

// Track looks, after each measurement, whether the stores have let go of what remained.
func (c *Certifier) Track(ctx context.Context) error {
	list := &v1alpha1.DeletionCertificateList{}
	if err := c.Client.List(ctx, list); err != nil {
		return fmt.Errorf("listing certificates: %w", err)
	}
	var failures []error
	for i := range list.Items {
		if cert := &list.Items[i]; cert.Status.Deletion != nil && cert.Status.Completion == nil {
			failures = append(failures, c.track(ctx, cert))
		}
	}
	return errors.Join(failures...)
}

func (c *Certifier) track(ctx context.Context, cert *v1alpha1.DeletionCertificate) error {
	before := cert.DeepCopy()
	for i := range cert.Status.Backups {
		b := &cert.Status.Backups[i]
		listing := c.Book.Listing(evidence.StoreKey{Region: cert.Spec.Region, Store: b.Store})
		listed := listing.Err == nil && listing.Tenants != nil && listing.At.After(cert.Status.DeletedAt.Time)
		if b.GoneAt == nil && listed && listing.Tenants[cert.Spec.DataID].OldestVersion == nil {
			b.GoneAt = timeOf(listing.At.Truncate(time.Second))
		}
	}
	if slices.EqualFunc(before.Status.Backups, cert.Status.Backups, func(a, b v1alpha1.RemainingBackups) bool { return (a.GoneAt == nil) == (b.GoneAt == nil) }) {
		return nil
	}
	key, keyID, err := c.signingKey(ctx)
	if err != nil {
		return err
	}
	// A key that was replaced in between signs the completion, whose text names it.
	complete(cert, key, keyID)
	if err := c.Client.Status().Patch(ctx, cert, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("tracking certificate %s: %w", cert.Name, err)
	}
	return nil
}
