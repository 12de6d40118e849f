// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/operator"
)

var worlds atomic.Int32

// world is a region with a database of its own, a policy, a namespace of an authority, and a trusted node. Worlds
// share the servers, and see nothing of each other.
type world struct {
	name, namespace string
	region          *v1alpha1.DataRegion
	policy          *v1alpha1.RetentionPolicy
}

// newWorld makes a world; change adjusts region and policy before they are created.
func newWorld(ctx context.Context, change ...func(*v1alpha1.DataRegion, *v1alpha1.RetentionPolicy)) *world {
	GinkgoHelper()
	name := fmt.Sprintf("w%d", worlds.Add(1))
	w := &world{name: name, namespace: name + "-basel", region: newRegion(name), policy: newPolicy(name)}
	w.region.Spec.DatabaseServers[0].Databases = []string{server.NewDatabase(GinkgoTB())}
	for _, c := range change {
		c(w.region, w.policy)
	}
	createNamespace(ctx, w.namespace)
	w.certify(ctx, time.Now(), "*."+w.name+".example.org")
	createNamespace(ctx, w.region.Spec.PlatformNamespace)
	w.node(ctx, "trusted", name)
	Expect(admin.Create(ctx, w.region)).To(Succeed())
	Expect(admin.Create(ctx, w.policy)).To(Succeed())
	// Registered before the operator's own, so that it runs after the operator has stopped.
	DeferCleanup(w.end)
	return w
}

// end takes the world out of the next one's sight.
func (w *world) end(ctx SpecContext) {
	tenants := &v1alpha1.BookingTenantList{}
	Expect(admin.List(ctx, tenants)).To(Succeed())
	for i := range tenants.Items {
		w.discard(ctx, &tenants.Items[i])
	}
	Expect(client.IgnoreNotFound(admin.Delete(ctx, w.region))).To(Succeed())
	w.discardPolicy(ctx)
	Expect(admin.DeleteAllOf(ctx, &corev1.Node{})).To(Succeed())
}

// discardPolicy removes the policy; admission goes by the count of tenants, which a stopped operator no longer brings
// to zero.
func (w *world) discardPolicy(ctx context.Context) {
	live := &v1alpha1.RetentionPolicy{}
	err := admin.Get(ctx, client.ObjectKeyFromObject(w.policy), live)
	if apierrors.IsNotFound(err) {
		return
	}
	Expect(err).NotTo(HaveOccurred())
	before := live.DeepCopy()
	live.Status.Tenants = new(int32)
	Expect(admin.Status().Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
	Expect(admin.Delete(ctx, live)).To(Succeed())
}

// discard removes a tenant without anybody caring for its data.
func (w *world) discard(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(admin.Delete(ctx, tenant))).To(Succeed())
	Eventually(func(g Gomega) {
		live := &v1alpha1.BookingTenant{}
		err := admin.Get(ctx, client.ObjectKeyFromObject(tenant), live)
		if apierrors.IsNotFound(err) {
			return
		}
		g.Expect(err).NotTo(HaveOccurred())
		before := live.DeepCopy()
		live.Finalizers = nil
		g.Expect(client.IgnoreNotFound(admin.Patch(ctx, live, client.MergeFrom(before)))).To(Succeed())
		g.Expect(live.Finalizers).NotTo(BeEmpty(), "look again whether it is gone")
	}).Should(Succeed())
}

func createNamespace(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
}

// node makes a node whose region label has the given value; its name is prefixed with the world's.
func (w *world) node(ctx context.Context, name, value string) *corev1.Node {
	GinkgoHelper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: w.name + "-" + name, Labels: map[string]string{w.region.Spec.Nodes.Label: value},
	}}
	Expect(admin.Create(ctx, node)).To(Succeed())
	return node
}

// database is the world's only one.
func (w *world) database() string { return w.region.Spec.DatabaseServers[0].Databases[0] }

// options of an operator that measures often, so that tests need not wait.
func options() operator.Options {
	return operator.Options{
		Image: "registry.example/termintreu:test", Namespace: system, Workers: 4,
		MeasureInterval: 300 * time.Millisecond, MaxEvidenceAge: 2 * time.Minute,
		MetricsAddress: "0", ProbeAddress: "0", SharedProcess: true,
	}
}

// running is an operator, or a sentinel, in this process.
type running struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// kill ends it at once.
func (r *running) kill() {
	r.cancel()
	<-r.done
}

// startOperator starts an operator under its own rights; it ends with the test or when killed.
func startOperator(change ...func(*operator.Options)) *running {
	GinkgoHelper()
	return startOperatorOn(as("termintreu-operator"), change...)
}

func startOperatorOn(config *rest.Config, change ...func(*operator.Options)) *running {
	GinkgoHelper()
	o := options()
	for _, c := range change {
		c(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := operator.New(ctx, config, o)
	Expect(err).NotTo(HaveOccurred())
	return start(ctx, cancel, mgr)
}

func startSentinel() *running {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := operator.NewSentinel(as("termintreu-sentinel"), options())
	Expect(err).NotTo(HaveOccurred())
	return start(ctx, cancel, mgr)
}

func start(ctx context.Context, cancel context.CancelFunc, mgr manager.Manager) *running {
	r := &running{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer GinkgoRecover()
		defer close(r.done)
		// A killed operator's error is no news.
		if err := mgr.Start(ctx); err != nil && ctx.Err() == nil {
			Fail("the operator ended by itself: " + err.Error())
		}
	}()
	DeferCleanup(r.kill)
	return r
}

// get reads a tenant anew.
func get(ctx context.Context, tenant *v1alpha1.BookingTenant) *v1alpha1.BookingTenant {
	GinkgoHelper()
	live := &v1alpha1.BookingTenant{}
	Expect(admin.Get(ctx, client.ObjectKeyFromObject(tenant), live)).To(Succeed())
	return live
}

// update changes a tenant as its owner would.
func update(ctx context.Context, tenant *v1alpha1.BookingTenant, change func(*v1alpha1.BookingTenant)) {
	GinkgoHelper()
	live := get(ctx, tenant)
	before := live.DeepCopy()
	change(live)
	Expect(admin.Patch(ctx, live, client.MergeFrom(before))).To(Succeed())
}

// eventually waits until a condition has a status for the tenant's newest generation, and gives it.
func eventually(ctx context.Context, tenant *v1alpha1.BookingTenant, kind string, status metav1.ConditionStatus, also ...func(Gomega, *metav1.Condition)) *metav1.Condition {
	GinkgoHelper()
	var found *metav1.Condition
	Eventually(func(g Gomega) {
		live := &v1alpha1.BookingTenant{}
		g.Expect(admin.Get(ctx, client.ObjectKeyFromObject(tenant), live)).To(Succeed())
		found = meta.FindStatusCondition(live.Status.Conditions, kind)
		g.Expect(found).NotTo(BeNil(), "condition %s of %v", kind, live.Status.Conditions)
		g.Expect(found.Status).To(Equal(status), "%s of %v", kind, live.Status.Conditions)
		g.Expect(found.ObservedGeneration).To(Equal(live.Generation))
		g.Expect(live.Status.ObservedGeneration).To(Equal(live.Generation))
		for _, check := range also {
			check(g, found)
		}
	}).Should(Succeed())
	return found
}

// saying expects words in a condition's message.
func saying(words ...string) func(Gomega, *metav1.Condition) {
	return func(g Gomega, c *metav1.Condition) {
		for _, word := range words {
			g.Expect(c.Message).To(ContainSubstring(word))
		}
	}
}
