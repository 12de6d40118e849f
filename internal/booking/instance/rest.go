// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// settleTime is when what reading the settings and the first look at the calendar left behind is garbage.
	settleTime   = 10 * time.Second
	restInterval = time.Minute
)

// rest gives memory back while nobody asks for anything. A site holds under 1 MiB of its own, yet the runtime would let
// garbage grow to several times that and keep the pages of its busiest hour; of sites that are idle most of the day a
// cluster may have a thousand. A site that is asked is left alone: its citizens would wait for the collector.
func rest(ctx context.Context, requests *atomic.Int64, release func()) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(settleTime):
	}
	release()
	last := requests.Load()
	every(ctx, restInterval, func() {
		now := requests.Load()
		if now == last {
			release()
		}
		last = now
	})
}
