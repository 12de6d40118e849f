// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

// lookAtFront enters the nodes the pods of the region's ingress run on: it terminates TLS, so it sees every form (B4).
// They are no objects of ours, and so are listed, not watched.
func (m *Measurer) lookAtFront(ctx context.Context, region *v1alpha1.DataRegion) {
	ingress := region.Spec.Ingress
	if ingress == nil {
		return
	}
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	found, err := m.placesOf(ctx, ingress.Namespace, &ingress.PodSelector, region.Spec.Nodes.Label)
	if err != nil {
		log.FromContext(ctx).Error(err, "looking for the pods of the ingress failed", "region", region.Name)
	}
	m.Book.PutFront(region.Name, compliance.Sample[[]compliance.Placement]{Value: found, At: started, Err: err})
}

// placesOf gives where pods that are not ours run, sorted.
func (m *Measurer) placesOf(ctx context.Context, namespace string, selector *metav1.LabelSelector, label string) ([]compliance.Placement, error) {
	matching, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, fmt.Errorf("reading the selector of pods in namespace %s: %w", namespace, err)
	}
	pods := &corev1.PodList{}
	if err := m.Pods.List(ctx, pods, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: matching}); err != nil {
		return nil, fmt.Errorf("listing pods in namespace %s: %w", namespace, err)
	}
	var found []compliance.Placement
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Spec.NodeName == "" || finished(pod) {
			continue
		}
		value, err := placeOf(ctx, m.Client, pod, label)
		if err != nil {
			return nil, err
		}
		found = append(found, compliance.Placement{What: podName(client.ObjectKeyFromObject(pod)), Bound: true, Node: pod.Spec.NodeName, NodeValue: value})
	}
	slices.SortFunc(found, func(a, b compliance.Placement) int { return cmp.Compare(a.What, b.What) })
	return found, nil
}
