// SPDX-License-Identifier: Apache-2.0

package resources

import (
	corev1 "k8s.io/api/core/v1"
	coreac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/serving"
	"github.com/termintreu/termintreu/internal/settings"
)

// Credentials are everything secret a tenant's objects carry.
type Credentials struct {
	// Instance is one of the two app login slots.
	Instance  settings.Credentials
	Retention settings.Credentials
	Backup    settings.Credentials
	// Archive has no password where nothing is handed over.
	Archive settings.Credentials
	// Serving is what the instance presents to the ingress.
	Serving serving.Pair
	// Stores by store name.
	Stores map[string]objectstore.Pair
	// Archives by name.
	Archives map[string]objectstore.Pair
}

// InstanceSecret holds the app role's credentials and the certificate the instance presents. It is the only Secret in the tenant's namespace, so its readers
// learn nothing that the instance could not do itself (invariant 6).
func InstanceSecret(p *plan.Plan, credentials Credentials) *coreac.SecretApplyConfiguration {
	data := login(credentials.Instance)
	data[serving.CertificateKey], data[serving.PrivateKeyKey] = credentials.Serving.Certificate, credentials.Serving.Key
	data[serving.AuthorityKey] = credentials.Serving.Authorities
	return coreac.Secret(InstanceName(p), p.Tenant.Namespace).
		WithLabels(Labels(p, ComponentInstance)).WithOwnerReferences(owner(p)).
		WithType(corev1.SecretTypeOpaque).WithData(data)
}

// RetentionSecret holds the retention role's credentials.
func RetentionSecret(p *plan.Plan, credentials settings.Credentials) *coreac.SecretApplyConfiguration {
	return coreac.Secret(RetentionName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentRetention)).WithAnnotations(backlink(p)).
		WithType(corev1.SecretTypeOpaque).WithData(login(credentials))
}

// BackupSecret holds the backup role's credentials and, per store of the plan, those of the tenant's writer there.
func BackupSecret(p *plan.Plan, credentials Credentials) *coreac.SecretApplyConfiguration {
	data := login(credentials.Backup)
	for _, store := range p.Backup.Stores {
		addKeys(data, store.Name, credentials.Stores[store.Name].Writer)
	}
	return coreac.Secret(BackupName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentBackup)).WithAnnotations(backlink(p)).
		WithType(corev1.SecretTypeOpaque).WithData(data)
}

// ExpirySecret holds, per store and archive of the plan, the credentials of the tenant's keeper there, and nothing of the
// database.
func ExpirySecret(p *plan.Plan, credentials Credentials) *coreac.SecretApplyConfiguration {
	data := map[string][]byte{}
	for _, store := range p.Backup.Stores {
		addKeys(data, store.Name, credentials.Stores[store.Name].Keeper)
	}
	for _, store := range p.Archives() {
		addKeys(data, store.Name, credentials.Archives[store.Name].Keeper)
	}
	return coreac.Secret(ExpiryName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentExpiry)).WithAnnotations(backlink(p)).
		WithType(corev1.SecretTypeOpaque).WithData(data)
}

// ArchiveSecret holds the archive role's credentials and, per archive, those of the tenant's writer there.
func ArchiveSecret(p *plan.Plan, credentials Credentials) *coreac.SecretApplyConfiguration {
	data := login(credentials.Archive)
	for _, store := range p.Archive.Stores {
		addKeys(data, store.Name, credentials.Archives[store.Name].Writer)
	}
	return coreac.Secret(ArchiveName(p), p.Region.PlatformNamespace).
		WithLabels(Labels(p, ComponentArchive)).WithAnnotations(backlink(p)).
		WithType(corev1.SecretTypeOpaque).WithData(data)
}

func addKeys(data map[string][]byte, store string, keys objectstore.Keys) {
	id, secret := settings.StoreKeys(store)
	data[id], data[secret] = []byte(keys.AccessKeyID), []byte(keys.SecretAccessKey)
}

func login(c settings.Credentials) map[string][]byte {
	return map[string][]byte{settings.UsernameKey: []byte(c.Username), settings.PasswordKey: []byte(c.Password)}
}
