// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
)

// EndpointKey names a database server or a store of a region; Where is the name processors and verdicts use.
type EndpointKey struct{ Region, Where string }

// PutEndpoint enters how a server or store was met, and tells every tenant of the region when a verdict may change.
func (b *Book) PutEndpoint(key EndpointKey, sample compliance.Sample[compliance.Endpoint]) {
	b.mu.Lock()
	old := b.endpoints[key]
	if sample.Err != nil {
		// What the name stands for outlives a failure.
		sample.Value.Pinned = old.Value.Pinned
	}
	b.endpoints[key] = sample
	b.mu.Unlock()
	if turned(old, sample, old.Value == sample.Value) {
		b.notifyRegion(key.Region)
	}
}

// Endpoint gives how a server or store was last met.
func (b *Book) Endpoint(key EndpointKey) compliance.Sample[compliance.Endpoint] {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.endpoints[key]
}

// KeepEndpoints forgets every endpoint but these.
func (b *Book) KeepEndpoints(keys map[EndpointKey]bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.DeleteFunc(b.endpoints, func(key EndpointKey, _ compliance.Sample[compliance.Endpoint]) bool { return !keys[key] })
}

// Met is what the other end of a verified TLS connection showed.
func Met(state *tls.ConnectionState, address net.Addr) compliance.Endpoint {
	met := compliance.Endpoint{}
	if address != nil {
		met.Address = address.String()
	}
	if len(state.PeerCertificates) > 0 {
		leaf := state.PeerCertificates[0]
		sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
		met.Key, met.NotBefore = hex.EncodeToString(sum[:]), leaf.NotBefore.UTC()
	}
	for _, chain := range state.VerifiedChains {
		// Any chain that verifies will do, so that the one which lasts longest counts.
		if end := firstEnd(chain); end.After(met.NotAfter) {
			met.NotAfter = end
		}
	}
	return met
}

// firstEnd is when the first certificate of a chain ends.
func firstEnd(chain []*x509.Certificate) time.Time {
	var end time.Time
	for _, certificate := range chain {
		if end.IsZero() || certificate.NotAfter.Before(end) {
			end = certificate.NotAfter.UTC()
		}
	}
	return end
}

// Faulty tells whether a connection failed because of its certificate, which is a finding, and not for want of an
// answer, which is none.
func Faulty(err error) (fault compliance.Endpoint, is bool) {
	var refused *tls.CertificateVerificationError
	if !errors.As(err, &refused) {
		return fault, false
	}
	fault.FaultReason, fault.Fault = v1alpha1.ReasonCertificateInvalid, fmt.Sprintf("its certificate does not verify: %v", refused.Err)
	if len(refused.UnverifiedCertificates) > 0 {
		fault.NotBefore, fault.NotAfter = refused.UnverifiedCertificates[0].NotBefore.UTC(), refused.UnverifiedCertificates[0].NotAfter.UTC()
	}
	var invalid x509.CertificateInvalidError
	if errors.As(refused.Err, &invalid) && invalid.Reason == x509.Expired {
		fault.FaultReason = v1alpha1.ReasonCertificateExpired
		fault.Fault = fmt.Sprintf("a certificate it presents was not valid: from %s until %s", stamp(invalid.Cert.NotBefore), stamp(invalid.Cert.NotAfter))
	}
	return fault, true
}

// Certified is what a booking site's certificate and key say: whether they belong together, and name every host.
func Certified(certificate, key []byte, hosts []string) compliance.Endpoint {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return compliance.Endpoint{FaultReason: v1alpha1.ReasonCertificateInvalid, Fault: "holds no certificate with its key in tls.crt and tls.key"}
	}
	sum := sha256.Sum256(pair.Leaf.RawSubjectPublicKeyInfo)
	// The chain's other certificates may be there for old browsers' sake, and end without harm.
	met := compliance.Endpoint{Key: hex.EncodeToString(sum[:]), NotBefore: pair.Leaf.NotBefore.UTC(), NotAfter: pair.Leaf.NotAfter.UTC()}
	for _, host := range hosts {
		if pair.Leaf.VerifyHostname(host) != nil {
			met.FaultReason, met.Fault = v1alpha1.ReasonCertificateInvalid, "does not name host "+host
			break
		}
	}
	return met
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
