// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Kept is what was last seen of the jobs of a removed tenant.
type Kept struct {
	Jobs      metav1.ConditionStatus
	Incidents []v1alpha1.Incident
}

// PutKept enters it.
func (b *Book) PutKept(dataID string, kept Kept) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept[dataID] = kept
}

// Kept gives it; found is false when this process has not looked yet.
func (b *Book) Kept(dataID string) (kept Kept, found bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	kept, found = b.kept[dataID]
	return kept, found
}

// KeepKept forgets removed tenants of whom nothing is left.
func (b *Book) KeepKept(dataIDs map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.kept, func(dataID string, _ Kept) bool { return !dataIDs[dataID] })
}
