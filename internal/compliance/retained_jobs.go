// SPDX-License-Identifier: Apache-2.0

package compliance

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// maxKeptIncidents bounds the history of one removed tenant.
const maxKeptIncidents = 4

// KeptJob is a CronJob a removed tenant still needs, as it was found before anything was mended.
type KeptJob struct {
	// What it is, such as "CronJob termintreu-ch/tabc-retention", and the namespace it lies in.
	What, Where               string
	Missing, Suspended, Bound bool
}

// Kept judges the jobs of a removed tenant and where its pods run (invariants 1 and 4).
func Kept(region *plan.Region, jobs []KeptJob, pods []Placement) Finding {
	f := Finding{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonMeasured}
	for _, job := range jobs {
		switch {
		case job.Missing:
			f.violate(job.What, job.Where, v1alpha1.ReasonJobMissing, "%s was deleted, and the data of a removed tenant needs it: it is made again", job.What)
		case job.Suspended:
			f.violate(job.What, job.Where, v1alpha1.ReasonJobSuspended, "%s was suspended, and the data of a removed tenant needs it: it is set going again", job.What)
		}
		if !job.Missing && !job.Bound {
			f.violate(job.What, job.Where, v1alpha1.ReasonPlacementUnenforced, "%s does not require the nodes of region %s: it is applied again", job.What, region.Name)
		}
	}
	for i := range pods {
		pod := &pods[i]
		if pod.Foreign(region) {
			f.violate(pod.What, pod.Node, v1alpha1.ReasonForeignNode, "%s", foreignInWords(pod, region))
		}
	}
	return f
}

func foreignInWords(pod *Placement, region *plan.Region) string {
	return fmt.Sprintf("%s of a removed tenant runs on node %s (%s=%s), which region %s does not trust", pod.What, pod.Node, region.NodeLabel, pod.NodeValue, region.Name)
}

// ShortHistory is a history short enough to stand beside others.
func ShortHistory(h History) []v1alpha1.Incident { return newest(h.All, maxKeptIncidents) }
