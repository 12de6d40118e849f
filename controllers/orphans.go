// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/settings"
)

// askOrphans asks a tenant's pods, which look at the same appointments: the oldest answer is taken, and none counts
// before all have the same catalogue. A pod that has just started need not answer; when no other does, nothing was
// measured.
func (r *InstanceReader) askOrphans(ctx context.Context, pods []*corev1.Pod) (oldest compliance.Sample[compliance.Orphans]) {
	catalogues := map[string]bool{}
	for _, pod := range pods {
		asked, report := time.Now(), settings.OrphansReport{}
		err := r.fetch(ctx, pod, settings.OrphansPath, "its appointments", &report)
		if err == nil && report.AgeSeconds < 0 {
			err = errors.New("it could not count its appointments")
		}
		if err != nil {
			if asked.Sub(pod.CreationTimestamp.Time) > settling {
				return compliance.Sample[compliance.Orphans]{At: asked, Err: fmt.Errorf("%s: %w", podName(client.ObjectKeyFromObject(pod)), err)}
			}
			continue
		}
		catalogues[report.CatalogueHash] = true
		if at := measured(asked, report.AgeSeconds); oldest.At.IsZero() || at.Before(oldest.At) {
			oldest.At = at
			oldest.Value = compliance.Orphans{CatalogueHash: report.CatalogueHash, Appointments: report.Appointments, Found: report.Orphans}
		}
	}
	if len(catalogues) > 1 {
		oldest.Value.CatalogueHash = ""
	}
	return oldest
}
