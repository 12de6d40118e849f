// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
)

// bindings remembers which namespaces were bound, by UID, until the cache shows it: of two tenants of different
// regions that come at once, exactly one must win.
type bindings struct {
	mu    sync.Mutex
	bound map[types.UID]string
}

// bind puts a namespace behind its region's wall, once. A namespace of another region is refused.
func (b *bindings) bind(ctx context.Context, c client.Client, name, region string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(namespaceGVK)
	if err := c.Get(ctx, client.ObjectKey{Name: name}, namespace); err != nil {
		return fmt.Errorf("reading namespace %s: %w", name, err)
	}
	bound := namespace.Labels[resources.LabelRegion]
	if bound == "" {
		bound = b.bound[namespace.UID]
	} else {
		delete(b.bound, namespace.UID)
	}
	switch bound {
	case region:
		return nil
	case "":
	default:
		return plan.RefuseBound(name, bound, region)
	}
	if err := c.Apply(ctx, resources.NamespaceBinding(name, region), FieldOwner, client.ForceOwnership); err != nil {
		return fmt.Errorf("binding namespace %s to DataRegion %s: %w", name, region, err)
	}
	if b.bound == nil {
		b.bound = map[types.UID]string{}
	}
	b.bound[namespace.UID] = region
	return nil
}
