// SPDX-License-Identifier: Apache-2.0

// Package pki keeps the certificate authority of a local cluster on disk and
// issues from it. Everything is created once and then reused, so that bringing
// a cluster up again invalidates nobody's kubeconfig or trust store.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	validity = 365 * 24 * time.Hour
	// renewBefore makes certificates new again long before a demo that is
	// left running could trip over their end.
	renewBefore = 30 * 24 * time.Hour
)

// Authority issues certificates.
type Authority struct {
	CertFile, KeyFile string

	cert *x509.Certificate
	key  crypto.Signer
}

// Request describes a certificate.
type Request struct {
	CommonName    string
	Organizations []string
	Names         []string
	Addresses     []string
}

// Open reads the authority at dir/ca.crt and dir/ca.key, or creates it.
func Open(dir string) (*Authority, error) {
	a := &Authority{CertFile: filepath.Join(dir, "ca.crt"), KeyFile: filepath.Join(dir, "ca.key")}
	cert, key, err := read(a.CertFile, a.KeyFile)
	if err == nil && !expiring(cert) {
		a.cert, a.key = cert, key
		return a, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	template := newTemplate(Request{CommonName: "Termintreu local cluster CA"})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	if err := issue(template, nil, nil, a.CertFile, a.KeyFile); err != nil {
		return nil, err
	}
	a.cert, a.key, err = read(a.CertFile, a.KeyFile)
	return a, err
}

// Ensure makes sure that the two files hold a certificate as requested,
// issued by this authority and valid for a while.
func (a *Authority) Ensure(certFile, keyFile string, r Request) error {
	if cert, _, err := read(certFile, keyFile); err == nil && a.covers(cert, r) && !expiring(cert) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(certFile), 0o755); err != nil {
		return err
	}
	template := newTemplate(r)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return issue(template, a.cert, a.key, certFile, keyFile)
}

func (a *Authority) covers(cert *x509.Certificate, r Request) bool {
	if cert.CheckSignatureFrom(a.cert) != nil || cert.Subject.CommonName != r.CommonName {
		return false
	}
	for _, name := range append(append([]string{}, r.Names...), r.Addresses...) {
		if cert.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

func newTemplate(r Request) *x509.Certificate {
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: r.CommonName, Organization: r.Organizations},
		NotBefore: time.Now().Add(-time.Hour),
		NotAfter:  time.Now().Add(validity),
		DNSNames:  r.Names,
	}
	for _, address := range r.Addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	return template
}

// issue signs template; without a parent it signs itself.
func issue(template, parent *x509.Certificate, signer crypto.Signer, certFile, keyFile string) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template.SerialNumber = serial
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("issue %s: %w", template.Subject.CommonName, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if err := os.WriteFile(keyFile, keyPEM, 0o600); err != nil {
		return err
	}
	return os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func read(certFile, keyFile string) (*x509.Certificate, crypto.Signer, error) {
	certBlock, err := readPEM(certFile)
	if err != nil {
		return nil, nil, err
	}
	keyBlock, err := readPEM(keyFile)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(certBlock)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", certFile, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", keyFile, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("read %s: not a signing key", keyFile)
	}
	return cert, signer, nil
}

func readPEM(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("read %s: no PEM block", file)
	}
	return block.Bytes, nil
}

func expiring(cert *x509.Certificate) bool {
	return time.Now().Add(renewBefore).After(cert.NotAfter)
}
