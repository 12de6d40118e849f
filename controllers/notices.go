// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/plan"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/settings"
)

const (
	noticePath    = "/.well-known/termintreu/notice.json"
	noticeTimeout = 5 * time.Second
	maxNotice     = 1 << 20
	noticeReaders = 8
)

// NoticeReader asks every site for the notice it publishes, a few at a time, at an interval of its own. It goes through
// the tenant's Service, as citizens do behind the ingress. It is a leader-elected runnable.
type NoticeReader struct {
	Client   client.Reader
	Serving  *Serving
	Book     *evidence.Book
	Interval time.Duration

	// http follows no redirect and knows no proxy: what answers must be the site itself.
	http http.Client
}

// NeedLeaderElection makes only the leader ask.
func (n *NoticeReader) NeedLeaderElection() bool { return true }

// Start asks until the context ends.
func (n *NoticeReader) Start(ctx context.Context) error {
	n.http = http.Client{Timeout: noticeTimeout, Transport: &http.Transport{DisableKeepAlives: true, DialTLSContext: n.dial},
		CheckRedirect: refuseRedirects}
	wait.NonSlidingUntilWithContext(ctx, n.round, n.Interval)
	return nil
}

func refuseRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (n *NoticeReader) round(ctx context.Context) {
	tenants := &v1alpha1.BookingTenantList{}
	if err := n.Client.List(ctx, tenants, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "listing tenants")
		return
	}
	readers, known := errgroup.Group{}, map[string]bool{}
	readers.SetLimit(noticeReaders)
	for i := range tenants.Items {
		tenant := &tenants.Items[i]
		dataID := plan.DataID(tenant.UID)
		known[dataID] = true
		if !tenant.DeletionTimestamp.IsZero() || tenant.Spec.Paused || tenant.Status.Database == nil {
			continue
		}
		readers.Go(func() error {
			asked := time.Now()
			found, err := n.read(ctx, tenant)
			if ctx.Err() == nil {
				n.Book.PutNotice(dataID, compliance.Sample[compliance.Notice]{Value: found, At: asked, Err: err})
			}
			return nil
		})
	}
	_ = readers.Wait() // the readers enter their errors into the book
	n.Book.KeepNotices(known)
}

// read asks one site. Its errors name the Service, never an address.
func (n *NoticeReader) read(ctx context.Context, tenant *v1alpha1.BookingTenant) (compliance.Notice, error) {
	service := &corev1.Service{}
	key := client.ObjectKey{Namespace: tenant.Namespace, Name: resources.InstanceNameOf(tenant.Name)}
	if err := n.Client.Get(ctx, key, service); err != nil {
		return compliance.Notice{}, fmt.Errorf("service %s cannot be read: %w", key, err)
	}
	if service.Spec.ClusterIP == "" || service.Spec.ClusterIP == corev1.ClusterIPNone {
		return compliance.Notice{}, fmt.Errorf("service %s has no address", key)
	}
	ctx = context.WithValue(ctx, serviceAddress{}, net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(resources.PortService)))
	document, err := n.fetch(ctx, "https://"+resources.ServiceHost(tenant.Namespace, tenant.Name)+noticePath)
	if err != nil {
		return compliance.Notice{}, fmt.Errorf("service %s: %w", key, err)
	}
	return compliance.Notice{PlanHash: document.PlanHash, ContentHash: plan.Hash(document.Notice)}, nil
}

// serviceAddress is where the name of a Service leads, which the operator knows without asking a resolver.
type serviceAddress struct{}

// dial goes to the Service's address and believes what the operator's own authority signed for its name.
func (n *NoticeReader) dial(ctx context.Context, network, name string) (net.Conn, error) {
	address, ok := ctx.Value(serviceAddress{}).(string)
	if !ok {
		return nil, errors.New("no address")
	}
	authority, err := n.Serving.Authority(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(name)
	if err != nil {
		return nil, err
	}
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: authority.Pool(), ServerName: host, MinVersion: tls.VersionTLS12}}
	return dialer.DialContext(ctx, network, address)
}

func (n *NoticeReader) fetch(ctx context.Context, address string) (*settings.NoticeDocument, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := n.http.Do(request)
	if err != nil {
		return nil, errors.New("the site does not answer")
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the site answers %d for its notice", response.StatusCode)
	}
	document := &settings.NoticeDocument{}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxNotice)).Decode(document); err != nil {
		return nil, errors.New("the site publishes something that is no notice")
	}
	return document, nil
}
