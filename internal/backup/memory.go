// SPDX-License-Identifier: Apache-2.0

package backup

import "runtime/debug"

// heapGoal is what the collector aims at. Buffers for three stores, TLS, zstd and S3 need about 25 MiB at once; a goal
// that near keeps the collector running, for half as much CPU again and one MiB of resident memory.
const heapGoal = 40 << 20

// LimitMemory keeps a process that only takes backups within its budget, whatever the size of the tenant and the
// number of stores (design section 7). A process limits itself, so that no manifest can forget to.
func LimitMemory() { debug.SetMemoryLimit(heapGoal) }
