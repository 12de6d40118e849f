// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

// Verdicts shows the verdicts of every tenant to Prometheus, read from the cache at each scrape: one past its
// validUntil is shown as Unknown, whatever the condition says.
var Verdicts = &VerdictCollector{}

// VerdictCollector is a prometheus.Collector over the tenants of a cache.
type VerdictCollector struct{ reader atomic.Pointer[client.Reader] }

var verdictDesc = prometheus.NewDesc("termintreu_tenant_verdict",
	"1 for the status a compliance condition of a tenant stands at, 0 for the others; Unknown once its evidence is stale.",
	[]string{"namespace", "name", "type", "status"}, nil)

// ReadFrom makes the collector show the tenants of a reader.
func (c *VerdictCollector) ReadFrom(reader client.Reader) { c.reader.Store(&reader) }

// Describe implements prometheus.Collector.
func (c *VerdictCollector) Describe(out chan<- *prometheus.Desc) { out <- verdictDesc }

// Collect implements prometheus.Collector.
func (c *VerdictCollector) Collect(out chan<- prometheus.Metric) {
	reader := c.reader.Load()
	if reader == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	tenants := &v1alpha1.BookingTenantList{}
	if err := (*reader).List(ctx, tenants, client.UnsafeDisableDeepCopy); err != nil {
		out <- prometheus.NewInvalidMetric(verdictDesc, err)
		return
	}
	now := time.Now()
	for i := range tenants.Items {
		tenant := &tenants.Items[i]
		name, namespace := labelPair("name", tenant.Name), labelPair("namespace", tenant.Namespace)
		for kind, stands := range compliance.Standing(&tenant.Status, now) {
			condition := sharedPair("type", kind)
			for _, status := range statuses {
				gauge := no
				if *status.Value == string(stands) {
					gauge = yes
				}
				out <- series{verdictDesc, []*dto.LabelPair{name, namespace, status, condition}, gauge}
			}
		}
	}
}

var statuses = []*dto.LabelPair{
	labelPair("status", string(metav1.ConditionTrue)), labelPair("status", string(metav1.ConditionFalse)), labelPair("status", string(metav1.ConditionUnknown)),
}
