// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"unique"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/resources"
)

// CacheOptions keeps other people's objects out of memory: of core kinds only what the operator manages is watched, and
// kept packed, and of nodes and pods only what verdicts need. A Secret of somebody else is never cached.
func CacheOptions() func(*ctrl.Options) {
	packer := &packer{}
	managed := cache.ByObject{Transform: packer.pack, Label: labels.SelectorFromSet(labels.Set{resources.LabelManagedBy: resources.Manager})}
	byObject := map[client.Object]cache.ByObject{
		&corev1.Pod{}:  {Label: managed.Label, Transform: slimPod},
		&corev1.Node{}: {Transform: slimNode},
	}
	for _, kind := range []client.Object{
		&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Service{}, &corev1.ServiceAccount{}, &appsv1.Deployment{},
		&batchv1.CronJob{}, &batchv1.Job{}, &networkingv1.Ingress{}, &networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{},
		&admissionv1.ValidatingAdmissionPolicyBinding{},
	} {
		byObject[kind] = managed
	}
	return func(o *ctrl.Options) {
		o.Cache.ByObject = byObject
		o.Cache.DefaultTransform = compact
	}
}

// slimPod keeps whose pod it is, where it runs and where it answers.
func slimPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	slim := &corev1.Pod{TypeMeta: pod.TypeMeta, ObjectMeta: pod.ObjectMeta}
	slim.ManagedFields, slim.OwnerReferences = nil, nil
	slim.Labels, slim.Annotations = shared(pod.Labels), shared(pod.Annotations)
	slim.Spec.NodeName, slim.Status.Phase, slim.Status.PodIP = pod.Spec.NodeName, pod.Status.Phase, pod.Status.PodIP
	return slim, nil
}

// slimNode keeps the labels.
func slimNode(object any) (any, error) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return object, nil
	}
	slim := &corev1.Node{TypeMeta: node.TypeMeta, ObjectMeta: node.ObjectMeta}
	slim.ManagedFields, slim.Annotations = nil, nil
	return slim, nil
}

// compact leaves out who wrote which field, and the room to spare that decoding leaves in every list: a copy has none.
func compact(object any) (any, error) {
	o, ok := object.(client.Object)
	if !ok {
		return object, nil
	}
	o.SetManagedFields(nil)
	return o.DeepCopyObject(), nil
}

// shared gives a copy whose words are kept once, however many objects hold them.
func shared(words map[string]string) map[string]string {
	if words == nil {
		return nil
	}
	copied := make(map[string]string, len(words))
	for name, value := range words {
		copied[unique.Make(name).Value()] = unique.Make(value).Value()
	}
	return copied
}
