// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/resources"
)

// deployment of one of many tenants that differ in a few words.
func deployment(tenant int) *appsv1.Deployment {
	name := fmt.Sprintf("site-%d", tenant)
	container := corev1.Container{Name: "booking", Image: "registry.example/termintreu:1", Args: []string{"serve"}}
	for i := range 20 {
		container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("VARIABLE_%d", i), Value: strings.Repeat("v", i)})
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "authority", Name: name, UID: "uid", ResourceVersion: "17", Generation: 3,
			Labels:      map[string]string{resources.LabelManagedBy: resources.Manager, resources.LabelComponent: "booking", resources.LabelTenant: name},
			Annotations: map[string]string{resources.AnnotationTenantName: name, "another": "one"},
			Finalizers:  []string{"example.org/finalizer"}, CreationTimestamp: metav1.NewTime(time.Unix(1764000000, 0)), DeletionTimestamp: &metav1.Time{Time: time.Unix(1765000000, 0)},
			OwnerReferences: []metav1.OwnerReference{{Kind: "BookingTenant", Name: name}},
		},
		Spec:   appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}},
		Status: appsv1.DeploymentStatus{ReadyReplicas: 2},
	}
}

// packed is what the cache keeps of an object.
func packed(t *testing.T, p *packer, o client.Object) *packedObject {
	t.Helper()
	got, err := p.pack(o)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := p.pack(got); err != nil || again != got {
		t.Fatalf("packed again it is %+v, %v", again, err)
	}
	return got.(*packedObject) //nolint:forcetypeassert // what is asked for
}

func TestACopyOfWhatIsPackedIsWhole(t *testing.T) {
	p := &packer{}
	for tenant := range 3 {
		for _, want := range []client.Object{
			deployment(tenant),
			&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b"}, Data: map[string][]byte{"password": []byte(strings.Repeat("x", tenant))}},
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b"}, AutomountServiceAccountToken: new(bool)},
			&corev1.ConfigMap{},
		} {
			given := want.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy of one
			given.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "kubectl"}})
			if got := packed(t, p, given).DeepCopyObject(); !equality.Semantic.DeepEqual(got, want) {
				t.Errorf("%T came back as %+v", want, got)
			}
		}
	}
}

func TestAPackedObjectTellsWhoseItIsAndIsSmall(t *testing.T) {
	p := &packer{}
	for tenant := range 3 {
		want := deployment(tenant)
		size := want.Size()
		got := packed(t, p, want.DeepCopy())
		tells := func(o client.Object) string {
			return fmt.Sprint(o.GetNamespace(), o.GetName(), o.GetUID(), o.GetGeneration(), o.GetResourceVersion(), o.GetLabels(), o.GetAnnotations(),
				o.GetFinalizers(), o.GetOwnerReferences(), o.GetCreationTimestamp(), o.GetDeletionTimestamp(),
				o.GetGenerateName(), o.GetDeletionGracePeriodSeconds(), o.GetManagedFields())
		}
		if tells(got) != tells(want) {
			t.Errorf("it tells %s, not %s", tells(got), tells(want))
		}
		if left := len(got.content); left > size/4 {
			t.Errorf("%d bytes of %d are left", left, size)
		}
	}
}
