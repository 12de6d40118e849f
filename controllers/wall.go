// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/resources"
)

const (
	// trialName is the pod and, where no other node exists, the node of a trial; neither exists.
	trialName = "termintreu-admission-trial"
	// raising is how long the API server may take to heed the policies of a new region.
	raising = 30 * time.Second
)

// copiedLabels are those Kubernetes copies from a node onto a Binding (since 1.35); no other can be seen there.
var copiedLabels = []string{corev1.LabelTopologyRegion, corev1.LabelTopologyZone}

// tryWall tries to bind a pod by hand: to a foreign node, which only the rule on nodes may refuse first, and to a
// trusted one, which only the rule on schedulers refuses, and only when the node's label was copied onto the Binding.
// The pod does not exist and the request is a dry run, so that nothing is ever bound.
func (m *Measurer) tryWall(ctx context.Context, region *v1alpha1.DataRegion) {
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	wall, err := m.trial(ctx, region)
	if err != nil {
		log.FromContext(ctx).Error(err, "trying the admission policies failed", "region", region.Name)
	}
	// A wall that is being put up is no breach yet; it is not known to stand either.
	if wall.Open != "" && (m.Book.Wall(region.Name).At.IsZero() || started.Sub(region.CreationTimestamp.Time) < raising) {
		wall = compliance.Wall{Untried: "the admission policies are not known to stand yet: " + wall.Open}
	}
	m.Book.PutWall(region.Name, compliance.Sample[compliance.Wall]{Value: wall, At: started, Err: err})
}

func (m *Measurer) trial(ctx context.Context, region *v1alpha1.DataRegion) (wall compliance.Wall, err error) {
	label, namespace := region.Spec.Nodes.Label, region.Spec.PlatformNamespace
	if !slices.Contains(copiedLabels, label) {
		wall.Untried = fmt.Sprintf("admission cannot see label %s of a node, since Kubernetes copies %s and %s alone onto a Binding", label, copiedLabels[0], copiedLabels[1])
		return wall, nil
	}
	foreign, trusted, err := m.nodesFor(ctx, region)
	if err != nil {
		return wall, err
	}
	refusal, err := m.tryBinding(ctx, namespace, foreign)
	switch {
	case err != nil:
		return wall, err
	case refusal == "":
		wall.Open = fmt.Sprintf("a binding by hand to foreign node %s was not refused in namespace %s: apply config/admission, and see that the namespace carries label %s=%s",
			foreign, namespace, resources.LabelRegion, region.Name)
		return wall, nil
	case !strings.Contains(refusal, "not trusted by DataRegion "+region.Name):
		wall.Open = fmt.Sprintf("foreign node %s was refused in namespace %s for another reason than its place: %.300s", foreign, namespace, refusal)
		return wall, nil
	case trusted == "":
		wall.Untried = "no node is trusted, so that admission could be tried by halves only"
		return wall, nil
	}
	refusal, err = m.tryBinding(ctx, namespace, trusted)
	switch {
	case err != nil:
	case refusal == "":
		wall.Open = fmt.Sprintf("anybody with the right to may bind pods by hand in namespace %s: apply config/admission as it is", namespace)
	case !strings.Contains(refusal, "may bind pods in this namespace"):
		wall.Untried = "the API server does not copy a node's labels onto Bindings, as Kubernetes does since 1.35: admission cannot tell where a pod goes"
	}
	return wall, err
}

// nodesFor picks a foreign and a trusted node to try. Where every node is trusted, a node nobody has is foreign.
func (m *Measurer) nodesFor(ctx context.Context, region *v1alpha1.DataRegion) (foreign, trusted string, err error) {
	nodes := &corev1.NodeList{}
	if err := m.Client.List(ctx, nodes, client.UnsafeDisableDeepCopy); err != nil {
		return "", "", fmt.Errorf("listing nodes: %w", err)
	}
	foreign = trialName
	for i := range nodes.Items {
		value, labelled := nodes.Items[i].Labels[region.Spec.Nodes.Label]
		switch {
		case slices.Contains(region.Spec.Nodes.Values, value):
			trusted = nodes.Items[i].Name
		case labelled || foreign == trialName:
			foreign = nodes.Items[i].Name
		}
	}
	return foreign, trusted, nil
}

// tryBinding gives the words a policy of the wall refused with, or nothing when none did.
func (m *Measurer) tryBinding(ctx context.Context, namespace, node string) (refusal string, err error) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: trialName}}
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}}
	wallTrials.Inc()
	err = m.Client.SubResource("binding").Create(ctx, pod, binding, client.DryRunAll)
	switch {
	case err == nil || apierrors.IsNotFound(err):
		return "", nil
	case strings.Contains(err.Error(), "ValidatingAdmissionPolicy '"+resources.PolicyPodBindings+"'"):
		return err.Error(), nil
	}
	return "", fmt.Errorf("trying a binding in namespace %s: %w", namespace, err)
}
