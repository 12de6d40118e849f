// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

func TestATenantIsLookedAtAgainBeforeItsVerdictRunsOut(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	r := &TenantReconciler{MaxEvidenceAge: 40 * time.Second}
	for name, c := range map[string]struct {
		valid time.Duration
		want  time.Duration
	}{
		"nothing stands":              {0, 20 * time.Second},
		"evidence is fresh":           {39 * time.Second, 20 * time.Second},
		"evidence is half-way stale":  {15 * time.Second, 10 * time.Second},
		"evidence is nearly stale":    {6 * time.Second, 5 * time.Second},
		"the verdict has run out":     {-time.Minute, 5 * time.Second},
		"exactly the half and a bit":  {25 * time.Second, 20 * time.Second},
		"a bit less than half, still": {24 * time.Second, 19 * time.Second},
	} {
		tenant := &v1alpha1.BookingTenant{}
		if c.valid != 0 {
			tenant.Status.Compliance = &v1alpha1.ComplianceStatus{ValidUntil: &metav1.Time{Time: noon.Add(c.valid)}}
		}
		if got := r.renewal(&scope{now: noon, tenant: tenant}); got != c.want {
			t.Errorf("%s: after %s, want %s", name, got, c.want)
		}
	}
}
