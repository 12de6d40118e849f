// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/resources"
)

// wholeTenant is every object of a tenant with two replicas, a host and no backup yet.
var wholeTenant = []string{
	"ConfigMap DATA-backup", "ConfigMap DATA-retention", "ConfigMap site-booking",
	"CronJob DATA-backup", "CronJob DATA-expiry", "CronJob DATA-retention",
	"Deployment site-booking", "Ingress site-booking", "Job DATA-backup-initial", "NetworkPolicy site-booking",
	"PodDisruptionBudget site-booking", "Secret DATA-backup", "Secret DATA-expiry", "Secret DATA-retention", "Secret site-booking",
	"Service site-booking", "ServiceAccount site-booking",
}

// objectsOf names every object that carries the tenant's data ID, wherever it lies, sorted; DATA stands for the ID.
func objectsOf(ctx context.Context, tenant *v1alpha1.BookingTenant) []string {
	GinkgoHelper()
	var names []string
	for _, object := range labelled(ctx, tenant) {
		names = append(names, object.Kind+" "+strings.ReplaceAll(object.Name, dataIDOf(tenant), "DATA"))
	}
	slices.Sort(names)
	return names
}

func labelled(ctx context.Context, tenant *v1alpha1.BookingTenant) []metav1.PartialObjectMetadata {
	GinkgoHelper()
	var found []metav1.PartialObjectMetadata
	for _, kind := range []client.Object{
		&corev1.ConfigMap{}, &corev1.Secret{}, &corev1.Service{}, &corev1.ServiceAccount{}, &appsv1.Deployment{},
		&batchv1.CronJob{}, &batchv1.Job{}, &networkingv1.Ingress{}, &networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{},
	} {
		gvk, err := admin.GroupVersionKindFor(kind)
		Expect(err).NotTo(HaveOccurred())
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		Expect(admin.List(ctx, list, client.MatchingLabels{resources.LabelDataID: dataIDOf(tenant)})).To(Succeed())
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(gvk)
		}
		found = append(found, list.Items...)
	}
	return found
}

// discardObjects plays the garbage collector, which envtest lacks, for what the tenant owned and what its jobs had.
func discardObjects(ctx context.Context, tenant *v1alpha1.BookingTenant) {
	GinkgoHelper()
	for _, object := range labelled(ctx, tenant) {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, &object, client.PropagationPolicy(metav1.DeletePropagationBackground)))).To(Succeed())
	}
}
