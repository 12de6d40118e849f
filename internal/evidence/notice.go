// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"time"

	"github.com/termintreu/termintreu/internal/compliance"
)

// expectation is the plan a site should publish the notice of, and since when.
type expectation struct {
	planHash string
	since    time.Time
}

// PutNotice enters what a tenant's site was found to publish, and tells when that, or how it stands to the plan, may
// change a verdict.
func (b *Book) PutNotice(dataID string, sample compliance.Sample[compliance.Notice]) {
	b.mu.Lock()
	old := b.notices[dataID]
	b.notices[dataID] = sample
	awaited := sample.Err == nil && b.expected[dataID].planHash != sample.Value.PlanHash
	b.mu.Unlock()
	if awaited || turned(old, sample, old.Value == sample.Value) {
		b.notify(dataID)
	}
}

// Notice gives what a tenant's site was last found to publish, and remembers when the plan it should publish was first
// asked for.
func (b *Book) Notice(dataID, planHash string, now time.Time) compliance.Sample[compliance.Notice] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.expected[dataID].planHash != planHash {
		b.expected[dataID] = expectation{planHash, now}
	}
	sample := b.notices[dataID]
	sample.Value.PlannedSince = b.expected[dataID].since
	return sample
}

// NoticeRead tells whether a tenant's site was ever asked for its notice.
func (b *Book) NoticeRead(dataID string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return !b.notices[dataID].At.IsZero()
}

// KeepNotices forgets the notices of tenants that are no more.
func (b *Book) KeepNotices(dataIDs map[string]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for dataID := range b.notices {
		if !dataIDs[dataID] {
			delete(b.notices, dataID)
			delete(b.expected, dataID)
		}
	}
}
