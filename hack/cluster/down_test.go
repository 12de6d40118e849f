// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDataIsKeptForTheFolderItWasMadeForAndNoOther(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the data of clusters is root's")
	}
	for name, test := range map[string]struct {
		between func(c *Cluster) error
		strange bool
	}{
		"the folder is as it was": {func(*Cluster) error { return nil }, false},
		"only certificates of components were removed": {
			func(c *Cluster) error { return os.RemoveAll(c.file("pki")) }, false,
		},
		"the folder was removed":              {func(c *Cluster) error { return os.RemoveAll(c.dir) }, true},
		"the authority's certificate is gone": {func(c *Cluster) error { return os.Remove(c.file("ca.crt")) }, true},
		"the folder was removed, and a command began a new one": {
			func(c *Cluster) error {
				if err := os.RemoveAll(c.dir); err != nil {
					return err
				}
				return write(c.file("ca.crt"), []byte("another authority"), 0o644)
			}, true,
		},
		"the data is of a release that did not say whose it is": {func(c *Cluster) error { return os.Remove(c.owner()) }, true},
		"there is no data": {func(c *Cluster) error { return os.RemoveAll(c.data()) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := newLayout(filepath.Join(t.TempDir(), "cluster"))
			if err != nil {
				t.Fatal(err)
			}
			c := &Cluster{layout: l, Spec: DefaultSpec(l.dir)}
			t.Cleanup(func() {
				_ = os.RemoveAll(c.data())
				_ = os.Remove(filepath.Dir(c.data()))
			})
			if err := c.ensureIdentities(); err != nil {
				t.Fatal(err)
			}
			if c.strange() {
				t.Fatal("its own data is strange to a cluster that was just made")
			}
			kept := c.data("etcd", "member")
			if err := write(kept, []byte("objects"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := test.between(c); err != nil {
				t.Fatal(err)
			}
			if got := c.strange(); got != test.strange {
				t.Fatalf("strange: %t, want %t", got, test.strange)
			}
			if !test.strange {
				return
			}
			if err := c.disown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if exists(kept) || c.strange() {
				t.Error("the data of the removed folder is still there")
			}
		})
	}
}
