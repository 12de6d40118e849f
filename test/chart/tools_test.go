// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	repository  = "../.."
	helmVersion = "v3.21.4"
	kubeVersion = "1.36.3"
)

// helmProgram is built once per machine and kept beside the programs of the local cluster: as a library, Helm would
// double what the module depends on.
var helmProgram = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "termintreu", "helm-"+helmVersion)
	program := filepath.Join(dir, "helm")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	build := exec.Command("go", "install", "helm.sh/helm/v3/cmd/helm@"+helmVersion)
	build.Dir, build.Env = os.TempDir(), append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building helm: %w: %s", err, out)
	}
	return program, nil
})

// helm renders the chart.
func helm(t *testing.T, arguments ...string) ([]byte, error) {
	t.Helper()
	program, err := helmProgram()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, program, append([]string{
		"template", "termintreu", filepath.Join(repository, "charts", "termintreu"),
		"--namespace", namespace, "--kube-version", kubeVersion,
	}, arguments...)...)
}

func template(t *testing.T, arguments ...string) map[string]map[string]any {
	t.Helper()
	out, err := helm(t, append([]string{"--include-crds"}, arguments...)...)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, out)
}

var kubectlProgram = sync.OnceValues(func() (string, error) {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		return filepath.Join(assets, "kubectl"), nil
	}
	find := exec.Command("go", "run", "./hack/local", "assets")
	find.Dir = repository
	out, err := find.Output()
	return filepath.Join(strings.TrimSpace(string(out)), "kubectl"), err
})

// kustomize renders a folder.
func kustomize(t *testing.T, folder string) map[string]map[string]any {
	t.Helper()
	program, err := kubectlProgram()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run(t, program, "kustomize", filepath.Join(repository, folder))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, out)
}

// read opens what the programs will, since Go keeps a test's result until a file changes that the test itself opened.
func read(t *testing.T) {
	t.Helper()
	for _, folder := range []string{"charts", "config"} {
		err := filepath.WalkDir(filepath.Join(repository, folder), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, program string, arguments ...string) ([]byte, error) {
	t.Helper()
	read(t)
	command := exec.CommandContext(t.Context(), program, arguments...)
	var messages bytes.Buffer
	command.Stderr = &messages
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(program), err, messages.String())
	}
	return out, nil
}

// decode reads objects, keyed by kind and name.
func decode(t *testing.T, stream []byte) map[string]map[string]any {
	t.Helper()
	objects := map[string]map[string]any{}
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), 4096); ; {
		var object map[string]any
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if object == nil {
			continue
		}
		metadata, _ := object["metadata"].(map[string]any)
		key := fmt.Sprintf("%v/%v", object["kind"], metadata["name"])
		if objects[key] != nil {
			t.Fatalf("%s exists twice", key)
		}
		objects[key] = object
	}
}
