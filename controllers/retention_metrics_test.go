// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
)

// shown gives the value of each series of a category.
func shown(t *testing.T, book *evidence.Book) map[string]float64 {
	t.Helper()
	collector := &RetentionCollector{}
	collector.readFrom(book, time.Hour)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			values[family.GetName()] = metric.GetGauge().GetValue()
		}
	}
	return values
}

// Invariant 7: zero is a claim, so that what is unknown has no series at all.
func TestMetricsShowWhatWasMeasuredAndNothingElse(t *testing.T) {
	key := plan.DatabaseKey{Region: "ch", Server: "pg-1", Database: "appointments_1"}
	record := evidence.Record{
		Tenant: types.NamespacedName{Namespace: "basel", Name: "site"}, DataID: "t1",
		Retention: compliance.Retention{Categories: []compliance.Category{{Category: v1alpha1.CategoryContact, Period: time.Hour, Overdue: 3}}},
	}
	book := evidence.NewBook(func(string) {})
	put := func(at time.Time, err error, records map[string]evidence.Record) map[string]float64 {
		book.PutAudit(key, evidence.Audit{At: at, Err: err, Records: records})
		return shown(t, book)
	}
	records := map[string]evidence.Record{"t1": record}
	fresh := put(time.Now(), nil, records)
	if fresh["termintreu_retention_overdue"] != 3 || !math.IsNaN(fresh["termintreu_retention_oldest_seconds"]) {
		t.Errorf("measured just now: %v", fresh)
	}
	if _, ran := fresh["termintreu_retention_last_run_timestamp_seconds"]; ran {
		t.Error("a purge that never ran has a time")
	}
	for name, values := range map[string]map[string]float64{
		"measured too long ago":     put(time.Now().Add(-2*time.Hour), nil, records),
		"the measurement failed":    put(time.Now(), errors.New("no route"), nil),
		"the tenant's data is gone": put(time.Now(), nil, map[string]evidence.Record{}),
	} {
		if len(values) != 0 {
			t.Errorf("%s: %v, want no series", name, values)
		}
	}
}
