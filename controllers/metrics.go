// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	auditSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "termintreu_audit_duration_seconds", Help: "Time one audit of one database took.",
		Buckets: []float64{.01, .03, .1, .3, 1, 3, 10},
	}, []string{"region", "server", "database"})
	listSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "termintreu_store_listing_duration_seconds", Help: "Time one listing of one store took.",
		Buckets: []float64{.01, .03, .1, .3, 1, 3, 10, 30},
	}, []string{"region", "store"})
)

func init() {
	metrics.Registry.MustRegister(auditSeconds, listSeconds, statusWrites, wallTrials)
}

// statusWrites counts status patches, since in steady state there must be none but renewals (invariant 9).
var statusWrites = prometheus.NewCounter(prometheus.CounterOpts{
	Name: "termintreu_tenant_status_writes_total", Help: "Status patches of BookingTenants.",
})

// wallTrials counts dry-run bindings, which are requests that write nothing.
var wallTrials = prometheus.NewCounter(prometheus.CounterOpts{
	Name: "termintreu_admission_trials_total", Help: "Dry-run bindings sent to see the admission policies refuse them.",
})
