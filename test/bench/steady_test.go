// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
)

// pageSize is how many versions a store lists in one answer.
const pageSize = 1000

// TestBenchSteady counts what an operator does that has nothing to do. A restart is the hardest case: every tenant is
// reconciled from nothing but what lies in the cluster.
func TestBenchSteady(t *testing.T) {
	n, objects := Scaled(1000), Scaled(2500)
	report := NewReport(t, fmt.Sprintf("Steady state of %d tenants, %d objects at a store", n, objects))
	var database *counted
	var stores []*counted
	c := newCluster(t, func(region *v1alpha1.DataRegion) {
		server := &region.Spec.DatabaseServers[0]
		database = newCounted(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(int(server.Port))))
		server.Port = database.port
		for i := range region.Spec.BackupStores {
			store := &region.Spec.BackupStores[i]
			endpoint, err := url.Parse(store.Endpoint)
			must(t, err)
			counter := newCounted(t, net.JoinHostPort("127.0.0.1", endpoint.Port()))
			stores = append(stores, counter)
			store.Endpoint = fmt.Sprintf("https://localhost:%d", counter.port)
		}
	})
	first := c.startOperator(t)
	c.provision(t, first, recipient(t), 0, n)
	c.fill(t, objects)
	c.settle(t, first)
	first.stop()

	o := c.startOperator(t)
	c.settle(t, o)
	spent := o.traffic(t, c)
	report.Exactly("full resync: writes that renew no verdict", int(spent.writes-spent.statuses), 0)
	report.Limit("full resync: renewals per tenant", Count, spent.statuses/float64(n), 1)
	report.Exactly("full resync: refused requests and failed reconciles", int(spent.refused+spent.failures), 0)
	c.reportMeasurements(t, report, o, database, stores, objects)
	o.reportMemory(report, n)
}

// fill puts objects of tenants at the first store.
func (c *cluster) fill(tb testing.TB, objects int) {
	tb.Helper()
	tenants := &v1alpha1.BookingTenantList{}
	must(tb, c.client.List(tb.Context(), tenants))
	admin, start := c.stores[0].Admin(), time.Now().Add(-time.Hour)
	must(tb, each(tb.Context(), objects, func(ctx context.Context, i int) error {
		tenant := &tenants.Items[i%len(tenants.Items)]
		key := objectstore.Key(plan.DataID(tenant.UID)+"/", start.Add(time.Duration(i)*time.Second), objectstore.KindDump)
		_, err := admin.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(c.stores[0].Bucket), Key: &key, Body: bytes.NewReader([]byte("opaque"))})
		return err
	}))
}

// reportMeasurements counts what the next measurements ask of databases and stores, while tenants are judged by them.
func (c *cluster) reportMeasurements(tb testing.TB, report *Report, o *operatorProcess, database *counted, stores []*counted, objects int) {
	tb.Helper()
	const measurements = 3
	start := o.figures().sum(auditsTotal)
	// Between two measurements, so that none is cut in half.
	o.awaitMeasurement(start)
	trips, lists := database.queries(), make([]int64, len(stores))
	for i, store := range stores {
		lists[i] = store.requests()
	}
	o.awaitMeasurement(start + measurements)
	report.Limit("SQL round trips per database and measurement", Count, float64(database.queries()-trips)/measurements, 1)
	for i, store := range stores {
		pages := 1
		if i == 0 {
			pages = max(1, (objects+pageSize-1)/pageSize)
		}
		made := float64(store.requests()-lists[i]) / measurements
		report.Limit(fmt.Sprintf("listings of %s per page (%d) and measurement", c.stores[i].Name, pages), Count, made/float64(pages), 1)
	}
}

// awaitMeasurement waits until more than count audits were made, and each store listed as often.
func (o *operatorProcess) awaitMeasurement(count float64) {
	o.tb.Helper()
	o.wait("measuring", time.Second/4, func() string {
		seen := o.figures()
		audits, listings := seen.sum(auditsTotal), seen.sum(listingsTotal)
		if audits > count && listings == 3*audits {
			return ""
		}
		return fmt.Sprintf("%g audits, %g listings", audits, listings)
	})
}
