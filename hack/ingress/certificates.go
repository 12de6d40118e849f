// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// keepSecret bounds how long a renewed Secret goes unnoticed.
	keepSecret = 10 * time.Second
	keepIssued = 24 * time.Hour
	// maxNames bounds the memory that made-up names can take.
	maxNames = 1000
)

// certificates answers for any server name.
type certificates struct {
	client    kubernetes.Interface
	table     *table
	authority tls.Certificate
	// keep is how long what a Secret held is answered with.
	keep time.Duration

	mu    sync.Mutex
	known map[string]kept
}

type kept struct {
	cert  *tls.Certificate
	until time.Time
}

func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := hello.ServerName
	if name == "" {
		name = "localhost"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.known[name]; ok && time.Now().Before(k.until) {
		return k.cert, nil
	}
	if len(c.known) >= maxNames || c.known == nil {
		c.known = map[string]kept{}
	}
	if cert := c.fromSecret(hello.Context(), name); cert != nil {
		c.known[name] = kept{cert, time.Now().Add(c.keep)}
		return cert, nil
	}
	cert, err := c.issue(name)
	if err != nil {
		return nil, err
	}
	keep := keepIssued
	if _, expected := (*c.table.secrets.Load())[name]; expected {
		keep = c.keep
	}
	c.known[name] = kept{cert, time.Now().Add(keep)}
	return cert, nil
}

func (c *certificates) fromSecret(ctx context.Context, name string) *tls.Certificate {
	ref, ok := (*c.table.secrets.Load())[name]
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	secret, err := c.client.CoreV1().Secrets(ref.namespace).Get(ctx, ref.name, metav1.GetOptions{})
	if err != nil {
		slog.Warn("TLS secret", "namespace", ref.namespace, "name", ref.name, "error", err)
		return nil
	}
	cert, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	if err != nil {
		slog.Warn("TLS secret", "namespace", ref.namespace, "name", ref.name, "error", err)
		return nil
	}
	return &cert
}

func (c *certificates) issue(name string) (*tls.Certificate, error) {
	parent, err := x509.ParseCertificate(c.authority.Certificate[0])
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(2 * keepIssued),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), c.authority.PrivateKey)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
