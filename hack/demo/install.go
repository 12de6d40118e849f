// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/hack/internal/binaries"
	"github.com/termintreu/termintreu/hack/internal/image"
)

// fieldOwner of what the demo applies.
const fieldOwner = client.FieldOwner("termintreu-demo")

// image builds the image and loads it into every node, unless they have it. Its tag comes from the programs, so that a
// change rolls the operator out and no change does nothing.
func (i *Installation) image(ctx context.Context) (string, error) {
	dir := i.path("image")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var programs []string
	if err := i.progress.Step("compiling termintreu", func() (err error) {
		programs, err = image.Programs(ctx, i.Root, dir)
		return err
	}); err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, program := range programs {
		raw, err := os.ReadFile(program)
		if err != nil {
			return "", err
		}
		sum.Write(raw)
	}
	version := "dev-" + hex.EncodeToString(sum.Sum(nil)[:6])
	archive, loaded := filepath.Join(dir, "termintreu.tar"), filepath.Join(dir, version+".loaded")
	if ref, err := os.ReadFile(loaded); err == nil {
		return string(ref), nil
	}
	ref, err := image.Operator(ctx, i.Root, version, archive, i.progress)
	if err != nil {
		return "", err
	}
	if err := i.progress.Step("loading the image into every node", func() error { return i.Cluster.LoadImage(ctx, archive) }); err != nil {
		return "", err
	}
	return ref, os.WriteFile(loaded, []byte(ref), 0o644)
}

// installOperator applies config/default with the image built here and the intervals asked for.
func (i *Installation) installOperator(ctx context.Context, ref string) error {
	objects, err := i.kustomize(ctx, "config/default")
	if err != nil {
		return err
	}
	for _, object := range objects {
		if object.GetKind() == "Deployment" {
			if err := i.fit(object, ref); err != nil {
				return err
			}
		}
		if err := i.apply(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// fit sets image and intervals of a Deployment of config/default.
func (i *Installation) fit(deployment *unstructured.Unstructured, ref string) error {
	containers, found, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil || !found || len(containers) != 1 {
		return fmt.Errorf("deployment %s: one container expected", deployment.GetName())
	}
	container, ok := containers[0].(map[string]any)
	if !ok {
		return errors.New("container is no object")
	}
	container["image"] = ref
	if deployment.GetName() == "termintreu-operator" {
		args, _ := container["args"].([]any)
		container["args"] = append(args,
			"--measure-interval="+i.Options.MeasureInterval.String(), "--max-evidence-age="+i.Options.MaxEvidenceAge.String())
		environment, _ := container["env"].([]any)
		for _, entry := range environment {
			if variable, ok := entry.(map[string]any); ok && variable["name"] == "TERMINTREU_IMAGE" {
				variable["value"] = ref
			}
		}
	}
	return unstructured.SetNestedSlice(deployment.Object, containers, "spec", "template", "spec", "containers")
}

// kustomize renders a folder of the source tree.
func (i *Installation) kustomize(ctx context.Context, folder string) ([]*unstructured.Unstructured, error) {
	assets, err := binaries.AssetsDir(ctx, i.Root, i.progress)
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, filepath.Join(assets, "kubectl"), "kustomize", filepath.Join(i.Root, folder))
	command.Stderr = i.Options.Out
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", folder, err)
	}
	return decode(out)
}

// decode reads the documents of a YAML stream.
func decode(stream []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(stream), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// apply sends an object by server-side apply. A kind the API server does not know yet, right after its CRD, is waited
// for.
func (i *Installation) apply(ctx context.Context, object *unstructured.Unstructured) error {
	name := object.GetKind() + " " + client.ObjectKeyFromObject(object).String()
	err := eventually(ctx, func() error {
		return i.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object.DeepCopy()), fieldOwner, client.ForceOwnership)
	})
	if err != nil {
		return fmt.Errorf("applying %s: %w", name, err)
	}
	return nil
}
