// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/plan"
)

// Invariant 6: shared catalogues are world-readable, so names in them are opaque; and safe wherever they are used.
func TestDataIDIsAnOpaqueNameOfItsOwn(t *testing.T) {
	shape, seen := regexp.MustCompile(`^t[a-z2-7]{15}$`), map[string]bool{}
	for i := range 1000 {
		uid := types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		id := plan.DataID(uid)
		if !shape.MatchString(id) {
			t.Fatalf("%q is not a letter and fifteen of [a-z2-7]", id)
		}
		if seen[id] {
			t.Fatalf("two tenants are named %q", id)
		}
		if plan.DataID(uid) != id {
			t.Fatal("one tenant has two names")
		}
		seen[id] = true
	}
}

func TestEqualWishesGiveEqualPlansAndHashes(t *testing.T) {
	in := soundInput(t)
	first := mustBuild(t, in)
	again := in
	again.Tenant, again.Policy, again.Region = in.Tenant.DeepCopy(), in.Policy.DeepCopy(), in.Region.DeepCopy()
	again.Now = in.Now.Add(time.Hour)
	second := mustBuild(t, again)
	expectEqual(t, "plan an hour later", second, first)
	if plan.Hash(first) != plan.Hash(second) {
		t.Error("equal plans have different hashes")
	}
}

func TestEveryChangedPromiseChangesThePlanHash(t *testing.T) {
	in := soundInput(t)
	recipients := in.Tenant.Spec.Backup.Recipients
	seen := map[string]string{mustBuild(t, in).Purge.Settings.PlanHash: "nothing"}
	for what, change := range map[string]func(*plan.Input){
		"period":    func(in *plan.Input) { in.Policy.Spec.Rules[1].Period = "29d" },
		"tolerance": func(in *plan.Input) { in.Policy.Spec.Tolerance = "1d" },
		"backup":    func(in *plan.Input) { in.Policy.Spec.Backup.Period = "89d" },
		"node":      func(in *plan.Input) { in.Region.Spec.Nodes.Values = []string{"li"} },
		"copies":    func(in *plan.Input) { in.Tenant.Spec.Backup.Copies = 3 },
		"schedule":  func(in *plan.Input) { in.Tenant.Spec.Backup.Schedule = "0 */6 * * *" },
		"host":      func(in *plan.Input) { in.Tenant.Spec.Instance.Hosts[0] = "neu.example.org" },
		"image":     func(in *plan.Input) { in.Defaults.Image = "registry.example/termintreu:v2" },
		"processor": func(in *plan.Input) { in.Region.Spec.BackupStores[0].Processor.Site = "Bern" },
	} {
		changed := soundInput(t)
		changed.Tenant.Spec.Backup.Recipients = recipients
		change(&changed)
		hash := mustBuild(t, changed).Purge.Settings.PlanHash
		if other, taken := seen[hash]; taken {
			t.Errorf("changing the %s gives the hash of changing %s", what, other)
		}
		seen[hash] = what
	}
}

func TestPlaceChoosesTheLeastFullDatabaseThatAnswered(t *testing.T) {
	key := func(database string) plan.DatabaseKey {
		return plan.DatabaseKey{Region: "ch", Server: "pg-1", Database: database}
	}
	for name, c := range map[string]struct {
		loads map[plan.DatabaseKey]int
		want  string
	}{
		"the second is emptier":      {map[plan.DatabaseKey]int{key("appointments_1"): 1, key("appointments_2"): 0}, "appointments_2"},
		"both are equal":             {map[plan.DatabaseKey]int{key("appointments_1"): 1, key("appointments_2"): 1}, "appointments_1"},
		"the emptier never answered": {map[plan.DatabaseKey]int{key("appointments_1"): 1}, "appointments_1"},
		"the first is full":          {map[plan.DatabaseKey]int{key("appointments_1"): 2, key("appointments_2"): 1}, "appointments_2"},
	} {
		t.Run(name, func(t *testing.T) {
			placement, err := plan.Place(soundRegion(), "tabcdefghijklmno", c.loads)
			if err != nil {
				t.Fatal(err)
			}
			expectEqual(t, "placement", *placement, v1alpha1.DatabasePlacement{Server: "pg-1", Name: c.want, Schema: "tabcdefghijklmno"})
		})
	}
}

func TestPlaceTellsAFullRegionFromASilentOne(t *testing.T) {
	full := map[plan.DatabaseKey]int{{Region: "ch", Server: "pg-1", Database: "appointments_1"}: 2, {Region: "ch", Server: "pg-1", Database: "appointments_2"}: 3}
	_, err := plan.Place(soundRegion(), "tabcdefghijklmno", full)
	var refusal *plan.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != v1alpha1.ReasonNoCapacity {
		t.Errorf("a full region gives %v; want NoCapacity", err)
	}
	// Silence passes, so it is retried and never shown as a wish that cannot be granted.
	_, err = plan.Place(soundRegion(), "tabcdefghijklmno", map[plan.DatabaseKey]int{{Region: "de", Server: "pg-1", Database: "appointments_1"}: 0})
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("a silent region gives %v; want an error that is retried", err)
	}
}
