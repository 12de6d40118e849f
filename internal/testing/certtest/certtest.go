// SPDX-License-Identifier: Apache-2.0

// Package certtest gives tests authorities and certificates as the operator makes them.
package certtest

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/serving"
)

// Authority makes an authority.
func Authority(t testing.TB) *serving.Authority {
	t.Helper()
	return AuthorityAt(t, time.Now(), nil)
}

// AuthorityAt makes one at a time, which goes on believing in former ones, in PEM.
func AuthorityAt(t testing.TB, now time.Time, former []byte) *serving.Authority {
	t.Helper()
	made, err := serving.New(now, former)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := serving.Open(made)
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// Issue signs a certificate for names.
func Issue(t testing.TB, by *serving.Authority, names ...string) serving.Pair {
	t.Helper()
	return IssueAt(t, by, time.Now(), names...)
}

// IssueAt signs one at a time.
func IssueAt(t testing.TB, by *serving.Authority, now time.Time, names ...string) serving.Pair {
	t.Helper()
	pair, err := by.Issue(names, now)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// Certificate is one for names, as a server presents it.
func Certificate(t testing.TB, by *serving.Authority, names ...string) *tls.Certificate {
	t.Helper()
	pair := Issue(t, by, names...)
	certificate, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &certificate
}
