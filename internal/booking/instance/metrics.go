// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/termintreu/termintreu/internal/settings"
)

const readyTimeout = 2 * time.Second

// metrics count; no label ever holds anything a citizen sent.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	bookings *prometheus.CounterVec
	mails    *prometheus.CounterVec
	dropped  prometheus.Counter
	// orphans has no labels; as a vector it is absent until it was counted.
	orphans *prometheus.GaugeVec
	// served is every request to the site, for those who must not disturb one.
	served atomic.Int64
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "termintreu_http_requests_total",
			Help: "Requests to the booking site by route pattern."}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "termintreu_http_request_duration_seconds",
			Help: "Time to answer by route pattern.", Buckets: []float64{.005, .025, .1, .5, 2}}, []string{"route"}),
		bookings: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "termintreu_bookings_total",
			Help: "What happened to bookings: held, taken, confirmed, cancelled, expired."}, []string{"event"}),
		mails: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "termintreu_mails_total",
			Help: "Mails by result: sent, retried, failed, dropped."}, []string{"result"}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "termintreu_access_log_dropped_total",
			Help: "Lines of the access log dropped because they came faster than they could be written."}),
		orphans: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "termintreu_orphaned_appointments",
			Help: "Confirmed appointments ahead whose office, service, channel, counter or hours the catalogue no longer has."}, nil),
	}
	m.registry.MustRegister(m.requests, m.duration, m.bookings, m.mails, m.dropped, m.orphans,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) observe(method, route string, status int, took time.Duration) {
	m.served.Add(1)
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

func (m *metrics) booked(event string)   { m.bookings.WithLabelValues(event).Inc() }
func (m *metrics) mailed(outcome string) { m.mails.WithLabelValues(outcome).Inc() }

// internalHandler serves what kubelet and Prometheus ask, on a port no citizen reaches.
func internalHandler(m *metrics, network, left http.Handler, draining *atomic.Bool, ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.Handle("GET "+settings.EgressPath, network)
	mux.Handle("GET "+settings.OrphansPath, left)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if draining.Load() {
			answer(w, http.StatusServiceUnavailable, "shutting down")
			return
		}
		if err := ready(ctx); err != nil {
			answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": text})
}
