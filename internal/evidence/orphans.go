// SPDX-License-Identifier: Apache-2.0

package evidence

import "github.com/termintreu/termintreu/internal/compliance"

// PutOrphans enters which appointments a tenant's instance has no room for, and tells when that may change a verdict.
func (b *Book) PutOrphans(dataID string, sample compliance.Sample[compliance.Orphans]) {
	b.mu.Lock()
	old := b.orphans[dataID]
	b.orphans[dataID] = sample
	b.mu.Unlock()
	if turned(old, sample, old.Value.Equal(sample.Value)) {
		b.notify(dataID)
	}
}

// Orphans gives the appointments a tenant's instance last had no room for.
func (b *Book) Orphans(dataID string) compliance.Sample[compliance.Orphans] {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.orphans[dataID]
}
