// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// noticeGrace is how long a new plan may take to reach the site: the kubelet refreshes a ConfigMap within two minutes,
// and the site looks for a new one every few seconds.
const noticeGrace = 3 * time.Minute

// Notice is what the booking site was found to publish.
type Notice struct {
	// PlanHash of the plan the site says it serves.
	PlanHash string
	// ContentHash of the notice it publishes, by plan.Hash.
	ContentHash string
	// PlannedSince is when the present plan was first seen.
	PlannedSince time.Time
}

// notice: what the site publishes is what the operator enforces (invariant 8; B9, A17).
func notice(p *plan.Plan, e *Evidence, clock Clock) Finding {
	f := Finding{Type: v1alpha1.ConditionNoticeConsistent}
	if !fresh(*e.Notice, "the notice the site publishes", &f, clock) {
		return f
	}
	published, planned := e.Notice.Value, &p.Instance.Settings
	switch {
	case published.PlanHash == planned.PlanHash && published.ContentHash == plan.Hash(planned.Notice):
		f.Status, f.Reason = metav1.ConditionTrue, v1alpha1.ReasonMeasured
		f.Message = fmt.Sprintf("the site publishes the notice of %s, made from the plan in force", planned.Notice.Date)
	case clock.Now.Sub(published.PlannedSince) <= noticeGrace:
		f.Status, f.Reason = metav1.ConditionUnknown, v1alpha1.ReasonNoticeRolling
		f.Message = "the plan has just changed and the site still publishes the notice of the one before"
	case published.PlanHash != planned.PlanHash:
		f.fail(v1alpha1.ReasonNoticeDiffers, "the site publishes the notice of another plan than the one in force: see the log of its pods for settings it refused")
	default:
		f.fail(v1alpha1.ReasonNoticeDiffers, "the site says it serves the plan in force, but the notice it publishes says something else: is the Service led astray, or the release of the site older?")
	}
	return f
}
