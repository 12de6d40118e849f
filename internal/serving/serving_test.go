// SPDX-License-Identifier: Apache-2.0

package serving_test

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/serving"
	"github.com/termintreu/termintreu/internal/testing/certtest"
)

var names = []string{"site-booking.basel.svc"}

func verify(t *testing.T, pair serving.Pair, roots *x509.CertPool, name string, at time.Time) error {
	t.Helper()
	parsed, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parsed.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: at})
	return err
}

func TestACertificateServesItsNamesUntilTheLastThirdOfItsLife(t *testing.T) {
	now := time.Now()
	a := certtest.AuthorityAt(t, now, nil)
	pair := certtest.IssueAt(t, a, now, names...)
	if err := verify(t, pair, a.Pool(), names[0], now); err != nil {
		t.Error(err)
	}
	if err := verify(t, pair, a.Pool(), "other-booking.basel.svc", now); err == nil {
		t.Error("the certificate is good for another tenant's Service")
	}
	other := certtest.IssueAt(t, a, now, names...)
	for what, test := range map[string]struct {
		pair  serving.Pair
		names []string
		at    time.Time
		want  bool
	}{
		"new":                 {pair, names, now, true},
		"59 days on":          {pair, names, now.AddDate(0, 0, 59), true},
		"in its last third":   {pair, names, now.AddDate(0, 0, 61), false},
		"another name":        {pair, []string{"other.basel.svc"}, now, false},
		"nothing yet":         {serving.Pair{}, names, now, false},
		"another's key":       {serving.Pair{Certificate: pair.Certificate, Key: other.Key, Authorities: pair.Authorities}, names, now, false},
		"another's authority": {certtest.IssueAt(t, certtest.AuthorityAt(t, now, nil), now, names...), names, now, false},
	} {
		if got := a.Serves(test.pair, test.names, test.at); got != test.want {
			t.Errorf("%s: it serves: %t, want %t", what, got, test.want)
		}
	}
}

func TestAnAuthorityIsFollowedByOneThatBelievesIt(t *testing.T) {
	now := time.Now()
	first := certtest.AuthorityAt(t, now, nil)
	late := now.AddDate(4, 1, 0)
	if first.Due(now) || !first.Due(late) {
		t.Errorf("due at once: %t, a year before its end: %t", first.Due(now), first.Due(late))
	}
	old := certtest.IssueAt(t, first, late, names...)
	second := certtest.AuthorityAt(t, late, first.Authorities())
	if second.Serves(old, names, late) {
		t.Error("what the former authority signed is not signed anew")
	}
	if err := verify(t, old, second.Pool(), names[0], late); err != nil {
		t.Errorf("an instance that has not reloaded yet is no longer believed: %v", err)
	}
	if err := verify(t, certtest.IssueAt(t, second, late, names...), second.Pool(), names[0], late); err != nil {
		t.Error(err)
	}
}
