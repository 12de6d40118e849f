// SPDX-License-Identifier: Apache-2.0

// Package samples reads config/samples and completes what differs from platform to platform: endpoints, certificate
// authorities and credentials of the regions, and the keys backups are encrypted to.
package samples

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Set is everything under config/samples.
type Set struct {
	Namespaces []corev1.Namespace
	// Secrets of the operator's namespace that the regions refer to; empty until Complete.
	Secrets  []corev1.Secret
	Regions  []v1alpha1.DataRegion
	Policies []v1alpha1.RetentionPolicy
	Tenants  []v1alpha1.BookingTenant
}

// Load reads a folder such as config/samples. Unknown fields are errors, since a sample is what people copy.
func Load(dir string) (*Set, error) {
	set := &Set{}
	if err := read(filepath.Join(dir, "namespaces.yaml"), &set.Namespaces); err != nil {
		return nil, err
	}
	for pattern, into := range map[string]func(string) error{
		"regions/*.yaml":  func(f string) error { return read(f, &set.Regions) },
		"policies/*.yaml": func(f string) error { return read(f, &set.Policies) },
		"tenants/*.yaml":  func(f string) error { return read(f, &set.Tenants) },
	} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, fmt.Errorf("no sample matches %s in %s", pattern, dir)
		}
		for _, file := range files {
			if err := into(file); err != nil {
				return nil, err
			}
		}
	}
	return set, nil
}

// read appends the documents of a file.
func read[T any](file string, into *[]T) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		var object T
		if err := yaml.UnmarshalStrict(document, &object); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		*into = append(*into, object)
	}
}

// Objects in the order of applying: what others refer to comes first.
func (s *Set) Objects() []client.Object {
	var objects []client.Object
	for i := range s.Namespaces {
		objects = append(objects, &s.Namespaces[i])
	}
	for i := range s.Secrets {
		objects = append(objects, &s.Secrets[i])
	}
	for i := range s.Regions {
		objects = append(objects, &s.Regions[i])
	}
	for i := range s.Policies {
		objects = append(objects, &s.Policies[i])
	}
	for i := range s.Tenants {
		objects = append(objects, &s.Tenants[i])
	}
	return objects
}

// Apply brings objects to the API server by server-side apply, so that doing it again changes nothing.
func Apply(ctx context.Context, c client.Client, owner string, objects ...client.Object) error {
	for _, object := range objects {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return fmt.Errorf("reading %s: %w", object.GetName(), err)
		}
		u := &unstructured.Unstructured{Object: content}
		unstructured.RemoveNestedField(u.Object, "status")
		unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(owner), client.ForceOwnership); err != nil {
			return fmt.Errorf("applying %s %s/%s: %w", u.GetKind(), u.GetNamespace(), u.GetName(), err)
		}
	}
	return nil
}
