// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// statusWatch sees every status any tenant ever had and holds it against kstatus: tools like Flux and Argo CD read
// nothing else.
type statusWatch struct {
	stop func()

	mu    sync.Mutex
	found []string
}

func watchStatuses(c client.WithWatch) *statusWatch {
	ctx, cancel := context.WithCancel(context.Background())
	watcher, err := c.Watch(ctx, &v1alpha1.BookingTenantList{})
	Expect(err).NotTo(HaveOccurred())
	w := &statusWatch{}
	done := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(done)
		for event := range watcher.ResultChan() {
			if tenant, ok := event.Object.(*v1alpha1.BookingTenant); ok && event.Type != watch.Deleted {
				w.look(tenant)
			}
		}
	}()
	w.stop = func() {
		cancel()
		watcher.Stop()
		<-done
	}
	return w
}

func (w *statusWatch) look(tenant *v1alpha1.BookingTenant) {
	for _, fault := range faults(tenant) {
		w.mu.Lock()
		w.found = append(w.found, fmt.Sprintf("%s/%s at resource version %s: %s", tenant.Namespace, tenant.Name, tenant.ResourceVersion, fault))
		w.mu.Unlock()
	}
}

// violations gives what was found since the last call.
func (w *statusWatch) violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := w.found
	w.found = nil
	return found
}

// faults of one status. Ready is True, or False with a reason to wait or to mend; Reconciling and Stalled stand only
// while True and never together; nothing speaks of a generation that was not observed.
func faults(tenant *v1alpha1.BookingTenant) (found []string) {
	conditions := tenant.Status.Conditions
	if len(conditions) == 0 {
		return nil
	}
	ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
	reconciling := meta.FindStatusCondition(conditions, v1alpha1.ConditionReconciling)
	stalled := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled)
	for _, abnormal := range []*metav1.Condition{reconciling, stalled} {
		if abnormal != nil && abnormal.Status != metav1.ConditionTrue {
			found = append(found, abnormal.Type+" stands though it is "+string(abnormal.Status))
		}
	}
	switch {
	case ready == nil:
		found = append(found, "Ready is missing")
	case ready.Status == metav1.ConditionTrue && (reconciling != nil || stalled != nil):
		found = append(found, "Ready is True beside Reconciling or Stalled")
	case ready.Status == metav1.ConditionFalse && reconciling == nil && stalled == nil:
		found = append(found, "Ready is False, and neither Reconciling nor Stalled says why")
	case ready.ObservedGeneration != tenant.Status.ObservedGeneration:
		found = append(found, "Ready speaks of another generation than observedGeneration")
	}
	if reconciling != nil && stalled != nil {
		found = append(found, "Reconciling and Stalled stand together")
	}
	for _, c := range conditions {
		if c.Reason == "" || c.ObservedGeneration > tenant.Generation {
			found = append(found, c.Type+" lacks a reason or observed a generation that does not exist")
		}
	}
	if tenant.Status.ObservedGeneration == 0 || tenant.Status.ObservedGeneration > tenant.Generation {
		found = append(found, fmt.Sprintf("observedGeneration is %d of %d", tenant.Status.ObservedGeneration, tenant.Generation))
	}
	return found
}
