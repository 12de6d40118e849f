// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"testing"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/serving"
)

func TestACertificateMustNameEveryHostAndHaveItsKey(t *testing.T) {
	now := time.Now()
	issue := func(names ...string) serving.Pair {
		root, err := serving.New(now, nil)
		if err != nil {
			t.Fatal(err)
		}
		authority, err := serving.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := authority.Issue(names, now)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	hosts := []string{"termine.example.org", "rdv.example.org"}
	both, wild, one := issue(hosts...), issue("*.example.org"), issue("termine.example.org")
	for name, c := range map[string]struct {
		certificate, key []byte
		fault            string
	}{
		"names both":     {both.Certificate, both.Key, ""},
		"wildcard":       {wild.Certificate, wild.Key, ""},
		"names one":      {one.Certificate, one.Key, "does not name host rdv.example.org"},
		"another's key":  {both.Certificate, one.Key, "holds no certificate with its key in tls.crt and tls.key"},
		"nothing":        {nil, nil, "holds no certificate with its key in tls.crt and tls.key"},
		"no certificate": {[]byte("nonsense"), both.Key, "holds no certificate with its key in tls.crt and tls.key"},
	} {
		met := evidence.Certified(c.certificate, c.key, hosts)
		if met.Fault != c.fault || (met.FaultReason == v1alpha1.ReasonCertificateInvalid) != (c.fault != "") {
			t.Errorf("%s: the fault is %q because of %q, want %q", name, met.Fault, met.FaultReason, c.fault)
		}
		if c.fault == "" && (met.Key == "" || !met.NotAfter.After(now) || !met.NotBefore.Before(now)) {
			t.Errorf("%s: %+v", name, met)
		}
	}
}
