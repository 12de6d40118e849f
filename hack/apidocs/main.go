// SPDX-License-Identifier: Apache-2.0

// Command apidocs prints the API reference from the generated CRDs and the documented condition constants, so that
// what is published of the API is what the API server enforces. Run it from the root of the repository.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const (
	crdFiles       = "config/crd/bases/*.yaml"
	conditionsFile = "api/v1alpha1/conditions.go"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "apidocs:", err)
		os.Exit(1)
	}
}

func run() error {
	crds, err := readCRDs(crdFiles)
	if err != nil {
		return err
	}
	conditions, err := readConstants(conditionsFile)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	render(out, crds, conditions)
	return out.Flush()
}

// readCRDs reads the CRDs in the order of their file names, which is the order of their kinds.
func readCRDs(pattern string) ([]apiextensionsv1.CustomResourceDefinition, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("no CRD matches %s: run this from the root of the repository, after controller-gen", pattern)
	}
	crds := make([]apiextensionsv1.CustomResourceDefinition, len(paths))
	for i, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := yaml.UnmarshalStrict(raw, &crds[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return crds, nil
}
