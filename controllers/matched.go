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
	mu sync.Mutex
	// found maps an object's UID to its resource version and the wish, all as digests. It is forgotten as a whole once it is
	// full, since nobody tells it what was deleted.
	found map[uint64]uint64
}

// maxMatched is how many objects are remembered: those of some 7,000 tenants.
const maxMatched = 1 << 17

// digestSeed is this process's own, so that nobody outside can make two wishes look the same.
var digestSeed = maphash.MakeSeed()

// is tells whether a live object is as it is wished for.
func (m *matched) is(wished any, live client.Object) bool {
	digest := maphash.Hash{}
	digest.SetSeed(digestSeed)
	if err := json.NewEncoder(&digest).Encode(wished); err != nil {
		return false
	}
	_, _ = digest.WriteString(live.GetResourceVersion())
	who, what := maphash.String(digestSeed, string(live.GetUID())), digest.Sum64()
	if m.knows(who, what) {
		return true
	}
	if !resources.Matches(wished, live) {
		return false
	}
	m.learn(who, what)
	return true
}

func (m *matched) knows(who, what uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, found := m.found[who]
	return found && known == what
}

func (m *matched) learn(who, what uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.found == nil || len(m.found) >= maxMatched {
		m.found = map[uint64]uint64{}
	}
	m.found[who] = what
}
