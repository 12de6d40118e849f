// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/cnpg"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
)

// caKey is the key of a CloudNativePG CA Secret.
const caKey = "ca.crt"

// lookAtCluster enters what a server's CloudNativePG Cluster says of itself, and where its pods run.
func (m *Measurer) lookAtCluster(ctx context.Context, region *v1alpha1.DataRegion, server *v1alpha1.DatabaseServer) {
	started := time.Now()
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	seen, err := m.cluster(ctx, server.ClusterRef, region.Spec.Nodes.Label)
	if err != nil {
		log.FromContext(ctx).Error(err, "looking at the Cluster of a database server failed", "region", region.Name, "server", server.Name)
	}
	m.Book.PutServer(evidence.ServerKey{Region: region.Name, Server: server.Name}, compliance.Sample[evidence.Server]{Value: seen, At: started, Err: err})
}

func (m *Measurer) cluster(ctx context.Context, ref *v1alpha1.ClusterReference, label string) (seen evidence.Server, err error) {
	cluster := &unstructured.Unstructured{}
	cluster.SetGroupVersionKind(cnpg.ClusterKind)
	if err := m.Pods.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, cluster); err != nil {
		return seen, fmt.Errorf("reading CloudNativePG Cluster %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	schedules := &unstructured.UnstructuredList{}
	schedules.SetGroupVersionKind(cnpg.ScheduledBackupKind.GroupVersion().WithKind(cnpg.ScheduledBackupKind.Kind + "List"))
	if err := m.Pods.List(ctx, schedules, client.InNamespace(ref.Namespace)); err != nil {
		return seen, fmt.Errorf("listing the ScheduledBackups of Cluster %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	facts, ca := cnpg.Read(cluster, schedules.Items), &corev1.Secret{}
	if err := m.Pods.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: facts.CASecret}, ca); err != nil {
		return seen, fmt.Errorf("reading the CA of Cluster %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	if len(ca.Data[caKey]) == 0 {
		return seen, fmt.Errorf("CA Secret %s/%s lacks key %s: add it", ref.Namespace, facts.CASecret, caKey)
	}
	// Jobs of the Cluster, such as its first one, hold its data, too.
	places, err := m.placesOf(ctx, ref.Namespace, &metav1.LabelSelector{MatchLabels: map[string]string{cnpg.LabelCluster: ref.Name}}, label)
	return evidence.Server{Host: facts.Host, CABundle: string(ca.Data[caKey]), Copies: facts.Copies, Places: places}, err
}
