// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/settings"
)

// askEgress puts the answers of a tenant's pods together: what one of them reaches, the tenant reaches. A pod that has just
// started need not answer; when no other does, nothing was measured.
func (r *InstanceReader) askEgress(ctx context.Context, pods []*corev1.Pod) (all compliance.Sample[compliance.Egress]) {
	all.Value.Declared = true
	for _, pod := range pods {
		asked := time.Now()
		report := settings.EgressReport{}
		err := r.fetch(ctx, pod, settings.EgressPath, "its network", &report)
		if err == nil && report.AgeSeconds < 0 {
			err = errors.New("it has not tried its network yet")
		}
		if err != nil {
			if asked.Sub(pod.CreationTimestamp.Time) > settling {
				return compliance.Sample[compliance.Egress]{At: asked, Err: fmt.Errorf("%s: %w", podName(client.ObjectKeyFromObject(pod)), err)}
			}
			continue
		}
		at := measured(asked, report.AgeSeconds)
		if all.At.IsZero() || at.Before(all.At) {
			all.At = at
		}
		if all.Value.Tried == 0 || report.Tried < all.Value.Tried {
			all.Value.Tried = report.Tried
		}
		all.Value.Declared = all.Value.Declared && report.Declared
		all.Value.Open = append(all.Value.Open, report.Open...)
	}
	slices.Sort(all.Value.Open)
	all.Value.Open = slices.Compact(all.Value.Open)
	return all
}
