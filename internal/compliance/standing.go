// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"iter"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Standing gives what a reader may take a tenant's verdicts for at a time: by condition type, the status while the
// verdict is valid, and Unknown once it is not, or where there is none.
func Standing(status *v1alpha1.BookingTenantStatus, now time.Time) iter.Seq2[string, metav1.ConditionStatus] {
	valid := status.Compliance != nil && status.Compliance.ValidUntil != nil && now.Before(status.Compliance.ValidUntil.Time)
	return func(yield func(string, metav1.ConditionStatus) bool) {
		for _, kind := range verdicts {
			stands := metav1.ConditionUnknown
			if c := meta.FindStatusCondition(status.Conditions, kind); c != nil && valid {
				stands = c.Status
			}
			if !yield(kind, stands) {
				return
			}
		}
	}
}

// verdicts are the claims and what they come to.
var verdicts = append(slices.Clone(claimTypes), v1alpha1.ConditionCompliant)
