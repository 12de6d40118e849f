// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/resources"
)

const (
	// crowded is a node with a pod of every tenant, which no kubelet would take: the worst case there is.
	crowded = "crowded"
	// ordinary nodes share the second replica of every tenant.
	ordinary = 10
	// portion of tenants made at a time.
	portion = 100
	// driftDeadline is how soon all affected tenants must be reported.
	driftDeadline = 30 * time.Second
	// driftRequests of an affected pod: its eviction, its tenant's status, and the events that tell of both.
	driftRequests = 8
)

// TestBenchDrift relabels nodes under the pods of a fleet, on nodes and pods nobody runs: first one of ten ordinary
// nodes, then one that holds a pod of every tenant. Nobody plays the disruption controller, so that every eviction is
// blocked, which is the slow way.
func TestBenchDrift(t *testing.T) {
	n := Scaled(1000)
	report := NewReport(t, fmt.Sprintf("A node relabelled under %d tenants with two pods each", n))
	c := newCluster(t, func(region *v1alpha1.DataRegion) {
		region.Spec.Admission.NodeAdministrators = []string{"system:masters"}
	})
	c.place(t, crowded)
	for i := range ordinary {
		c.place(t, nodeName(i))
	}
	c.addDatabases(t, n)
	// The interval that is shipped: with a shorter one the audits of a thousand tenants would leave the cores no rest.
	o := c.startOperator(t, "--measure-interval=1m")
	key := recipient(t)
	for first := 0; first < n; first += portion {
		c.provision(t, o, key, first, min(portion, n-first))
	}
	c.populate(t)
	c.settle(t, o)

	c.reportDrift(t, report, o, nodeName(0), (n+ordinary-1)/ordinary)
	c.label(t, nodeName(0), regionName)
	c.awaitResidency(t, o, metav1.ConditionTrue, n)
	c.settle(t, o)
	c.reportDrift(t, report, o, crowded, n)
	o.reportMemory(report, n)
}

// reportDrift relabels a node and measures until every tenant with a pod on it says so.
func (c *cluster) reportDrift(tb testing.TB, report *Report, o *operatorProcess, node string, affected int) {
	tb.Helper()
	before, start := o.traffic(tb, c), time.Now()
	c.label(tb, node, "elsewhere")
	c.awaitResidency(tb, o, metav1.ConditionFalse, affected)
	took, spent := time.Since(start), o.traffic(tb, c).minus(before)
	what := fmt.Sprintf("node %s, %d tenants: ", node, affected)
	report.Limit(what+"until all are reported", Duration, took.Seconds(), driftDeadline.Seconds())
	report.Limit(what+"requests per affected pod", Count, spent.requests/float64(affected), driftRequests)
	report.Exactly(what+"failed reconciles", int(spent.failures), 0)
}

// awaitResidency waits until as many tenants as wanted have a status of ResidencyEnforced. It watches: to list a thousand
// tenants again and again would keep the API server busier than the operator does.
func (c *cluster) awaitResidency(tb testing.TB, o *operatorProcess, status metav1.ConditionStatus, wanted int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	found := map[types.UID]bool{}
	note := func(tenant *v1alpha1.BookingTenant) {
		delete(found, tenant.UID)
		if meta.IsStatusConditionPresentAndEqual(tenant.Status.Conditions, v1alpha1.ConditionResidencyEnforced, status) {
			found[tenant.UID] = true
		}
	}
	tenants := &v1alpha1.BookingTenantList{}
	must(tb, c.client.List(ctx, tenants))
	for i := range tenants.Items {
		note(&tenants.Items[i])
	}
	watcher, err := c.client.Watch(ctx, tenants, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: tenants.ResourceVersion}})
	must(tb, err)
	defer watcher.Stop()
	for len(found) != wanted {
		select {
		case err := <-o.exited:
			o.exited <- err
			tb.Fatalf("the operator ended while judging residency: %v", err)
		case event := <-watcher.ResultChan():
			tenant, ok := event.Object.(*v1alpha1.BookingTenant)
			if !ok {
				tb.Fatalf("ResidencyEnforced is %s for %d tenants, not %d, when the watch ended: %v", status, len(found), wanted, event.Object)
			}
			note(tenant)
		}
	}
}

func nodeName(i int) string { return fmt.Sprintf("node-%d", i) }

// addDatabases until there is room for n tenants, of which a database takes 500.
func (c *cluster) addDatabases(tb testing.TB, n int) {
	tb.Helper()
	region := &v1alpha1.DataRegion{ObjectMeta: metav1.ObjectMeta{Name: regionName}}
	must(tb, c.client.Get(tb.Context(), client.ObjectKeyFromObject(region), region))
	server := &region.Spec.DatabaseServers[0]
	for len(server.Databases)*int(server.TenantsPerDatabase) < n {
		server.Databases = append(server.Databases, c.server.NewDatabase(tb))
	}
	must(tb, c.client.Update(tb.Context(), region))
}

// place makes a trusted node.
func (c *cluster) place(tb testing.TB, name string) {
	tb.Helper()
	c.create(tb, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{nodeLabel: regionName}}})
}

func (c *cluster) label(tb testing.TB, node, value string) {
	tb.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, nodeLabel, value)
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}
	must(tb, c.client.Patch(tb.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch))))
}

// populate plays Deployment controller and scheduler, under whose name alone the wall lets a pod meet its node: two
// pods of every tenant, one on the crowded node and one on an ordinary one.
func (c *cluster) populate(tb testing.TB) {
	tb.Helper()
	config := rest.CopyConfig(c.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:kube-scheduler", Groups: []string{"system:masters"}}
	scheduler, err := client.New(config, client.Options{Scheme: c.client.Scheme()})
	must(tb, err)
	deployments := &appsv1.DeploymentList{}
	must(tb, c.client.List(tb.Context(), deployments, client.MatchingLabels{resources.LabelManagedBy: resources.Manager}))
	must(tb, each(tb.Context(), 2*len(deployments.Items), func(ctx context.Context, i int) error {
		d, node := &deployments.Items[i/2], crowded
		if i%2 == 1 {
			node = nodeName(i / 2 % ordinary)
		}
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: fmt.Sprintf("%s-%d", d.Name, i%2), Labels: d.Spec.Template.Labels},
			Spec:       d.Spec.Template.Spec,
		}
		if err := c.client.Create(ctx, pod); err != nil {
			return err
		}
		if err := scheduler.SubResource("binding").Create(ctx, pod, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}}); err != nil {
			return err
		}
		before := pod.DeepCopy()
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		return c.client.Status().Patch(ctx, pod, client.MergeFrom(before))
	}))
}
