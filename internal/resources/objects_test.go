// SPDX-License-Identifier: Apache-2.0

package resources_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	batchac "k8s.io/client-go/applyconfigurations/batch/v1"
	"sigs.k8s.io/yaml"

	"github.com/termintreu/termintreu/internal/resources"
)

var update = flag.Bool("update", false, "write testdata/*.expected.yaml from what the builders give")

func TestObjectsAreAsAReviewerApprovedThem(t *testing.T) {
	retained := resources.RetainedObjects(archivingPlan(), credentials())
	for name, objects := range map[string][]resources.Object{
		"archive":  retained[len(retained)-3:],
		"served":   resources.Objects(servedPlan(), credentials()),
		"plain":    resources.Objects(plainPlan(), credentials()),
		"retained": resources.RetainedObjects(servedPlan(), credentials()),
		"region":   resources.RegionObjects(resources.PlanRegion(region())),
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			got.WriteString("# SPDX-License-Identifier: Apache-2.0\n")
			for _, o := range objects {
				raw, err := yaml.Marshal(o.Config)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n")
				got.Write(raw)
			}
			file := filepath.Join("testdata", name+".expected.yaml")
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s differs from what was approved; look at the difference after `go test ./internal/resources -update`", file)
			}
		})
	}
}

func TestAnObjectIsNamedAsItsConfigurationSays(t *testing.T) {
	all := append(resources.Objects(servedPlan(), credentials()), resources.RegionObjects(resources.PlanRegion(region()))...)
	for _, o := range all {
		raw, err := yaml.Marshal(o.Config)
		if err != nil {
			t.Fatal(err)
		}
		var head struct {
			APIVersion, Kind string
			Metadata         struct{ Name, Namespace string }
		}
		if err := yaml.Unmarshal(raw, &head); err != nil {
			t.Fatal(err)
		}
		version, kind := o.GVK.ToAPIVersionAndKind()
		if head.APIVersion != version || head.Kind != kind || head.Metadata.Name != o.Name || head.Metadata.Namespace != o.Namespace {
			t.Errorf("%s %s/%s carries %s %s %s/%s", o.GVK.Kind, o.Namespace, o.Name, head.APIVersion, head.Kind, head.Metadata.Namespace, head.Metadata.Name)
		}
	}
}

func TestWhatATenantNeedsExistsAndTheRestIsAbsent(t *testing.T) {
	if absent := resources.Absent(archivingPlan()); len(absent) != 0 {
		t.Errorf("nothing should be absent of a tenant with two replicas and hosts that hands over, but: %v", absent)
	}
	var kinds []string
	for _, o := range resources.Absent(plainPlan()) {
		if o.Config != nil {
			t.Errorf("%s must not exist and yet has a configuration", o.GVK.Kind)
		}
		kinds = append(kinds, o.GVK.Kind)
	}
	if got := strings.Join(kinds, " "); got != "CronJob Secret ConfigMap PodDisruptionBudget Ingress" {
		t.Errorf("absent are %s", got)
	}
}

// Invariant 6: a tenant's administrators read what lies in their namespace; neither a store key nor the role that
// deletes may lie there.
func TestTheTenantsNamespaceHoldsTheAppCredentialsOnly(t *testing.T) {
	for _, o := range resources.InstanceObjects(archivingPlan(), credentials()) {
		raw, err := yaml.Marshal(o.Config)
		if err != nil {
			t.Fatal(err)
		}
		if o.Namespace != "basel" {
			t.Errorf("%s lies in %s", o.GVK.Kind, o.Namespace)
		}
		for _, secret := range []string{"retention-password", "backup-password", "zug-writes", "zug-keeps", "archive-password", "statutory-writes", "statutory-keeps"} {
			if strings.Contains(string(raw), secret) || strings.Contains(string(raw), base64Of(secret)) {
				t.Errorf("%s holds the %s", o.GVK.Kind, secret)
			}
		}
	}
}

// Invariant 4: the jobs outlive the tenant's namespace, so nothing of them may be owned by something in it.
func TestJobsHaveNoOwnerButSayWhomTheyServe(t *testing.T) {
	for _, o := range resources.PlatformObjects(archivingPlan(), credentials()) {
		raw, err := yaml.Marshal(o.Config)
		if err != nil {
			t.Fatal(err)
		}
		text := string(raw)
		if strings.Contains(text, "ownerReferences") {
			t.Errorf("%s %s has an owner", o.GVK.Kind, o.Name)
		}
		if !strings.Contains(text, resources.AnnotationTenantNamespace+": basel") || !strings.Contains(text, resources.AnnotationTenantName+": einwohnerdienste") {
			t.Errorf("%s %s does not lead back to its tenant", o.GVK.Kind, o.Name)
		}
	}
}

// What is left of a tenant that is gone is found by the components of its CronJobs.
func TestEveryCronJobIsOfAScheduledComponentAndEachOfThemHasOne(t *testing.T) {
	var of []resources.Component
	for _, object := range resources.CronJobsOf(resources.Objects(archivingPlan(), credentials())) {
		cron, ok := object.Config.(*batchac.CronJobApplyConfiguration)
		if !ok {
			t.Fatalf("%s is a %T", object, object.Config)
		}
		of = append(of, resources.Component(cron.Labels[resources.LabelComponent]))
	}
	slices.Sort(of)
	if want := slices.Sorted(slices.Values(resources.ScheduledComponents)); !slices.Equal(of, want) {
		t.Errorf("the CronJobs of a tenant are of components %v, and those that are looked for are %v", of, want)
	}
}
