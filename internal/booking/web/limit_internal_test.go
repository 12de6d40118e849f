// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/netip"
	"testing"
	"time"
)

func TestNobodyIsRememberedByAnyLimitLongerThanItNeeds(t *testing.T) { // B11
	now := time.Now()
	clock := func() time.Time { return now }
	site := New(Options{Clock: clock, Limit: NewLimiter(5, time.Second, clock), MailLimit: NewLimiter(5, time.Second, clock)})
	limits := map[string]*Limiter{"holds": site.Limit, "mail addresses": site.MailLimit, "waiting": site.waiting}
	for name, limit := range limits {
		if !limit.Allow(netip.MustParseAddr("192.0.2.7")) || len(limit.buckets) != 1 {
			t.Fatalf("the limit on %s does not count", name)
		}
	}
	now = now.Add(waitRefill)
	site.Forget()
	for name, limit := range limits {
		if len(limit.buckets) != 0 {
			t.Errorf("the limit on %s still knows who came", name)
		}
	}
	New(Options{Clock: clock}).Forget() // a site without limits has nothing to forget
}
