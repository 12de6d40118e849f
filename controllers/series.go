// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// series is a gauge that shares its label pairs with others. A fleet of a thousand tenants has a hundred thousand series,
// which prometheus.NewConstMetric would give as many copies of the same words at each scrape.
type series struct {
	desc *prometheus.Desc
	// labels are sorted by name.
	labels []*dto.LabelPair
	gauge  *dto.Gauge
}

// Desc implements prometheus.Metric.
func (s series) Desc() *prometheus.Desc { return s.desc }

// Write implements prometheus.Metric.
func (s series) Write(out *dto.Metric) error {
	out.Label, out.Gauge = s.labels, s.gauge
	return nil
}

// sharedPair gives the one pair of a name and a value of which there are few: a condition's type, a category.
func sharedPair(name, value string) *dto.LabelPair {
	type word struct{ name, value string }
	pair, found := sharedPairs.Load(word{name, value})
	if !found {
		pair, _ = sharedPairs.LoadOrStore(word{name, value}, labelPair(name, value))
	}
	return pair.(*dto.LabelPair) //nolint:forcetypeassert // nothing else is stored
}

var sharedPairs sync.Map

func labelPair(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

// Nearly all values of a fleet that keeps its promises are one of these.
var (
	none = &dto.Gauge{Value: new(math.NaN())}
	no   = &dto.Gauge{Value: new(0.0)}
	yes  = &dto.Gauge{Value: new(1.0)}
)

func gaugeOf(value float64) *dto.Gauge {
	switch {
	case math.IsNaN(value):
		return none
	case value == 0:
		return no
	case value == 1:
		return yes
	}
	return &dto.Gauge{Value: &value}
}
