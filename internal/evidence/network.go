// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"maps"
	"slices"

	"github.com/termintreu/termintreu/internal/compliance"
)

// PutEgress enters what a tenant's instances found of their network, and tells when that may change a verdict.
func (b *Book) PutEgress(dataID string, sample compliance.Sample[compliance.Egress]) {
	b.mu.Lock()
	old := b.egress[dataID]
	b.egress[dataID] = sample
	b.mu.Unlock()
	if turned(old, sample, old.Value.Equal(sample.Value)) {
		b.notify(dataID)
	}
}

// Egress gives what a tenant's instances last found of their network.
func (b *Book) Egress(dataID string) compliance.Sample[compliance.Egress] {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.egress[dataID]
}

// InstancesAsked tells whether every instance was asked once.
func (b *Book) InstancesAsked() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.asked
}

// KeepInstances ends a round: it forgets tenants that have no instance any longer.
func (b *Book) KeepInstances(dataIDs map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = true
	maps.DeleteFunc(b.egress, func(dataID string, _ compliance.Sample[compliance.Egress]) bool { return !dataIDs[dataID] })
	maps.DeleteFunc(b.orphans, func(dataID string, _ compliance.Sample[compliance.Orphans]) bool { return !dataIDs[dataID] })
}

// PutFront enters where the pods of a region's ingress run, and tells the region's tenants when that changed.
func (b *Book) PutFront(region string, front compliance.Sample[[]compliance.Placement]) {
	b.mu.Lock()
	old := b.fronts[region]
	b.fronts[region] = front
	b.mu.Unlock()
	if turned(old, front, slices.Equal(old.Value, front.Value)) {
		b.notifyRegion(region)
	}
}

// Front gives where the pods of a region's ingress were last seen to run.
func (b *Book) Front(region string) compliance.Sample[[]compliance.Placement] {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.fronts[region]
}
