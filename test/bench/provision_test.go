// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

// TestBenchProvision holds the operator against a bare client writing the same objects beside psql running the same
// statements. The tenants come in rounds, so that both meet the same noise and the last round meets a full cluster.
// The operator also makes an identity for each tenant at three stores, of which the floor knows nothing.
func TestBenchProvision(t *testing.T) {
	n := max(1, Scaled(1000)/Rounds)
	report := NewReport(t, fmt.Sprintf("%d new tenants, in %d rounds", n*Rounds, Rounds))
	c := newCluster(t, func(*v1alpha1.DataRegion) {})
	key := recipient(t)
	var ours, floors []Cost
	var spent traffic
	var last *operatorProcess
	for round := range Rounds {
		f := newFloor(t, c, key, round*n, n)
		floors = append(floors, Measure(t, func() { f.run(t) }))
		f.remove(t)

		o := c.startOperator(t)
		c.settle(t, o)
		before, used := o.traffic(t, c), cpuByName(t, os.Getpid())
		ours = append(ours, Measure(t, func() { c.provision(t, o, key, round*n, n) }))
		if round == Rounds-1 {
			tellCPU(t, report, used, n)
		}
		c.settle(t, o)
		spent = spent.plus(o.traffic(t, c).minus(before))
		last = o
		if round < Rounds-1 {
			o.stop()
		}
	}
	tenants, objects := float64(n*Rounds), float64(len(c.objectsOf(t, newTenant("any", "any", key))))
	value, base := medianCost(ours), medianCost(floors)
	report.AtMost("time of a new tenant, ours beside the floor", Duration, value.Wall/float64(n), base.Wall/float64(n), 1.5)
	report.AtMost("CPU of a new tenant, ours beside the floor", Duration, value.CPU/float64(n), base.CPU/float64(n), 1.5)
	report.AtMost("requests per new tenant beside its objects", Count, spent.requests/tenants, objects, 1.5)
	report.Exactly("requests refused (conflicts, errors)", int(spent.refused), 0)
	report.Exactly("reconciles that failed and were retried", int(spent.failures), 0)
	last.reportMemory(report, n*Rounds)
	tellIdentities(t, report, n)
}

// tellCPU tells which program took what since used was taken.
func tellCPU(tb testing.TB, report *Report, used map[string]float64, tenants int) {
	tb.Helper()
	now := cpuByName(tb, os.Getpid())
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if spent := now[name] - used[name]; spent/float64(tenants) >= 0.0005 {
			report.Tell("  of which "+name+", last round", Duration, spent/float64(tenants))
		}
	}
}

// provision creates tenants and waits until database, objects and status of each are done.
func (c *cluster) provision(tb testing.TB, o *operatorProcess, key v1alpha1.AgeRecipient, first, n int) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	waiting, left := map[string]bool{}, make(chan string, 1)
	for i := range n {
		waiting[fmt.Sprintf("site-%d", first+i)] = true
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The API server ends watches as it likes; a new one begins with what there is.
		for len(waiting) > 0 && ctx.Err() == nil {
			c.watchTenants(ctx, waiting, left)
		}
	}()
	c.createTenants(tb, key, first, n)
	select {
	case <-done:
	case <-time.After(patience):
		select {
		case what := <-left:
			tb.Fatalf("%d tenants were not done within %s; last seen %s", n, patience, what)
		default:
			tb.Fatalf("%d tenants were not done within %s, nor seen by the operator", n, patience)
		}
	case err := <-o.exited:
		o.exited <- err
		tb.Fatalf("the operator ended: %v", err)
	}
}

// watchTenants takes from waiting what is provisioned, until nothing is left or the watch ends; left has the last seen
// that was not done.
func (c *cluster) watchTenants(ctx context.Context, waiting map[string]bool, left chan string) {
	watcher, err := c.client.Watch(ctx, &v1alpha1.BookingTenantList{})
	if err != nil {
		return
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		tenant, ok := event.Object.(*v1alpha1.BookingTenant)
		switch {
		case ok && provisioned(tenant):
			delete(waiting, tenant.Name)
		case ok && tenant.Status.ObservedGeneration > 0:
			select {
			case <-left:
			default:
			}
			left <- fmt.Sprintf("%s: %+v", tenant.Name, tenant.Status.Conditions)
		}
		if len(waiting) == 0 {
			return
		}
	}
}

// provisioned: everything was written and reported. No Deployment becomes available here, since nothing runs pods.
func provisioned(tenant *v1alpha1.BookingTenant) bool {
	ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
	return tenant.Status.ObservedGeneration == tenant.Generation && ready != nil && ready.Reason == v1alpha1.ReasonProgressing &&
		meta.IsStatusConditionPresentAndEqual(tenant.Status.Conditions, v1alpha1.ConditionDatabaseReady, metav1.ConditionTrue)
}

// settle waits until two measurements in a row made the operator ask nothing of the API server.
func (c *cluster) settle(tb testing.TB, o *operatorProcess) {
	tb.Helper()
	quiet, audits, asked := 0, -1.0, traffic{}
	// As often as a Prometheus looks: the operator writes a hundred series a tenant each time.
	o.wait("settling", 15*time.Second, func() string {
		if now := o.figures().sum(auditsTotal); now > audits {
			before := asked
			audits, asked = now, o.traffic(tb, c)
			quiet++
			if asked.writes != before.writes {
				quiet = 0
			}
		}
		if quiet >= 2 {
			return ""
		}
		return fmt.Sprintf("%g audits, so far asked for %+v", audits, asked)
	})
}

// traffic is what an operator asked of the API server since it started. Reviews of whoever reads metrics are left out:
// they are ours. So are trials of the admission policies, which write nothing and are refused when all is well. To look for
// what is not there yet is no refusal.
type traffic struct{ requests, writes, statuses, refused, failures float64 }

func (o *operatorProcess) traffic(tb testing.TB, c *cluster) traffic {
	tb.Helper()
	f := o.figures()
	trials, absent := f.sum(trialsTotal), f.sum(requestsTotal, "method", "GET", "code", "404")
	posts := f.sum(requestsTotal, "method", "POST") - (c.reviews(tb) - o.reviewed) - trials
	writes := posts + f.sum(requestsTotal, "method", "PATCH") + f.sum(requestsTotal, "method", "PUT") + f.sum(requestsTotal, "method", "DELETE")
	return traffic{
		requests: writes + f.sum(requestsTotal, "method", "GET"), writes: writes,
		statuses: f.sum(statusesTotal),
		refused:  f.sum(requestsTotal, "code", "4") - trials - absent + f.sum(requestsTotal, "code", "5") + f.sum(requestsTotal, "code", "<"),
		failures: f.sum("controller_runtime_reconcile_errors_total"),
	}
}

func (t traffic) minus(other traffic) traffic {
	return traffic{t.requests - other.requests, t.writes - other.writes, t.statuses - other.statuses, t.refused - other.refused, t.failures - other.failures}
}

func (t traffic) plus(other traffic) traffic {
	return t.minus(traffic{}.minus(other))
}

// reportMemory of an operator that has seen so many tenants.
func (o *operatorProcess) reportMemory(report *Report, tenants int) {
	o.tb.Helper()
	budget := float64(64<<20 + tenants*50<<10)
	peak, err := memory(o.command.Process.Pid, "VmHWM")
	must(o.tb, err)
	report.Limit("peak memory of the operator, its program included", Bytes, peak, budget)
	program, err := memory(o.command.Process.Pid, "RssFile")
	must(o.tb, err)
	report.Tell("  of which pages of the program file, which the kernel may drop", Bytes, program)
	report.Tell("heap in use at the end", Bytes, o.figures().sum("go_memstats_heap_inuse_bytes"))
}

// tellIdentities tells what the stores cost alone, at stores of their own.
func tellIdentities(tb testing.TB, report *Report, n int) {
	tb.Helper()
	makers := identitiesOf(tb, s3test.Start(tb, 3))
	cost := Measure(tb, func() {
		must(tb, each(tb.Context(), n, func(ctx context.Context, i int) error {
			dataID := plan.DataID(types.UID("identity-" + strconv.Itoa(i)))
			for _, maker := range makers {
				if err := maker.Ensure(ctx, dataID, pairOf(dataID)); err != nil {
					return err
				}
			}
			return nil
		}))
	})
	report.Tell("identities of a tenant at three stores alone, time", Duration, cost.Wall/float64(n))
	report.Tell("identities of a tenant at three stores alone, CPU", Duration, cost.CPU/float64(n))
}
