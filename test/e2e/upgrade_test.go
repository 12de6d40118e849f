// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/cluster"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/serving"
)

var _ = Describe("A rolling upgrade of a region's nodes", Label("tamper"), func() {
	It("raises no alarm, and a site of two replicas answers throughout", func(ctx SpecContext) {
		settled(ctx, basel)
		incidents := tenantOf(ctx, basel).Status.Residency.Incidents
		DeferCleanup(func(ctx SpecContext) {
			for _, node := range []string{"ch-1", "ch-2"} {
				rejoin(ctx, node)
			}
		})
		start, watched := time.Now(), visit(ctx, basel)
		for _, node := range []string{"ch-1", "ch-2"} {
			cordon(ctx, node)
			drain(ctx, node)
			Expect(kube.Delete(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}})).To(Succeed())
			rejoin(ctx, node)
			available(ctx, basel, 2)
		}
		asked, failures, alarms := watched.end()
		noticed(fmt.Sprintf("rolling upgrade of two nodes: %d requests, %d not answered", asked, len(failures)), start)
		// Few enough for a busy machine, enough to meet every step of both nodes.
		Expect(asked).To(BeNumerically(">", 20))
		Expect(failures).To(BeEmpty())
		Expect(alarms).To(BeEmpty())
		settled(ctx, basel)
		Expect(tenantOf(ctx, basel).Status.Residency.Incidents).To(HaveLen(len(incidents)), "an incident was opened")
	})
})

// watched is a site that is asked again and again, and its verdict looked at.
type watched struct {
	stop  context.CancelFunc
	ended sync.WaitGroup
	mu    sync.Mutex
	asked int
	// failures are requests that were not answered well, alarms verdicts of False.
	failures, alarms []string
}

// visit asks through the Service, each time over a new connection, as ingresses do; the region's own ingress has one
// replica and is drained, too.
func visit(ctx context.Context, name types.NamespacedName) *watched {
	GinkgoHelper()
	at, service, secret := client.ObjectKey{Namespace: name.Namespace, Name: name.Name + "-booking"}, &corev1.Service{}, &corev1.Secret{}
	Expect(kube.Get(ctx, at, service)).To(Succeed())
	Expect(kube.Get(ctx, at, secret)).To(Succeed())
	roots := x509.NewCertPool()
	Expect(roots.AppendCertsFromPEM(secret.Data[serving.AuthorityKey])).To(BeTrue())
	address := "https://" + net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(resources.PortService)) + "/"
	host := string(tenantOf(ctx, name).Spec.Instance.Hosts[0])
	visitor := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DialContext: installation.Cluster.Dial, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: at.Name + "." + at.Namespace + ".svc", MinVersion: tls.VersionTLS13},
	}}
	w := &watched{}
	ctx, w.stop = context.WithCancel(ctx)
	w.every(ctx, 100*time.Millisecond, func() {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err == nil {
			request.Host = host
			var response *http.Response
			if response, err = visitor.Do(request); err == nil {
				_ = response.Body.Close()
				if response.StatusCode >= http.StatusInternalServerError {
					err = fmt.Errorf("it answers %s", response.Status)
				}
			}
		}
		w.note(ctx, func() {
			w.asked++
			if err != nil {
				w.failures = append(w.failures, time.Now().Format(time.TimeOnly)+" "+err.Error())
			}
		})
	})
	w.every(ctx, glance, func() {
		tenant := &v1alpha1.BookingTenant{}
		if kube.Get(ctx, name, tenant) != nil {
			return
		}
		if claim := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionResidencyEnforced); claim.Status == metav1.ConditionFalse {
			w.note(ctx, func() { w.alarms = append(w.alarms, claim.Message) })
		}
	})
	DeferCleanup(w.end)
	return w
}

func (w *watched) every(ctx context.Context, interval time.Duration, do func()) {
	w.ended.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				do()
			}
		}
	})
}

// note counts what was seen before the end; what the end itself broke off is no failure.
func (w *watched) note(ctx context.Context, seen func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() == nil {
		seen()
	}
}

func (w *watched) end() (asked int, failures, alarms []string) {
	w.stop()
	w.ended.Wait()
	return w.asked, w.failures, slices.Compact(w.alarms)
}

func cordon(ctx context.Context, name string) {
	GinkgoHelper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	Expect(kube.Patch(ctx, node, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"unschedulable":true}}`)))).To(Succeed())
}

// drain evicts every pod of a node, as kubectl does, and waits until it is empty.
func drain(ctx context.Context, node string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		pods := &corev1.PodList{}
		g.Expect(kube.List(ctx, pods, client.MatchingFields{"spec.nodeName": node})).To(Succeed())
		for i := range pods.Items {
			if pods.Items[i].DeletionTimestamp == nil {
				// What a budget blocks is asked for again.
				asked, cancel := context.WithTimeout(ctx, time.Second)
				_ = kube.SubResource("eviction").Create(asked, &pods.Items[i], &policyv1.Eviction{})
				cancel()
			}
		}
		g.Expect(pods.Items).To(BeEmpty())
	}).WithContext(ctx).Should(Succeed())
}

// rejoin makes a node a member again, if it is none, with the labels its administrator gives it.
func rejoin(ctx context.Context, name string) {
	GinkgoHelper()
	node := &corev1.Node{}
	if err := kube.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
		Expect(installation.Cluster.RestartKubelet(name)).To(Succeed())
	}
	Eventually(func(g Gomega) {
		g.Expect(kube.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
		g.Expect(node.Status.Conditions).To(ContainElement(And(HaveField("Type", corev1.NodeReady), HaveField("Status", corev1.ConditionTrue))))
	}).WithContext(ctx).Should(Succeed())
	for _, spec := range cluster.DefaultSpec(*dir).Nodes {
		if spec.Name != name {
			continue
		}
		for key, value := range spec.Labels {
			if node.Labels[key] != value {
				labelNode(ctx, name, key, value)
			}
		}
	}
	if node.Spec.Unschedulable {
		Expect(kube.Patch(ctx, node, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"unschedulable":null}}`)))).To(Succeed())
	}
}

// available waits until every replica of a site answers.
func available(ctx context.Context, name types.NamespacedName, replicas int32) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		site := &appsv1.Deployment{}
		g.Expect(kube.Get(ctx, client.ObjectKey{Namespace: name.Namespace, Name: name.Name + "-booking"}, site)).To(Succeed())
		g.Expect(site.Status.AvailableReplicas).To(Equal(replicas))
	}).WithContext(ctx).Should(Succeed())
}
