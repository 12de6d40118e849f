// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

var example = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")

// A reader copies examples: each must pass schema and CEL rules as it stands, and have no field the API does not know.
func TestTheAPIServerTakesEveryExample(t *testing.T) {
	environment := &envtest.Environment{
		CRDDirectoryPaths: []string{filepath.Join(repository, "config/crd/bases")}, ErrorIfCRDPathMissing: true,
		BinaryAssetsDirectory: assets(t),
	}
	config, err := environment.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	apiServer, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	apiServer = client.WithFieldValidation(apiServer, metav1.FieldValidationStrict)
	kinds := map[string]int{}
	for page, text := range pages(t) {
		for _, match := range example.FindAllStringSubmatch(text, -1) {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(match[1]), &object.Object); err != nil {
				t.Errorf("%s: an example is no YAML: %v", page, err)
				continue
			}
			if object.GroupVersionKind().Group != v1alpha1.GroupVersion.Group {
				continue
			}
			kinds[object.GetKind()]++
			if namespace := object.GetNamespace(); namespace != "" {
				if err := apiServer.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); client.IgnoreAlreadyExists(err) != nil {
					t.Fatal(err)
				}
			}
			if err := apiServer.Create(t.Context(), object, client.DryRunAll); err != nil {
				t.Errorf("%s: the %s is refused: %v", page, object.GetKind(), err)
			}
		}
	}
	for _, kind := range []string{"BookingTenant", "RetentionPolicy", "DataRegion", "TenantRestore"} {
		if kinds[kind] == 0 {
			t.Errorf("no page has an example of a %s", kind)
		}
	}
}

// assets is the folder of API server and etcd: KUBEBUILDER_ASSETS, or what the repository builds and keeps.
func assets(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir
	}
	find := exec.CommandContext(t.Context(), "go", "run", "./hack/local", "assets")
	find.Dir = repository
	out, err := find.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
