// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Standing is what a reader may take a tenant's verdicts for at a time: by condition type, the status while the
// verdict is valid, and Unknown once it is not, or where there is none.
func Standing(status *v1alpha1.BookingTenantStatus, now time.Time) map[string]metav1.ConditionStatus {
	valid := status.Compliance != nil && status.Compliance.ValidUntil != nil && now.Before(status.Compliance.ValidUntil.Time)
	standing := map[string]metav1.ConditionStatus{}
	for _, f := range Expire("") {
		standing[f.Type] = metav1.ConditionUnknown
		if c := meta.FindStatusCondition(status.Conditions, f.Type); c != nil && valid {
			standing[f.Type] = c.Status
		}
	}
	return standing
}
