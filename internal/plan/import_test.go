// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/objectstore"
	"github.com/termintreu/termintreu/internal/plan"
)

func importing(t *testing.T, spec v1alpha1.ImportSpec) (*plan.Import, *plan.Plan, error) {
	t.Helper()
	in := soundInput(t)
	in.Importing = true
	in.Tenant.Spec.Bootstrap = &v1alpha1.Bootstrap{Import: spec}
	p, err := plan.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	made, err := plan.BuildImport(in, p)
	return made, p, err
}

func fileOf(start time.Time) v1alpha1.ExportFile {
	return v1alpha1.ExportFile(start.UTC().Format(objectstore.KeyTime) + string(objectstore.KindExport))
}

// Invariant 6: what an import reads lies under the tenant's own prefix, whatever the spec names.
func TestAnImportReadsUnderTheTenantsOwnPrefix(t *testing.T) {
	digest := v1alpha1.SHA256(strings.Repeat("0", 64))
	made, p, err := importing(t, v1alpha1.ImportSpec{File: fileOf(now.Add(-24 * time.Hour)), SHA256: digest})
	if err != nil {
		t.Fatal(err)
	}
	if want := p.DataID + "/" + string(fileOf(now.Add(-24*time.Hour))); made.Settings.Key != want || made.Settings.SHA256 != string(digest) {
		t.Errorf("it reads %s with digest %s, want %s", made.Settings.Key, made.Settings.SHA256, want)
	}
	if made.Store.Name != p.Backup.Stores[0].Name || made.Settings.Source.Prefix != p.DataID+"/" {
		t.Errorf("it reads from %s, prefix %s", made.Store.Name, made.Settings.Source.Prefix)
	}
	if strings.Join(made.Settings.Offices, " ") != "spiegelhof" || strings.Join(made.Settings.Services, " ") != "passport wedding" {
		t.Errorf("it knows offices %v and services %v", made.Settings.Offices, made.Settings.Services)
	}
	if !p.Instance.Settings.Importing || !p.Instance.Settings.Restoring {
		t.Error("the site does not say that it is moving, or an instance of the release before serves")
	}
}

func TestAnImportThatCannotBeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spec v1alpha1.ImportSpec
		says string
	}{
		"a store without copies":      {v1alpha1.ImportSpec{File: fileOf(now), Store: "elsewhere"}, "name one of the first 2 backup stores"},
		"a time there is not":         {v1alpha1.ImportSpec{File: "20261399T000000Z.export.tar.zst.age"}, "keep the name it had"},
		"an export expiry would take": {v1alpha1.ImportSpec{File: fileOf(now.Add(-91 * 24 * time.Hour))}, "export once more at the old place"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := importing(t, c.spec)
			var refusal *plan.Refusal
			if !errors.As(err, &refusal) || refusal.Reason != v1alpha1.ReasonInvalidImport || !strings.Contains(refusal.Message, c.says) {
				t.Errorf("it gives %v", err)
			}
		})
	}
}

// Whatever the file is called, the import reads below the tenant's own prefix, in no folder of it, or is refused.
func FuzzImportFile(f *testing.F) {
	for _, file := range []string{
		"20261122T081500Z.export.tar.zst.age", "20261122T081500Z.export-2.tar.zst.age", "../other/20261122T081500Z.export.tar.zst.age",
		"20261122T081500Z.dump.zst.age", "20261122T081500Z", "", "/",
	} {
		f.Add(file)
	}
	in := soundInput(f)
	in.Tenant.Spec.Bootstrap = &v1alpha1.Bootstrap{}
	p, err := plan.Build(in)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, file string) {
		in.Tenant.Spec.Bootstrap.Import.File = v1alpha1.ExportFile(file)
		made, err := plan.BuildImport(in, p)
		var refusal *plan.Refusal
		if errors.As(err, &refusal) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _, kind, ok := objectstore.ParseKey(made.Settings.Key)
		if rest, own := strings.CutPrefix(made.Settings.Key, p.DataID+"/"); !own || strings.Contains(rest, "/") || !ok || !strings.HasPrefix(string(kind), ".export") {
			t.Errorf("%q becomes %q", file, made.Settings.Key)
		}
	})
}
