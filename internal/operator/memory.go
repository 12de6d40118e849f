// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

const (
	// memoryAlone is what the Go runtime may aim at of the 64 MiB an operator without tenants has: the program and its
	// data take the rest. With less the collector has no rest once a thousand tenants drift at the same time.
	memoryAlone = 22 << 20
	// memoryPerTenant is what each tenant adds (design, section 7).
	memoryPerTenant = 50 << 10
	// memoryBeside is what the runtime takes beside the heap.
	memoryBeside = 10 << 20
)

// memoryLimit is what the collector aims to keep an operator of so many tenants within: its budget. An operator that
// lives on more than that, say with tenants of many offices, is given an eighth of room, so that collecting garbage does
// not become its work.
func memoryLimit(tenants int, live uint64) int64 {
	return int64(max(memoryAlone+uint64(tenants)*memoryPerTenant, live+live/8+memoryBeside)) //nolint:gosec // bytes of one process
}

// limitMemory sets the limit for the tenants there are, unless whoever runs the operator set one.
func limitMemory(ctx context.Context, reader client.Reader) {
	tenants := &v1alpha1.BookingTenantList{}
	if os.Getenv("GOMEMLIMIT") != "" || reader.List(ctx, tenants, client.UnsafeDisableDeepCopy) != nil {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetMemoryLimit(memoryLimit(len(tenants.Items), live[0].Value.Uint64()))
}
