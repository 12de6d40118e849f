// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"encoding/json"
	"hash/maphash"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/resources"
)

// matched remembers which version of which object was found to be as it was wished for. To compare them goes eight times
// through JSON, and was half of what a reconcile cost that changes nothing. The zero value is ready.
type matched struct {
	mu   sync.Mutex
	seed maphash.Seed
	// found maps an object's UID to its resource version and the wish, all as digests. It is forgotten as a whole once it is
	// full, since nobody tells it what was deleted.
	found map[uint64]uint64
}

// maxMatched is how many objects are remembered: those of some 7,000 tenants.
const maxMatched = 1 << 17

// is tells whether a live object is as it is wished for.
func (m *matched) is(wished any, live client.Object) bool {
	m.mu.Lock()
	if m.found == nil || len(m.found) >= maxMatched {
		m.seed, m.found = maphash.MakeSeed(), map[uint64]uint64{}
	}
	seed := m.seed
	m.mu.Unlock()
	digest := maphash.Hash{}
	digest.SetSeed(seed)
	if err := json.NewEncoder(&digest).Encode(wished); err != nil {
		return false
	}
	_, _ = digest.WriteString(live.GetResourceVersion())
	who, what := maphash.String(seed, string(live.GetUID())), digest.Sum64()
	m.mu.Lock()
	known, found := m.found[who]
	m.mu.Unlock()
	if found && known == what {
		return true
	}
	if !resources.Matches(wished, live) {
		return false
	}
	m.mu.Lock()
	m.found[who] = what
	m.mu.Unlock()
	return true
}
