// SPDX-License-Identifier: Apache-2.0

package export_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/settings"
	"github.com/termintreu/termintreu/internal/testing/s3test"
)

func deliveryOf(t *testing.T, s *site, stores []*s3test.Store, identity *age.X25519Identity) export.Options {
	t.Helper()
	o := export.Options{
		Settings: settings.Export{
			DataID: s.tenant.DataID, Recipients: []string{identity.Recipient().String()},
			Controllers: catalogue.Controllers, Catalogue: catalogue.Catalogue,
		},
		Connect: func(context.Context) (*pgx.Conn, error) { return s.backup(t), nil },
		Keys:    func(string) (string, string, error) { return stores[0].AdminKeyID, stores[0].AdminSecret, nil },
	}
	for _, store := range stores {
		o.Settings.Stores = append(o.Settings.Stores, store.Settings(s.tenant.DataID+"/"))
	}
	o.Keys = func(name string) (string, string, error) {
		for _, store := range stores {
			if store.Name == name {
				return store.AdminKeyID, store.AdminSecret, nil
			}
		}
		return "", "", os.ErrNotExist
	}
	return o
}

func TestAnExportLiesAtEveryStoreAndAPersonOpensItWithPlainTools(t *testing.T) {
	stores := s3test.Start(t, 2)
	s := newSite(t, day)
	s.fill(t)
	identity, err := age.GenerateX25519Identity()
	must(t, err)
	o := deliveryOf(t, s, stores, identity)
	d, err := export.Deliver(t.Context(), o)
	must(t, err)
	if len(d.Objects) != 3 || d.Records["contact"] != 50 || d.Objects[2].Controller != 2 {
		t.Fatalf("%+v", d)
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "key.txt"), []byte(identity.String()+"\n"), 0o600))
	for _, store := range stores {
		found, err := export.FindDelivered(t.Context(), store.Objects(t), s.tenant.DataID)
		must(t, err)
		if found.Objects[0] != d.Objects[0] {
			t.Errorf("%s has %+v", store.Name, found)
		}
		content, err := store.Objects(t).Get(t.Context(), d.Objects[0].Key)
		must(t, err)
		var raw bytes.Buffer
		_, err = raw.ReadFrom(content)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, "export.tar.zst.age"), raw.Bytes(), 0o600))
		command := exec.Command("bash", "-ec", `age -d -i key.txt export.tar.zst.age | zstd -d -q | tar x
			jq -r '.files[] | "\(.sha256)  \(.path)"' manifest.json | sha256sum --check --strict --quiet
			wc -l < data/contact.0001.jsonl; grep -c hall offices/hall.0001.csv || true`)
		command.Dir = dir
		output, err := command.CombinedOutput()
		if err != nil || !strings.HasPrefix(string(output), "50\n") {
			t.Errorf("%v\n%s", err, output)
		}
	}
}

func TestAStoreThatIsDownKeepsNoOtherFromTheExportAndIsNamed(t *testing.T) {
	stores := s3test.Start(t, 2)
	s := newSite(t, day)
	s.fill(t)
	identity, err := age.GenerateX25519Identity()
	must(t, err)
	o := deliveryOf(t, s, stores, identity)
	stores[0].Stop()
	d, err := export.Deliver(t.Context(), o)
	if d == nil || err == nil || !strings.Contains(err.Error(), stores[0].Name) {
		t.Fatalf("%+v, %v", d, err)
	}
	stores[1].Stop()
	if d, err := export.Deliver(t.Context(), o); d != nil || err == nil || !strings.Contains(err.Error(), "no store has the export") {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestAnExportOpensForItsRecipientAlone(t *testing.T) {
	s := newSite(t, day)
	s.fill(t)
	mine, err := age.GenerateX25519Identity()
	must(t, err)
	other, err := age.GenerateX25519Identity()
	must(t, err)
	var raw bytes.Buffer
	sealed, err := export.Seal(&raw, []age.Recipient{mine.Recipient()})
	must(t, err)
	_, err = export.Write(t.Context(), s.backup(t), sealed, export.Scope{})
	must(t, err)
	must(t, sealed.Close())
	for name, c := range map[string]struct {
		identities []age.Identity
		want       string
	}{"nobody": {nil, "is encrypted"}, "somebody else": {[]age.Identity{other}, "does not open with this identity"}} {
		if _, err := export.Open(bytes.NewReader(raw.Bytes()), c.identities...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	opened, err := export.Open(bytes.NewReader(raw.Bytes()), mine)
	must(t, err)
	if manifest, err := export.Read(opened, export.Visitor{}); err != nil || manifest.Total() < 100 {
		t.Errorf("%+v, %v", manifest, err)
	}
}
