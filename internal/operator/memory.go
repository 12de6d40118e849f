// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"runtime/debug"
	"runtime/metrics"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

const (
	// memoryAlone is what the Go runtime may aim at of the 64 MiB an operator without tenants has: the program and its
	// data take the rest. With less the collector has no rest while tenants are made.
	memoryAlone = 27 << 20
	// memoryPerTenant is what it may aim at of the 50 KiB each tenant adds (design, section 7): the more lives, the further
	// the heap grows past its aim while the collector still looks through it.
	memoryPerTenant = 43 << 10
)

// memoryLimit is what the runtime is told to keep an operator of so many tenants within, by its budget. One that needs more,
// by what lives on its heap and what the runtime has beside that, is given an eighth of room, so that collecting garbage
// does not become its work.
func memoryLimit(tenants int, live, beside uint64) int64 {
	return int64(max(memoryAlone+uint64(tenants)*memoryPerTenant, live+live/8+beside)) //nolint:gosec // bytes of one process
}

// limitMemory sets the limit for the tenants there are.
func limitMemory(ctx context.Context, reader client.Reader) {
	tenants := &v1alpha1.BookingTenantList{}
	if reader.List(ctx, tenants, client.UnsafeDisableDeepCopy) != nil {
		return
	}
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	of := func(i int) uint64 { return samples[i].Value.Uint64() }
	debug.SetMemoryLimit(memoryLimit(len(tenants.Items), of(0), of(1)-of(2)-of(3)-of(4)))
}
