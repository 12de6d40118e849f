// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"iter"
	"math"
	"net/http"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
)

// TenantMetricsPath is where TenantMetrics are served, beside /metrics, which tells of the operator itself.
const TenantMetricsPath = "/metrics/tenants"

// TenantMetrics shows Prometheus what stands of every tenant. Series are written as they are read: a thousand tenants
// have a hundred thousand, and a registry gathers all of them in memory before it writes the first.
type TenantMetrics struct {
	// Tenants are read from the cache.
	Tenants client.Reader
	Book    *evidence.Book
	// MaxAge of evidence that still proves something.
	MaxAge time.Duration
	Now    func() time.Time
}

// ServeHTTP implements http.Handler.
func (m *TenantMetrics) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	tenants := &v1alpha1.BookingTenantList{}
	if err := m.Tenants.List(q.Context(), tenants, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.Log.WithName("metrics").Error(err, "tenants could not be listed")
		http.Error(w, "the tenants could not be listed; the operator's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", expositionType)
	e, now := newExposition(w), m.Now()
	writeVerdicts(e, tenants.Items, now)
	writeRetention(e, m.Book.Audits(), now, m.MaxAge)
	// Whoever hung up needs no answer.
	_ = e.out.Flush()
}

// writeVerdicts as they stand: one past its validUntil is Unknown, whatever the condition says.
func writeVerdicts(e *exposition, tenants []v1alpha1.BookingTenant, now time.Time) {
	const name = "termintreu_tenant_verdict"
	e.family(name, "1 for the status a compliance condition of a tenant stands at, 0 for the others; Unknown once its evidence is stale.")
	for i := range tenants {
		tenant := &tenants[i]
		for kind, stands := range compliance.Standing(&tenant.Status, now) {
			for _, status := range statuses {
				value := 0.0
				if status == stands {
					value = 1
				}
				e.series(name, value, "namespace", tenant.Namespace, "name", tenant.Name, "type", kind, "status", string(status))
			}
		}
	}
}

var statuses = []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown}

// retentionFamily is a figure of each category of personal data in each schema.
type retentionFamily struct {
	name, help string
	// value at a time; false where there is none, since zero would be a claim.
	value func(category *compliance.Category, now time.Time) (value float64, known bool)
}

var retentionFamilies = []retentionFamily{
	{"termintreu_retention_overdue", "Records past period and tolerance; absent when unknown.",
		func(c *compliance.Category, _ time.Time) (float64, bool) { return float64(c.Overdue), true }},
	{"termintreu_retention_held", "Holds on records: restrictions and abuse cases; absent when unknown.",
		func(c *compliance.Category, _ time.Time) (float64, bool) { return float64(c.Held), true }},
	{"termintreu_retention_oldest_seconds", "Age of the oldest record by its start event; NaN when there is none, absent when unknown.",
		func(c *compliance.Category, now time.Time) (float64, bool) {
			if c.Oldest == nil {
				return math.NaN(), true
			}
			return now.Sub(*c.Oldest).Seconds(), true
		}},
	{"termintreu_retention_removed", "Records the last finished purge removed; absent when none ever finished.",
		func(c *compliance.Category, _ time.Time) (float64, bool) { return float64(c.Removed), c.LastRun != nil }},
	{"termintreu_retention_last_run_timestamp_seconds", "When the last purge finished; absent when none ever did.",
		func(c *compliance.Category, _ time.Time) (float64, bool) {
			if c.LastRun == nil {
				return 0, false
			}
			return float64(c.LastRun.Unix()), true
		}},
}

// writeRetention of every schema.
func writeRetention(e *exposition, audits []evidence.Audit, now time.Time, maxAge time.Duration) {
	found := counted(audits, now, maxAge)
	for i := range retentionFamilies {
		retentionFamilies[i].write(e, found, now)
	}
}

// write the family from what was counted. The data ID tells two tenants apart that had the same name one after the other,
// while the first one's data is kept.
func (f *retentionFamily) write(e *exposition, counted iter.Seq2[*evidence.Record, *compliance.Category], now time.Time) {
	e.family(f.name, f.help)
	for record, category := range counted {
		if value, known := f.value(category, now); known {
			e.series(f.name, value, "namespace", record.Tenant.Namespace, "name", record.Tenant.Name,
				"data_id", record.DataID, "category", string(category.Category))
		}
	}
}

// counted are the categories of every schema that have a rule or a record, by the audits. What was not measured, or longer
// than maxAge ago, has none (invariant 7); a tenant whose data is gone has none either.
func counted(audits []evidence.Audit, now time.Time, maxAge time.Duration) iter.Seq2[*evidence.Record, *compliance.Category] {
	return func(yield func(*evidence.Record, *compliance.Category) bool) {
		for _, audit := range audits {
			if audit.Err != nil || now.Sub(audit.At) > maxAge {
				continue
			}
			for _, record := range audit.Records {
				if record.Err != nil {
					continue
				}
				for i := range record.Retention.Categories {
					category := &record.Retention.Categories[i]
					if (category.Period != 0 || category.Rows != 0) && !yield(&record, category) {
						return
					}
				}
			}
		}
	}
}
