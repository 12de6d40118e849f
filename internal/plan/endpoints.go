// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// ServerUse and StoreUse name a database server and a store wherever it is told of them.
func ServerUse(name string) string { return "database server " + name }

// StoreUse names a store as ServerUse names a server.
func StoreUse(name string) string { return "backup store " + name }

// ArchiveUse names an archive as StoreUse names a store.
func ArchiveUse(name string) string { return "archive " + name }

// Stores of a region, its archives last: all that is listed, met and recognised alike.
func Stores(region *v1alpha1.DataRegion) []v1alpha1.BackupStore {
	return slices.Concat(region.Spec.BackupStores, region.Spec.Archives)
}

// UseOf names a store of a region by what it is used for.
func UseOf(region *v1alpha1.DataRegion, store string) string {
	if slices.ContainsFunc(region.Spec.Archives, func(a v1alpha1.BackupStore) bool { return a.Name == store }) {
		return ArchiveUse(store)
	}
	return StoreUse(store)
}

// ServerDigest tells one declaration of how to reach a server from another.
func ServerDigest(s *v1alpha1.DatabaseServer) string {
	return Hash([]any{s.Host, s.Port, s.CABundle, s.AdminSecretRef.Name, s.SystemIdentifier})
}

// StoreDigest tells one declaration of how to reach a bucket from another.
func StoreDigest(s *v1alpha1.BackupStore) string {
	return Hash([]any{s.Endpoint, s.Bucket, s.SigningRegion, s.CABundle, s.AdminSecretRef.Name, s.IdentityProvider})
}

// SiteDigest tells one declaration of a booking site's certificate from another.
func SiteDigest(hosts []string, secretName string) string { return Hash([]any{hosts, secretName}) }

// SiteSecret names the Secret with the certificate of the plan's booking site.
func SiteSecret(p *Plan) string {
	return "Secret " + p.Tenant.Namespace + "/" + p.Instance.TLSSecretName
}
