// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"context"
	"crypto/rand"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// browser is what a citizen needs: no cookies, no script.
type browser struct {
	host, address string
	client        *http.Client
}

type page struct {
	status   int
	location string
	body     string
}

// open visits a tenant's site through the ingress of its region, on loopback.
func open(ctx context.Context, tenant *v1alpha1.BookingTenant) *browser {
	GinkgoHelper()
	class := regionOf(ctx, tenant.Spec.RegionRef.Name).Spec.Ingress.ClassName
	for _, ingress := range ends.Ingresses {
		if ingress.Class == class {
			return &browser{
				host: string(tenant.Spec.Instance.Hosts[0]), address: ingress.HTTP,
				client: &http.Client{
					Timeout:       20 * time.Second,
					CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
				},
			}
		}
	}
	Fail("the cluster has no ingress of class " + class)
	return nil
}

func (b *browser) try(ctx context.Context, method, path string, form url.Values) (page, error) {
	request, err := http.NewRequestWithContext(ctx, method, b.address+path, strings.NewReader(form.Encode()))
	if err != nil {
		return page{}, err
	}
	request.Host = b.host
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := b.client.Do(request)
	if err != nil {
		return page{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	Expect(response.Header.Values("Set-Cookie")).To(BeEmpty(), "the site sets a cookie (B5)")
	return page{response.StatusCode, response.Header.Get("Location"), html.UnescapeString(string(body))}, err
}

func (b *browser) get(ctx context.Context, path string) page {
	GinkgoHelper()
	got, err := b.try(ctx, http.MethodGet, path, nil)
	Expect(err).NotTo(HaveOccurred())
	return got
}

func (b *browser) post(ctx context.Context, path string, form url.Values) page {
	GinkgoHelper()
	got, err := b.try(ctx, http.MethodPost, path, form)
	Expect(err).NotTo(HaveOccurred())
	return got
}

// follow posts a form and gives where it leads.
func (b *browser) follow(ctx context.Context, path string, form url.Values) string {
	GinkgoHelper()
	got := b.post(ctx, path, form)
	Expect(got.status).To(Equal(http.StatusSeeOther), "posting to a page")
	return got.location
}

// inputs of a page by name; of several, the first.
func (p page) inputs() url.Values {
	found := url.Values{}
	for _, match := range regexp.MustCompile(`name="([a-z_]+)" value="([^"]*)"`).FindAllStringSubmatch(p.body, -1) {
		if found.Get(match[1]) == "" {
			found.Set(match[1], match[2])
		}
	}
	return found
}

// starts of the free slots on a page.
func (p page) starts() []string {
	var starts []string
	for _, match := range regexp.MustCompile(`name="start" value="([^"]+)"`).FindAllStringSubmatch(p.body, -1) {
		starts = append(starts, match[1])
	}
	return starts
}

// person is somebody nobody else is called like.
type person struct{ given, family, email string }

func somebody() person {
	unique := strings.ToLower(rand.Text()[:10])
	return person{"Zoë", "Quittenbaum-" + unique, "zoe." + unique + "@example.org"}
}

// offer is a service at an office, in a language.
type offer struct{ language, service, office string }

func (o offer) path() string {
	return "/" + o.language + "/services/" + o.service + "/offices/" + o.office
}

// hold takes the last free slot of the first page and gives its link and start.
func (b *browser) hold(ctx context.Context, o offer) (link, start string) {
	GinkgoHelper()
	shown := b.get(ctx, o.path())
	Expect(shown.status).To(Equal(http.StatusOK))
	starts := shown.starts()
	Expect(starts).NotTo(BeEmpty(), "no slot is free")
	start = starts[len(starts)-1]
	return b.follow(ctx, o.path()+"/hold", slotForm(shown, start)), start
}

func slotForm(shown page, start string) url.Values {
	inputs := shown.inputs()
	return url.Values{"nonce": {inputs.Get("nonce")}, "channel": {inputs.Get("channel")}, "start": {start}}
}

// enter gives name and address and confirms.
func (b *browser) enter(ctx context.Context, link string, who person) {
	GinkgoHelper()
	form := url.Values{
		"given_name": {who.given}, "family_name": {who.family}, "email": {who.email}, "notice": {"yes"},
		"notice_date": {b.get(ctx, link).inputs().Get("notice_date")},
	}
	Expect(b.follow(ctx, link+"/contact", form)).To(Equal(link))
	Expect(b.get(ctx, link)).To(shows(who.given + " " + who.family))
	b.follow(ctx, link+"/confirm", url.Values{})
}

// book makes a booking and gives its link.
func (b *browser) book(ctx context.Context, o offer, who person) string {
	GinkgoHelper()
	link, _ := b.hold(ctx, o)
	b.enter(ctx, link, who)
	return link
}

// shows matches a page that says all of it.
func shows(texts ...string) types.GomegaMatcher {
	return WithTransform(func(p page) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(p.body, text) })
	}, BeTrue())
}
