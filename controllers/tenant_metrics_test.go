// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
)

// scraped gives what Prometheus' own parser reads of what is written: the value of each series, by its name and the
// values of the labels that are asked for.
func scraped(t *testing.T, write func(*exposition), labels ...string) map[string]float64 {
	t.Helper()
	text := &bytes.Buffer{}
	e := newExposition(text)
	write(e)
	if err := e.out.Flush(); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, family := range families {
		if family.GetType() != dto.MetricType_GAUGE || family.GetHelp() == "" {
			t.Errorf("%s is a %s told of as %q", name, family.GetType(), family.GetHelp())
		}
		for _, metric := range family.GetMetric() {
			series := []string{name}
			for _, label := range labels {
				for _, pair := range metric.GetLabel() {
					if pair.GetName() == label {
						series = append(series, pair.GetValue())
					}
				}
			}
			key := strings.Join(series, " ")
			if _, twice := values[key]; twice {
				t.Errorf("%s was written twice", key)
			}
			values[key] = metric.GetGauge().GetValue()
		}
	}
	return values
}

// Invariant 7: zero is a claim, so that what is unknown has no series at all.
func TestMetricsShowWhatWasMeasuredAndNothingElse(t *testing.T) {
	key := plan.DatabaseKey{Region: "ch", Server: "pg-1", Database: "appointments_1"}
	record := evidence.Record{
		Tenant: types.NamespacedName{Namespace: "basel", Name: "site"}, DataID: "t1",
		Retention: compliance.Retention{Categories: []compliance.Category{
			{Category: v1alpha1.CategoryContact, Period: time.Hour, Overdue: 3},
			{Category: v1alpha1.CategoryMessage},
		}},
	}
	book := evidence.NewBook(func(string) {})
	shown := func() map[string]float64 {
		return scraped(t, func(e *exposition) { writeRetention(e, book.Audits(), time.Now(), time.Hour) }, "namespace", "name", "data_id", "category")
	}
	put := func(at time.Time, err error, records map[string]evidence.Record) map[string]float64 {
		book.PutAudit(key, evidence.Audit{At: at, Err: err, Records: records})
		return shown()
	}
	records := map[string]evidence.Record{"t1": record}
	fresh := put(time.Now(), nil, records)
	if fresh["termintreu_retention_overdue basel site t1 Contact"] != 3 ||
		!math.IsNaN(fresh["termintreu_retention_oldest_seconds basel site t1 Contact"]) || len(fresh) != 3 {
		t.Errorf("measured just now: %v", fresh)
	}

	ran, oldest := time.Now().Add(-time.Minute), time.Now().Add(-time.Hour)
	record.Retention.Categories = []compliance.Category{{Category: v1alpha1.CategoryContact, Period: time.Hour, Oldest: &oldest, LastRun: &ran, Removed: 7}}
	purged := put(time.Now(), nil, map[string]evidence.Record{"t1": record})
	if purged["termintreu_retention_removed basel site t1 Contact"] != 7 ||
		purged["termintreu_retention_last_run_timestamp_seconds basel site t1 Contact"] != float64(ran.Unix()) ||
		purged["termintreu_retention_oldest_seconds basel site t1 Contact"] < time.Hour.Seconds() || len(purged) != 5 {
		t.Errorf("after a purge: %v", purged)
	}

	unreadable := record
	unreadable.Err = errors.New("no such schema")
	for name, values := range map[string]map[string]float64{
		"measured too long ago":     put(time.Now().Add(-2*time.Hour), nil, records),
		"the measurement failed":    put(time.Now(), errors.New("no route"), nil),
		"the schema was unreadable": put(time.Now(), nil, map[string]evidence.Record{"t1": unreadable}),
		"the tenant's data is gone": put(time.Now(), nil, map[string]evidence.Record{}),
	} {
		if len(values) != 0 {
			t.Errorf("%s: %v, want no series", name, values)
		}
	}
}

func TestMetricsShowAVerdictAsItStands(t *testing.T) {
	now := time.Now()
	tenant := v1alpha1.BookingTenant{ObjectMeta: metav1.ObjectMeta{Namespace: "basel", Name: "site"}}
	tenant.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionCompliant, Status: metav1.ConditionTrue}}
	for name, test := range map[string]struct {
		until time.Time
		want  metav1.ConditionStatus
	}{
		"while it is valid":         {now.Add(time.Minute), metav1.ConditionTrue},
		"when its evidence is past": {now.Add(-time.Minute), metav1.ConditionUnknown},
	} {
		tenant.Status.Compliance = &v1alpha1.ComplianceStatus{ValidUntil: &metav1.Time{Time: test.until}}
		values := scraped(t, func(e *exposition) { writeVerdicts(e, []v1alpha1.BookingTenant{tenant}, now) }, "namespace", "name", "type", "status")
		for _, status := range statuses {
			want := 0.0
			if status == test.want {
				want = 1
			}
			if got, found := values["termintreu_tenant_verdict basel site Compliant "+string(status)]; !found || got != want {
				t.Errorf("%s, %s: %v (%t), want %v", name, status, got, found, want)
			}
			if got := values["termintreu_tenant_verdict basel site ResidencyEnforced "+string(status)]; (got == 1) != (status == metav1.ConditionUnknown) {
				t.Errorf("%s: a verdict there is none of is %s: %v", name, status, got)
			}
		}
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	const odd = "a \"quoted\" back\\slash\nin two lines, ü"
	values := scraped(t, func(e *exposition) {
		e.family("odd", "Odd labels.")
		e.series("odd", 1, "a", odd, "b", "plain")
	}, "a", "b")
	if values["odd "+odd+" plain"] != 1 {
		t.Errorf("read back: %v", values)
	}
}
