// SPDX-License-Identifier: Apache-2.0

// Package serving is the operator's own certificate authority for the hop between ingress and instance: nobody else
// issues for names inside the cluster. It signs for nothing but the Services of tenants.
package serving

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Keys of the Secrets, as every ingress controller knows them.
const (
	// CertificateKey is the PEM chain of the certificate, PrivateKeyKey its key, AuthorityKey the authorities that
	// verify it.
	CertificateKey = "tls.crt"
	PrivateKeyKey  = "tls.key"
	AuthorityKey   = "ca.crt"
)

const (
	authorityLife = 5 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	// backdated so that a clock a little behind takes a new certificate.
	backdated = time.Hour
)

// Pair is a certificate with its key, and the authorities that verify it, all in PEM.
type Pair struct{ Certificate, Key, Authorities []byte }

// Authority signs certificates of instances.
type Authority struct {
	certificate *x509.Certificate
	pair        tls.Certificate
	authorities []byte
}

// New makes an authority; former ones are believed until what they signed has ended.
func New(now time.Time, former []byte) (Pair, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Termintreu serving authority"}, NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	made, err := sign(template, nil)
	if err != nil {
		return Pair{}, fmt.Errorf("making the serving authority: %w", err)
	}
	made.Authorities = append(bytes.Clone(made.Certificate), former...)
	return made, nil
}

// Open reads an authority.
func Open(pair Pair) (*Authority, error) {
	parsed, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		// The cause could quote what it could not read.
		return nil, errors.New("the serving authority cannot be read: delete its Secret, and another one is made")
	}
	return &Authority{certificate: parsed.Leaf, pair: parsed, authorities: pair.Authorities}, nil
}

// Due tells whether another authority should sign from now on: early enough for every certificate to be signed anew.
func (a *Authority) Due(now time.Time) bool {
	return now.After(a.certificate.NotAfter.Add(-4 * leafLife))
}

// Authorities that verify what instances present, in PEM.
func (a *Authority) Authorities() []byte { return a.authorities }

// Pool of the authorities that verify what instances present.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.authorities)
	return pool
}

// Issue signs a certificate for the names of a Service.
func (a *Authority) Issue(names []string, now time.Time) (Pair, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Termintreu instance"}, DNSNames: names, NotBefore: now.Add(-backdated), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	made, err := sign(template, a)
	if err != nil {
		return Pair{}, fmt.Errorf("signing a certificate for %v: %w", names, err)
	}
	made.Authorities = a.authorities
	return made, nil
}

// Serves tells whether a certificate can go on being served: signed by this authority, for these names, with its key,
// and not in the last third of its life.
func (a *Authority) Serves(pair Pair, names []string, now time.Time) bool {
	parsed, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil || !bytes.Equal(pair.Authorities, a.authorities) {
		return false
	}
	leaf := parsed.Leaf
	return leaf.CheckSignatureFrom(a.certificate) == nil && slices.Equal(leaf.DNSNames, names) && now.After(leaf.NotBefore) &&
		now.Before(leaf.NotAfter.Add(-leafLife/3))
}

func sign(template *x509.Certificate, by *Authority) (Pair, error) {
	var err error
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return Pair{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	parent, signer := template, any(key)
	if by != nil {
		parent, signer = by.certificate, by.pair.PrivateKey
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}
