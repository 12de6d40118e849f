// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"strings"
	"testing"

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
			Finalizers:  []string{"example.org/finalizer"},
		},
		Spec:   appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}},
		Status: appsv1.DeploymentStatus{ReadyReplicas: 2},
	}
}

func packed(t *testing.T, p *packer, o client.Object) client.Object {
	t.Helper()
	got, err := p.pack(o)
	if err != nil {
		t.Fatal(err)
	}
	return got.(client.Object) //nolint:forcetypeassert // what went in is one
}

func TestWhatIsPackedComesBackWhole(t *testing.T) {
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
			got := packed(t, p, given)
			again := packed(t, p, got)
			if err := p.unpack(again); err != nil {
				t.Fatal(err)
			}
			if !equality.Semantic.DeepEqual(again, want) {
				t.Errorf("%T came back as %+v", want, again)
			}
		}
	}
}

func TestAPackedObjectStillTellsWhoseItIsAndIsSmall(t *testing.T) {
	p := &packer{}
	for tenant := range 3 {
		want := deployment(tenant)
		size := want.Size()
		got := packed(t, p, want.DeepCopy())
		if got.GetName() != want.Name || got.GetNamespace() != want.Namespace || got.GetGeneration() != 3 || got.GetResourceVersion() != "17" ||
			got.GetLabels()[resources.LabelTenant] != want.Name || got.GetAnnotations()[resources.AnnotationTenantName] != want.Name {
			t.Errorf("%+v", got)
		}
		if left := len(got.GetAnnotations()[annotationPacked]); left > size/4 {
			t.Errorf("%d bytes of %d are left", left, size)
		}
	}
}

func TestAnObjectWhoseContentIsSpoiledIsAnError(t *testing.T) {
	p := &packer{}
	got := packed(t, p, deployment(1))
	got.GetAnnotations()[annotationPacked] = "spoiled"
	if err := p.unpack(got); err == nil || !strings.Contains(err.Error(), "site-1") {
		t.Errorf("the error is %v", err)
	}
	if err := (&packer{}).unpack(packed(t, p, deployment(2))); err == nil {
		t.Error("another packer's object was unpacked")
	}
}
