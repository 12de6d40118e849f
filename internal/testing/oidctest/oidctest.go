// SPDX-License-Identifier: Apache-2.0

// Package oidctest gives tests a real OpenID Connect provider on loopback: npm's certified oidc-provider, at a version
// its lockfile names. What a mock would accept, it refuses.
package oidctest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// ClientID of the one client the provider knows.
const ClientID = "termintreu"

// Provider is a running provider.
type Provider struct {
	// Issuer URL, and the PEM bundle its certificate is verified with.
	Issuer, CABundle string
	// Secret of the client.
	Secret string

	mutex sync.Mutex
	input io.Writer
	said  *bufio.Scanner
}

// Start runs a provider whose client may be sent back to callbacks. It ends with the test, or with the process.
func Start(t testing.TB, callbacks ...string) *Provider {
	t.Helper()
	dir := install(t)
	key, certificate := pair(t)
	port := freePort(t)
	provider := &Provider{Issuer: fmt.Sprintf("https://localhost:%d", port), CABundle: certificate, Secret: rand.Text()}
	node := exec.Command("node", "provider.mjs")
	node.Dir = dir
	node.Stderr = io.Discard
	input, err := node.StdinPipe()
	must(t, err)
	output, err := node.StdoutPipe()
	must(t, err)
	must(t, node.Start())
	t.Cleanup(func() {
		_ = input.Close()
		_ = node.Wait()
	})
	provider.input, provider.said = input, bufio.NewScanner(output)
	must(t, json.NewEncoder(input).Encode(map[string]any{"key": key, "certificate": certificate, "port": port, "client": ClientID,
		"secret": provider.Secret, "callbacks": callbacks}))
	provider.await(t, "ready")
	return provider
}

// Exchange gives the client another secret; the one before is refused from then on.
func (p *Provider) Exchange(t testing.TB, secret string) {
	t.Helper()
	p.mutex.Lock()
	defer p.mutex.Unlock()
	_, err := fmt.Fprintf(p.input, "secret %s\n", secret)
	must(t, err)
	p.await(t, "exchanged")
	p.Secret = secret
}

func (p *Provider) await(t testing.TB, word string) {
	t.Helper()
	for p.said.Scan() {
		if p.said.Text() == word {
			return
		}
	}
	t.Fatalf("the identity provider ended before it said %q: is node of Debian's package nodejs installed?", word)
}

// Browser is an HTTP client with cookies that trusts the bundles and follows redirects.
func Browser(t testing.TB, bundles ...string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	for _, bundle := range bundles {
		if !pool.AppendCertsFromPEM([]byte(bundle)) {
			t.Fatal("a bundle holds no certificate")
		}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig.RootCAs = pool
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: Jar(), Transport: transport, Timeout: 30 * time.Second}
}

// Jar is an empty jar of cookies: a browser nobody has used.
func Jar() http.CookieJar {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // it has no way to fail without options
	}
	return jar
}

// SignIn walks the provider's pages as a person does: name and password, then consent. It gives the page it is sent
// back to.
func SignIn(browser *http.Client, address, name string) (status int, page string, err error) {
	response, err := browser.Get(address)
	for range 4 {
		if err != nil {
			return 0, "", err
		}
		var raw []byte
		raw, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return 0, "", err
		}
		if !strings.Contains(response.Request.URL.Path, "/interaction/") {
			return response.StatusCode, string(raw), nil
		}
		action, fields := form(string(raw))
		target, err2 := response.Request.URL.Parse(action)
		if err2 != nil {
			return 0, "", err2
		}
		if fields.Has("login") {
			fields.Set("login", name)
			fields.Set("password", "any")
		}
		response, err = browser.PostForm(target.String(), fields)
	}
	return 0, "", fmt.Errorf("the provider's pages have no end: %w", err)
}

// form gives the address and the fields of the first form of a page.
func form(page string) (action string, fields url.Values) {
	fields = url.Values{}
	tokens := html.NewTokenizer(strings.NewReader(page))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return action, fields
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			attributes := map[string]string{}
			for _, attribute := range token.Attr {
				attributes[attribute.Key] = attribute.Val
			}
			if token.Data == "form" && action == "" {
				action = attributes["action"]
			}
			if token.Data == "input" && attributes["name"] != "" {
				fields.Set(attributes["name"], attributes["value"])
			}
		}
	}
}

// install puts what the lockfile names beside it, once.
func install(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(here), "..", "..", "..", "test", "oidc")
	lock, err := os.OpenFile(filepath.Join(dir, "package.json"), os.O_RDONLY, 0)
	must(t, err)
	defer lock.Close()
	// Packages of tests run at once, each in a process of its own.
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
		return dir
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if said, err := npm.CombinedOutput(); err != nil {
		t.Fatalf("installing the identity provider (Debian's packages nodejs and npm are needed): %v\n%s", err, said)
	}
	return dir
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// pair makes a key and a certificate for localhost that is its own authority.
func pair(t testing.TB) (key, certificate string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "oidctest"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
