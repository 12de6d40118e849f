// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/termintreu/termintreu/hack/internal/pki"
)

func TestEnsureKeepsACertificateThatStillFits(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	request := pki.Request{CommonName: "a", Names: []string{"a.example"}, Addresses: []string{"10.0.0.1"}}

	ensure := func(r pki.Request) string {
		t.Helper()
		authority, err := pki.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := authority.Ensure(cert, key, r); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(cert)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	first := ensure(request)
	if ensure(request) != first {
		t.Error("the same request issued a new certificate")
	}
	request.Names = append(request.Names, "b.example")
	if ensure(request) == first {
		t.Error("a further name did not issue a new certificate")
	}
}
