// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"maps"

	"github.com/termintreu/termintreu/internal/compliance"
)

// PutSite enters what a tenant's site has for a certificate, and tells when that may change a verdict.
func (b *Book) PutSite(dataID string, sample compliance.Sample[compliance.Endpoint]) {
	b.mu.Lock()
	old := b.sites[dataID]
	b.sites[dataID] = sample
	b.mu.Unlock()
	if turned(old, sample, old.Value == sample.Value) {
		b.notify(dataID)
	}
}

// Site gives what a tenant's site last had for a certificate.
func (b *Book) Site(dataID string) compliance.Sample[compliance.Endpoint] {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.sites[dataID]
}

// SitesLooked tells whether every site's certificate was looked at once.
func (b *Book) SitesLooked() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.looked
}

// KeepSites ends a round: it forgets tenants that are no more, or have no certificate.
func (b *Book) KeepSites(dataIDs map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looked = true
	maps.DeleteFunc(b.sites, func(dataID string, _ compliance.Sample[compliance.Endpoint]) bool { return !dataIDs[dataID] })
}
