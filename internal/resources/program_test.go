// SPDX-License-Identifier: Apache-2.0

package resources_test

import (
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/internal/resources"
)

const module = "github.com/termintreu/termintreu"

// A pod loads what its program links: the operator's libraries were most of an idle instance's memory.
func TestTheProgramOfPodsLinksNothingOfTheOperator(t *testing.T) {
	linked := func(tags string) string {
		t.Helper()
		out, err := exec.Command("go", "list", "-deps", "-tags", tags, module).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	full, operand := linked(""), linked("operand")
	for _, foreign := range []string{"k8s.io/client-go/", "sigs.k8s.io/controller-runtime/", module + "/controllers\n", module + "/internal/operator\n"} {
		if !strings.Contains(full, foreign) {
			t.Errorf("the main program does not link %s either: name what the operator cannot do without", foreign)
		}
		if strings.Contains(operand, foreign) {
			t.Errorf("the program of pods links %s", foreign)
		}
	}
	// Whoever uses a template lets any method be called by its name, and so makes the linker keep them all.
	out, err := exec.Command("go", "list", "-deps", "-f", `{{.ImportPath}} {{join .Imports " "}} `, module).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, module) && (strings.Contains(line, " text/template ") || strings.Contains(line, " html/template ")) {
			t.Errorf("the main program uses templates in %s", strings.Fields(line)[0])
		}
	}
	// The API server's own libraries (CEL, gRPC) came with a filter of metrics, and were a third of the operator.
	for _, heavy := range []string{"k8s.io/apiserver/", "github.com/google/cel-go/", "google.golang.org/grpc\n"} {
		if strings.Contains(full, heavy) {
			t.Errorf("the operator links %s", heavy)
		}
	}
}

func TestTheProgramOfPodsStartsTheCommandOfEveryPod(t *testing.T) {
	program := filepath.Join(t.TempDir(), path.Base(resources.Executable))
	if out, err := exec.Command("go", "build", "-tags", "operand", "-o", program, module).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// No object starts a hold; people do, in a pod of the image.
	commands := map[string]string{"hold": "hold open"}
	for name, template := range podTemplates(t) {
		command := template.Spec.Containers[0].Command
		if command[0] != resources.Executable {
			t.Errorf("%s runs %s", name, command[0])
		}
		commands[name] = strings.Join(command[1:], " ")
	}
	for name, command := range commands {
		// It starts, looks for its settings, and finds none.
		out, err := exec.Command(program, append(strings.Fields(command), "--settings", filepath.Join(t.TempDir(), "none"))...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "settings") || strings.Contains(string(out), "unknown") {
			t.Errorf("%s: `%s` says %s (%v)", name, command, out, err)
		}
	}
	if out, err := exec.Command(program, "operator").CombinedOutput(); err == nil || !strings.Contains(string(out), "unknown command") {
		t.Errorf("the program of pods has the operator: %s", out)
	}
}
