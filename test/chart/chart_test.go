// SPDX-License-Identifier: Apache-2.0

// Package chart_test holds the Helm chart against config/default: whoever installs by one or by the other gets the same.
package chart_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const namespace = "termintreu-system"

// rendered by Helm as an installation of the image config/default names.
func rendered(t *testing.T, arguments ...string) map[string]map[string]any {
	t.Helper()
	return template(t, append([]string{"--set", "image.tag=dev"}, arguments...)...)
}

func TestHelmAndKustomizeInstallTheSame(t *testing.T) {
	byKustomize, byHelm := kustomize(t, "config/default"), rendered(t)
	delete(byKustomize, "Namespace/"+namespace) // Helm installs into a namespace, it does not own it
	if len(byKustomize) < 15 {
		t.Fatalf("config/default has %d objects only", len(byKustomize))
	}
	for key, want := range byKustomize {
		got, found := byHelm[key]
		if !found {
			t.Errorf("the chart lacks %s", key)
			continue
		}
		expectSame(t, key, want, got)
	}
	for key := range byHelm {
		if byKustomize[key] == nil {
			t.Errorf("the chart installs %s, which config/default does not", key)
		}
	}
}

func TestMonitoringIsThatOfConfigAndOnlyWhenAskedFor(t *testing.T) {
	plain, monitored := rendered(t), rendered(t, "--set", "prometheus.enabled=true")
	for key, want := range kustomize(t, "config/prometheus") {
		if plain[key] != nil {
			t.Errorf("%s is installed without being asked for", key)
		}
		if monitored[key] == nil {
			t.Errorf("the chart lacks %s", key)
			continue
		}
		expectSame(t, key, want, monitored[key])
	}
}

func TestValuesReachWhatTheyName(t *testing.T) {
	objects := template(t, "--set", "image.repository=registry.example.org/termintreu,image.tag=1.2.3,image.pullPolicy=Always",
		"--set", "operator.replicas=2,operator.measureInterval=10s,operator.maxEvidenceAge=2m",
		"--set", "nodeSelector.zone=a", "--set", "tolerations[0].key=dedicated,tolerations[0].operator=Exists")
	operator, sentinel := text(t, objects["Deployment/termintreu-operator"]), text(t, objects["Deployment/termintreu-sentinel"])
	for _, words := range []string{
		`"image":"registry.example.org/termintreu:1.2.3"`, `"name":"TERMINTREU_IMAGE","value":"registry.example.org/termintreu:1.2.3"`,
		`"--image-pull-policy=Always"`, `"--measure-interval=10s"`, `"--max-evidence-age=2m"`, `"replicas":2`, `"zone":"a"`, `"dedicated"`,
	} {
		if !strings.Contains(operator, words) {
			t.Errorf("the operator lacks %s: %s", words, operator)
		}
	}
	for _, words := range []string{`"image":"registry.example.org/termintreu:1.2.3"`, `"zone":"a"`, `"dedicated"`} {
		if !strings.Contains(sentinel, words) {
			t.Errorf("the sentinel lacks %s: %s", words, sentinel)
		}
	}
}

func TestTheImageIsThatOfTheChartUnlessNamed(t *testing.T) {
	if operator := text(t, template(t)["Deployment/termintreu-operator"]); strings.Contains(operator, ":dev\"") || strings.Contains(operator, "termintreu:\"") {
		t.Errorf("the image has no release: %s", operator)
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for name, value := range map[string]string{
		"an unknown value":        "operator.replica=2",
		"a duration without unit": "operator.measureInterval=10",
		"no such pull policy":     "image.pullPolicy=Sometimes",
		"half an operator":        "operator.replicas=0.5",
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := helm(t, "--set", value); err == nil {
				t.Errorf("%s is accepted:\n%.300s", value, out)
			}
		})
	}
}

// Deleting a CRD deletes every tenant; Helm leaves alone what lies in crds/, and deletes what templates make.
func TestUninstallingKeepsTheKinds(t *testing.T) {
	out, err := helm(t, "--skip-crds")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "kind: CustomResourceDefinition") {
		t.Error("a template makes a CRD")
	}
	files, err := filepath.Glob(filepath.Join(repository, "charts/termintreu/crds/*.yaml"))
	if err != nil || len(files) != 5 {
		t.Errorf("crds/ holds %v (%v)", files, err)
	}
}

// expectSame compares two objects but for the labels that say who installed them.
func expectSame(t *testing.T, key string, want, got map[string]any) {
	t.Helper()
	for _, object := range []map[string]any{want, got} {
		metadata, _ := object["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		for label := range labels {
			if slices.Contains([]string{"app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"}, label) {
				delete(labels, label)
			}
		}
		// Files outside config/default carry no name; a CRD lies outside Helm's labels.
		if name, _ := labels["app.kubernetes.io/name"].(string); name == "termintreu" {
			delete(labels, "app.kubernetes.io/name")
		}
		if len(labels) == 0 {
			delete(metadata, "labels")
		}
		// Kustomize does not know that these have no namespace, and gives them one that the API server drops.
		if strings.HasPrefix(key, "ValidatingAdmissionPolicy") {
			delete(metadata, "namespace")
		}
	}
	if w, g := text(t, want), text(t, got); w != g {
		t.Errorf("%s differs:\nkustomize %s\nhelm      %s", key, w, g)
	}
}

func text(t *testing.T, object map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestNothingNamesAnotherNamespaceThanTheReleases(t *testing.T) {
	objects := template(t, "--namespace", "elsewhere", "--set", "prometheus.enabled=true")
	for key, object := range objects {
		if strings.HasPrefix(key, "CustomResourceDefinition/") {
			continue
		}
		if strings.Contains(text(t, object), namespace) {
			t.Errorf("%s still names %s: %s", key, namespace, text(t, object))
		}
	}
}
