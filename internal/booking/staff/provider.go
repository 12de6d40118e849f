// SPDX-License-Identifier: Apache-2.0

package staff

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/termintreu/termintreu/internal/settings"
)

const (
	providerTimeout = 10 * time.Second
	maxSubject      = 255
)

// errSignIn is all a browser is told of a sign-in that failed.
var errSignIn = errors.New("the identity provider's answer is not valid")

// providers knows the identity provider of the settings in force, discovered once and anew when the settings change.
type providers struct {
	mutex sync.Mutex
	known settings.Staff
	found *oidc.Provider
	// client speaks to the provider and nobody else.
	client *http.Client
}

func (p *providers) get(ctx context.Context, wanted *settings.Staff) (*oidc.Provider, *http.Client, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.found != nil && p.known.Issuer == wanted.Issuer && p.known.CABundle == wanted.CABundle {
		return p.found, p.client, nil
	}
	client, err := newClient(wanted.CABundle)
	if err != nil {
		return nil, nil, err
	}
	// The provider keeps the context for fetching keys later, so it must outlive the request.
	found, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), client), wanted.Issuer)
	if err != nil {
		return nil, nil, fmt.Errorf("discovering the identity provider %s: %w", wanted.Issuer, err)
	}
	if endpoint := found.Endpoint(); !strings.HasPrefix(endpoint.AuthURL, "https://") || !strings.HasPrefix(endpoint.TokenURL, "https://") {
		return nil, nil, fmt.Errorf("the identity provider %s names endpoints without TLS", wanted.Issuer)
	}
	p.known, p.found, p.client = *wanted, found, client
	return found, client, nil
}

func newClient(bundle string) (*http.Client, error) {
	transport := &tls.Config{MinVersion: tls.VersionTLS12}
	if bundle != "" {
		transport.RootCAs = x509.NewCertPool()
		if !transport.RootCAs.AppendCertsFromPEM([]byte(bundle)) {
			return nil, errors.New("the identity provider's CA bundle holds no certificate")
		}
	}
	return &http.Client{
		Timeout:   providerTimeout,
		Transport: &http.Transport{TLSClientConfig: transport, MaxIdleConns: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		// A redirect could lead the client's secret elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// attempt is what a sign-in must come back with; the browser keeps it in a cookie until then.
type attempt struct{ state, nonce, verifier string }

func newAttempt() attempt {
	return attempt{oauth2.GenerateVerifier(), oauth2.GenerateVerifier(), oauth2.GenerateVerifier()}
}

func (a attempt) String() string { return a.state + "." + a.nonce + "." + a.verifier }

func readAttempt(text string) (attempt, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(parts[0]) < 40 || len(parts[1]) < 40 || len(parts[2]) < 40 {
		return attempt{}, false
	}
	return attempt{parts[0], parts[1], parts[2]}, true
}

func (a attempt) matches(state string) bool {
	return subtle.ConstantTimeCompare([]byte(a.state), []byte(state)) == 1
}

func (p *providers) config(wanted *settings.Staff, found *oidc.Provider, callback, secret string) *oauth2.Config {
	return &oauth2.Config{ClientID: wanted.ClientID, ClientSecret: secret, Endpoint: found.Endpoint(), RedirectURL: callback,
		Scopes: []string{oidc.ScopeOpenID}}
}

// address of the provider's page a sign-in begins at.
func (p *providers) address(ctx context.Context, wanted *settings.Staff, callback string, began attempt) (string, error) {
	found, _, err := p.get(ctx, wanted)
	if err != nil {
		return "", err
	}
	return p.config(wanted, found, callback, "").AuthCodeURL(began.state, oidc.Nonce(began.nonce), oauth2.S256ChallengeOption(began.verifier)), nil
}

// redeem exchanges the code for an ID token and gives who it is about, with what the claim holds. While the client's
// secret is exchanged at the provider, either of two may be the valid one (acceptance: no sign-in fails meanwhile).
func (p *providers) redeem(ctx context.Context, wanted *settings.Staff, callback, code string, began attempt, secrets []string) (subject string, claims []string, err error) {
	found, client, err := p.get(ctx, wanted)
	if err != nil {
		return "", nil, err
	}
	ctx = oidc.ClientContext(ctx, client)
	var token *oauth2.Token
	for _, secret := range secrets {
		token, err = p.config(wanted, found, callback, secret).Exchange(ctx, code, oauth2.VerifierOption(began.verifier))
		var refused *oauth2.RetrieveError
		if !errors.As(err, &refused) || refused.ErrorCode != "invalid_client" {
			break
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("redeeming the code: %s", providerCode(err))
	}
	raw, _ := token.Extra("id_token").(string)
	identity, err := found.Verifier(&oidc.Config{ClientID: wanted.ClientID}).Verify(ctx, raw)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %w", errSignIn, err)
	}
	if subtle.ConstantTimeCompare([]byte(identity.Nonce), []byte(began.nonce)) != 1 {
		return "", nil, fmt.Errorf("%w: the nonce is another sign-in's", errSignIn)
	}
	if !plain(identity.Subject) {
		return "", nil, fmt.Errorf("%w: the subject is empty, too long or not printable", errSignIn)
	}
	var all map[string]any
	if err := identity.Claims(&all); err != nil {
		return "", nil, fmt.Errorf("%w: its claims cannot be read", errSignIn)
	}
	return identity.Subject, textsOf(all, wanted.Claim), nil
}

// providerCode is the error code of the provider's answer; its description may repeat anything.
func providerCode(err error) string {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		if refused.ErrorCode != "" && plain(refused.ErrorCode) {
			return "the identity provider answers " + refused.ErrorCode
		}
		return fmt.Sprintf("the identity provider answers with status %d", refused.Response.StatusCode)
	}
	return "the identity provider does not answer"
}

func plain(text string) bool {
	if text == "" || len(text) > maxSubject {
		return false
	}
	for _, r := range text {
		if r < 0x21 || r > 0x7e {
			return false
		}
	}
	return true
}

// textsOf gives the texts of a claim; a dot in its name leads into an object where no claim has the whole name.
func textsOf(claims map[string]any, name string) []string {
	found, here := claims[name]
	if !here {
		first, rest, nested := strings.Cut(name, ".")
		inner, isObject := claims[first].(map[string]any)
		if !nested || !isObject {
			return nil
		}
		return textsOf(inner, rest)
	}
	switch found := found.(type) {
	case string:
		return []string{found}
	case []any:
		var texts []string
		for _, entry := range found {
			if text, is := entry.(string); is {
				texts = append(texts, text)
			}
		}
		return texts
	}
	return nil
}
