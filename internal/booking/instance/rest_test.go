// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestASiteGivesMemoryBackWhileHardlyAnybodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var requests, released atomic.Int64
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			rest(ctx, &requests, func() { released.Add(1) })
		}()
		after := func(passed time.Duration, asked, want int64) {
			t.Helper()
			requests.Add(asked)
			time.Sleep(passed)
			synctest.Wait()
			if got := released.Load(); got != want {
				t.Errorf("memory was given back %d times, not %d", got, want)
			}
		}
		after(settleTime-time.Second, 0, 0)
		after(2*time.Second, 0, 1)      // what the start left behind
		after(restInterval, quiet+1, 1) // it is busy
		after(restInterval, 0, 2)       // nobody asks
		after(3*restInterval, 0, 5)     // and the rhythms of an idle site leave garbage too
		after(restInterval, 2, 6)       // the notice is read each minute
		after(restInterval, 1000, 6)
		stop()
		<-ended
	})
}
