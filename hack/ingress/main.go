// SPDX-License-Identifier: Apache-2.0

// Command ingress is a small ingress controller for the local cluster: host and
// path rules, TLS from the Ingress's Secret or else issued by the cluster's own
// authority for any name. It keeps no log of requests.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		slog.Error("ingress ended", "error", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	class := flag.String("class", "", "ingress class to serve")
	plain := flag.String("http", ":8080", "address for HTTP")
	secure := flag.String("https", ":8443", "address for HTTPS")
	health := flag.String("health", ":8081", "address for the readiness probe")
	ca := flag.String("ca", "/ca", "folder with tls.crt and tls.key of the authority")
	flag.Parse()

	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	authority, err := tls.LoadX509KeyPair(*ca+"/tls.crt", *ca+"/tls.key")
	if err != nil {
		return fmt.Errorf("read the authority: %w", err)
	}
	routes := newTable(*class, client)
	if err := routes.start(ctx); err != nil {
		return err
	}
	certs := &certificates{client: client, table: routes, authority: authority, keep: keepSecret}

	failed := make(chan error, 3)
	serve := func(server *http.Server, listen func() error) {
		go func() { failed <- listen() }()
		context.AfterFunc(ctx, func() {
			// Longer than kube-proxy takes to stop sending.
			grace, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			defer cancel()
			_ = server.Shutdown(grace)
		})
	}
	for _, address := range []string{*plain, *health} {
		server := newServer(address, routes)
		if address == *health {
			server.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		}
		serve(server, server.ListenAndServe)
	}
	server := newServer(*secure, routes)
	server.TLSConfig = &tls.Config{GetCertificate: certs.get, MinVersion: tls.VersionTLS12}
	serve(server, func() error { return server.ListenAndServeTLS("", "") })
	return <-failed
}

func newServer(address string, handler http.Handler) *http.Server {
	return &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
}
