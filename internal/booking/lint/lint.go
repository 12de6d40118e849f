// SPDX-License-Identifier: Apache-2.0

// Package lint reads a booking site as an auditor would and says what is wrong with its privacy notice: dead
// references, missing contacts, unnamed processors, third parties the pages load from, legal bases that do not exist
// (A17).
package lint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/termintreu/termintreu/internal/settings"
)

const (
	documentPath = "/.well-known/termintreu/notice.json"
	maxPage      = 4 << 20
	timeout      = 15 * time.Second
)

// Finding is one fault: where, and what to mend.
type Finding struct{ Where, What string }

func (f Finding) String() string { return f.Where + ": " + f.What }

// Linter reads sites.
type Linter struct {
	// Client with the CA of the site; nil for the system's.
	Client *http.Client
	// SameSiteOnly leaves references to other sites unfollowed, for networks without a way out.
	SameSiteOnly bool
}

// Client makes a client that verifies sites against roots, the system's when nil. Names under localhost lead to this
// machine whatever the resolver says (RFC 6761), so that a local cluster can be read.
func Client(roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: timeout}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err == nil && strings.HasSuffix(host, ".localhost") {
			address = net.JoinHostPort("localhost", port)
		}
		return dialer.DialContext(ctx, network, address)
	}
	return &http.Client{Timeout: timeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dial,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
}

// run is one reading of one site.
type run struct {
	Linter
	base     *url.URL
	findings []Finding
	followed map[string]string
}

// Site reads the notice for machines, then start page and notice in every language the start page offers. An error
// means that the site could not be read at all.
func (l Linter) Site(ctx context.Context, address string) ([]Finding, error) {
	base, err := url.Parse(strings.TrimRight(address, "/") + "/")
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("%q is no web address: write https://host", address)
	}
	if l.Client == nil {
		l.Client = Client(nil)
	}
	r := &run{Linter: l, base: base, followed: map[string]string{}}
	if err := r.document(ctx); err != nil {
		return nil, err
	}
	start, home, err := r.page(ctx, base)
	if err != nil {
		return nil, fmt.Errorf("start page: %w", err)
	}
	languages := start.languages
	if len(languages) == 0 {
		languages = []string{home.Path}
	}
	for _, language := range languages {
		if err := r.language(ctx, language); err != nil {
			return nil, err
		}
	}
	return r.findings, nil
}

// language reads one language's start page and the notice its footer leads to.
func (r *run) language(ctx context.Context, path string) error {
	address, err := r.base.Parse(path)
	if err != nil {
		return fmt.Errorf("language %s: %w", path, err)
	}
	home, at, err := r.page(ctx, address)
	if err != nil {
		return fmt.Errorf("page %s: %w", path, err)
	}
	r.check(ctx, home, at)
	notice, err := at.Parse("privacy")
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(home.links, func(link string) bool { return resolve(at, link) == notice.String() }) {
		r.find(at.Path, "no link leads to the privacy notice at %s (D1)", notice.Path)
	}
	said, at, err := r.page(ctx, notice)
	if err != nil {
		return fmt.Errorf("page %s: %w", notice.Path, err)
	}
	r.check(ctx, said, at)
	for _, fault := range LegalBases(said.text) {
		r.find(at.Path, "%s", fault)
	}
	return nil
}

// document reads the notice for machines.
func (r *run) document(ctx context.Context) error {
	address := r.base.JoinPath(documentPath)
	raw, _, err := r.get(ctx, address)
	if err != nil {
		return fmt.Errorf("notice for machines: %w", err)
	}
	var published settings.NoticeDocument
	if err := json.Unmarshal(raw, &published); err != nil {
		return fmt.Errorf("notice for machines at %s cannot be read: is this a site of Termintreu?", documentPath)
	}
	for _, fault := range Document(&published) {
		r.find(documentPath, "%s", fault)
	}
	return nil
}

func (r *run) page(ctx context.Context, address *url.URL) (*page, *url.URL, error) {
	raw, at, err := r.get(ctx, address)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := parse(raw)
	return parsed, at, err
}

func (r *run) get(ctx context.Context, address *url.URL) ([]byte, *url.URL, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := r.Client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return nil, nil, fmt.Errorf("%s answers %d", address.Path, response.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxPage+1))
	if err == nil && len(raw) > maxPage {
		err = errors.New("the answer is too long")
	}
	return raw, response.Request.URL, err
}

// check holds what a page loads and where it leads against what it may.
func (r *run) check(ctx context.Context, p *page, at *url.URL) {
	for _, source := range p.loads {
		loaded, err := at.Parse(source)
		switch {
		case err != nil:
			r.find(at.Path, "loads %q, which is no address", source)
		case loaded.Scheme == "data":
		case loaded.Host != r.base.Host:
			r.find(at.Path, "loads from the third party %s: every visitor's address goes there (M6)", loaded.Host)
		default:
			r.follow(ctx, at, loaded)
		}
	}
	for _, link := range p.links {
		target, err := at.Parse(link)
		switch {
		case err != nil:
			r.find(at.Path, "leads to %q, which is no address", link)
		case target.Scheme == "mailto":
			if name, domain, found := strings.Cut(target.Opaque, "@"); !found || name == "" || !strings.Contains(domain, ".") {
				r.find(at.Path, "leads to %q, which is no mail address", link)
			}
		case target.Scheme == "tel":
		case target.Path == at.Path && target.Host == at.Host && target.Fragment != "":
			if !slices.Contains(p.ids, target.Fragment) {
				r.find(at.Path, "leads to #%s, which is not on the page", target.Fragment)
			}
		case target.Host != r.base.Host && r.SameSiteOnly:
		default:
			r.follow(ctx, at, target)
		}
	}
}

// follow tries a reference once, however many pages have it.
func (r *run) follow(ctx context.Context, at, target *url.URL) {
	bare := *target
	bare.Fragment = ""
	if _, known := r.followed[bare.String()]; !known {
		_, _, err := r.get(ctx, &bare)
		r.followed[bare.String()] = ""
		if err != nil {
			r.followed[bare.String()] = err.Error()
		}
	}
	if fault := r.followed[bare.String()]; fault != "" {
		r.find(at.Path, "leads to the dead reference %s: %s", bare.String(), fault)
	}
}

func (r *run) find(where, format string, args ...any) {
	r.findings = append(r.findings, Finding{where, fmt.Sprintf(format, args...)})
}

func resolve(at *url.URL, link string) string {
	target, err := at.Parse(link)
	if err != nil {
		return ""
	}
	return target.String()
}
