// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/termintreu/termintreu/internal/evidence"
)

// retentionMetrics shows the audit of every schema to Prometheus at each scrape.
var retentionMetrics = &RetentionCollector{}

func init() { metrics.Registry.MustRegister(retentionMetrics) }

// ShowRetention makes the metrics of retention show a book whose evidence proves nothing after maxAge.
func ShowRetention(book *evidence.Book, maxAge time.Duration) {
	retentionMetrics.readFrom(book, maxAge)
}

// RetentionCollector is a prometheus.Collector over the book of evidence. What was not measured, or too long ago, has
// no series: zero would be a claim (invariant 7). A tenant whose data is gone has none either.
type RetentionCollector struct {
	source atomic.Pointer[retentionSource]
}

type retentionSource struct {
	book   *evidence.Book
	maxAge time.Duration
}

func (c *RetentionCollector) readFrom(book *evidence.Book, maxAge time.Duration) {
	c.source.Store(&retentionSource{book, maxAge})
}

// The data ID tells two tenants apart that had the same name one after the other, while the first one's data is kept.
var retentionLabels = []string{"namespace", "name", "data_id", "category"}

var (
	retentionOverdue = prometheus.NewDesc("termintreu_retention_overdue",
		"Records past period and tolerance; absent when unknown.", retentionLabels, nil)
	retentionOldest = prometheus.NewDesc("termintreu_retention_oldest_seconds",
		"Age of the oldest record by its start event; NaN when there is none, absent when unknown.", retentionLabels, nil)
	retentionRemoved = prometheus.NewDesc("termintreu_retention_removed",
		"Records the last finished purge removed; absent when none ever finished.", retentionLabels, nil)
	retentionLastRun = prometheus.NewDesc("termintreu_retention_last_run_timestamp_seconds",
		"When the last purge finished; absent when none ever did.", retentionLabels, nil)
	retentionHeld = prometheus.NewDesc("termintreu_retention_held",
		"Holds on records: restrictions and abuse cases; absent when unknown.", retentionLabels, nil)
)

// Describe implements prometheus.Collector.
func (c *RetentionCollector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{retentionOverdue, retentionOldest, retentionRemoved, retentionLastRun, retentionHeld} {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *RetentionCollector) Collect(out chan<- prometheus.Metric) {
	source := c.source.Load()
	if source == nil {
		return
	}
	now := time.Now()
	source.book.EachRecord(func(record evidence.Record, at time.Time, err error) {
		if err != nil || now.Sub(at) > source.maxAge {
			return
		}
		name, namespace, dataID := labelPair("name", record.Tenant.Name), labelPair("namespace", record.Tenant.Namespace), labelPair("data_id", record.DataID)
		for i := range record.Retention.Categories {
			category := &record.Retention.Categories[i]
			if category.Period == 0 && category.Rows == 0 {
				continue
			}
			labels := []*dto.LabelPair{sharedPair("category", string(category.Category)), dataID, name, namespace}
			show := func(desc *prometheus.Desc, value float64) { out <- series{desc, labels, gaugeOf(value)} }
			show(retentionOverdue, float64(category.Overdue))
			show(retentionHeld, float64(category.Held))
			if category.Oldest != nil {
				show(retentionOldest, now.Sub(*category.Oldest).Seconds())
			} else {
				show(retentionOldest, math.NaN())
			}
			if category.LastRun != nil {
				show(retentionRemoved, float64(category.Removed))
				show(retentionLastRun, float64(category.LastRun.Unix()))
			}
		}
	})
}
