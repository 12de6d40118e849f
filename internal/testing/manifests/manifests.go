// SPDX-License-Identifier: Apache-2.0

// Package manifests reads what the project installs, for tests.
package manifests

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Parse gives the objects of a YAML stream.
func Parse(tb testing.TB, stream []byte) (objects []*unstructured.Unstructured) {
	tb.Helper()
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			tb.Fatalf("reading manifests: %v", err)
		}
		objects = append(objects, object)
	}
}

// Read gives the objects of a file.
func Read(tb testing.TB, name string) []*unstructured.Unstructured {
	tb.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		tb.Fatalf("reading manifests: %v", err)
	}
	return Parse(tb, raw)
}

// Walls gives the admission policies and their bindings, of config/admission in the repository.
func Walls(tb testing.TB, repository string) (objects []*unstructured.Unstructured) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(repository, "config", "admission", "*.yaml"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("there is no config/admission in %s: %v", repository, err)
	}
	for _, name := range files {
		if filepath.Base(name) != "kustomization.yaml" {
			objects = append(objects, Read(tb, name)...)
		}
	}
	return objects
}
