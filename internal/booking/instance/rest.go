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
	// quiet is how many requests an interval has at most in which nobody is disturbed. The operator's reading of the
	// notice and a monitoring's visits are some, each minute of each site.
	quiet = 30
)

// rest gives memory back while hardly anybody asks for anything. A site holds under 1 MiB of its own, yet the runtime would let
// garbage grow to several times that and keep the pages of its busiest hour; of sites that are idle most of the day a
// cluster may have a thousand. A busy site is left alone: its citizens would wait for the collector.
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
		if now-last <= quiet {
			release()
		}
		last = now
	})
}
