// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

const luaVersion = "v1.1.1"

// lua is the interpreter Argo CD embeds, built once per machine.
var lua = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "termintreu", "glua-"+luaVersion)
	program := filepath.Join(dir, "glua")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	build := exec.Command("go", "install", "github.com/yuin/gopher-lua/cmd/glua@"+luaVersion)
	build.Dir, build.Env = os.TempDir(), append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the Lua interpreter: %w: %s", err, out)
	}
	return program, nil
})

// condition of an object, written as TYPE STATUS REASON.
type condition string

func (c condition) lua() string {
	parts := strings.Fields(string(c))
	return fmt.Sprintf(`{type=%q, status=%q, reason=%q, message="because"}`, parts[0], parts[1], parts[2])
}

func TestArgoCDShowsTheTruth(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		observed   int
		conditions []condition
		want       string
	}{
		{"a tenant nobody looked at", "BookingTenant", -1, nil, "Progressing"},
		{"a tenant whose new generation nobody looked at", "BookingTenant", 1, []condition{"Ready True Succeeded", "Compliant True AllClaimsHold"}, "Progressing"},
		{"a tenant that comes up", "BookingTenant", 2, []condition{"Ready False Progressing", "Reconciling True Progressing"}, "Progressing"},
		{"a tenant that is refused", "BookingTenant", 2, []condition{"Ready False HostTaken", "Stalled True HostTaken"}, "Degraded"},
		{"a tenant that is paused", "BookingTenant", 2, []condition{"Ready Unknown Paused", "Compliant True AllClaimsHold"}, "Suspended"},
		{"a tenant that serves and breaks a promise", "BookingTenant", 2, []condition{"Ready True Succeeded", "Compliant False ClaimFailed"}, "Degraded"},
		{"a tenant that serves without evidence", "BookingTenant", 2, []condition{"Ready True Succeeded", "Compliant Unknown ClaimUnknown"}, "Progressing"},
		{"a tenant that serves and keeps its promises", "BookingTenant", 2, []condition{"Ready True Succeeded", "Compliant True AllClaimsHold"}, "Healthy"},
		{"a policy that cannot be enforced", "RetentionPolicy", 2, []condition{"Ready False InvalidPeriod", "Stalled True InvalidPeriod"}, "Degraded"},
		{"a policy that can", "RetentionPolicy", 2, []condition{"Ready True Succeeded"}, "Healthy"},
		{"a region whose server is away", "DataRegion", 2, []condition{"Ready False DependencyUnavailable", "Reconciling True DependencyUnavailable"}, "Progressing"},
		{"a region that answers", "DataRegion", 2, []condition{"Ready True Succeeded"}, "Healthy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conditions := make([]string, 0, len(c.conditions))
			for _, one := range c.conditions {
				conditions = append(conditions, one.lua())
			}
			object := fmt.Sprintf("{metadata={generation=2}, status={observedGeneration=%d, conditions={%s}}}", c.observed, strings.Join(conditions, ","))
			if c.observed < 0 {
				object = "{metadata={generation=2}}"
			}
			if got := health(t, c.kind, object); got != c.want {
				t.Errorf("Argo CD shows %s, want %s", got, c.want)
			}
		})
	}
}

// health runs the script of a kind on an object written in Lua.
func health(t *testing.T, kind, object string) string {
	t.Helper()
	program, err := lua()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(repository, "config/argocd/health.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var patch struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.UnmarshalStrict(raw, &patch); err != nil {
		t.Fatal(err)
	}
	script := patch.Data["resource.customizations.health.booking.termintreu.dev_"+kind]
	if script == "" {
		t.Fatalf("there is no script for %s", kind)
	}
	file := filepath.Join(t.TempDir(), "health.lua")
	body := fmt.Sprintf("obj = %s\nlocal health = (function()\n%s\nend)()\nassert(health.message ~= nil)\nio.write(health.status)\n", object, script)
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, file).CombinedOutput()
	if err != nil {
		t.Fatalf("the script fails: %v: %s", err, out)
	}
	return string(out)
}
