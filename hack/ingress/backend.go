// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// transport verifies what a Service that speaks TLS presents, with the authorities in the Secret of its name.
func (t *table) transport() *http.Transport {
	return &http.Transport{
		DialTLSContext:      t.dialTLS,
		MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: time.Minute,
	}
}

// dialTLS connects to NAME.NAMESPACE.svc:PORT.
func (t *table) dialTLS(ctx context.Context, network, target string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	name, namespace, _ := strings.Cut(strings.TrimSuffix(host, ".svc"), ".")
	service, err := t.factory.Core().V1().Services().Lister().Services(namespace).Get(name)
	if err != nil {
		return nil, err
	}
	secret, err := t.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(secret.Data["ca.crt"]) {
		return nil, fmt.Errorf("secret %s/%s holds no authority in ca.crt", namespace, name)
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12}}
	return dialer.DialContext(ctx, network, net.JoinHostPort(service.Spec.ClusterIP, port))
}
