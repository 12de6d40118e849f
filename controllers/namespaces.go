// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/resources"
)

// bindNamespace puts a namespace behind its region's wall, once. A namespace of another region is left alone.
func bindNamespace(ctx context.Context, c client.Client, name, region string) error {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(namespaceGVK)
	if err := c.Get(ctx, client.ObjectKey{Name: name}, namespace); err != nil {
		return fmt.Errorf("reading namespace %s: %w", name, err)
	}
	switch bound := namespace.Labels[resources.LabelRegion]; bound {
	case region:
		return nil
	case "":
	default:
		return fmt.Errorf("namespace %s is bound to DataRegion %s: give DataRegion %s a namespace of its own", name, bound, region)
	}
	if err := c.Apply(ctx, resources.NamespaceBinding(name, region), FieldOwner, client.ForceOwnership); err != nil {
		return fmt.Errorf("binding namespace %s to DataRegion %s: %w", name, region, err)
	}
	return nil
}
