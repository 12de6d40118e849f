// SPDX-License-Identifier: Apache-2.0

package backup

import "runtime/debug"

const (
	// heapGoal is what the collector aims at: the buffers below and what TLS, zstd and S3 need for a moment.
	heapGoal = 28 << 20
	// heapGrowth in percent. Nearly all of the heap is buffers without pointers, which cost the collector nothing to
	// look at, so that collecting often is cheap.
	heapGrowth = 25
)

// LimitMemory keeps a process that only takes backups within its budget, whatever the size of the tenant and the
// number of stores (design section 7). A process limits itself, so that no manifest can forget to.
func LimitMemory() {
	debug.SetMemoryLimit(heapGoal)
	debug.SetGCPercent(heapGrowth)
}
