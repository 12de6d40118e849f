// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/internal/compliance"
	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/resources"
	"github.com/termintreu/termintreu/internal/settings"
)

// settling is how long a new pod may take before its silence counts.
const settling = time.Minute

// EgressReader asks every instance what it found of its own network, a few at a time, at an interval of its own. It is
// a leader-elected runnable.
type EgressReader struct {
	Client   client.Reader
	Book     *evidence.Book
	Interval time.Duration

	http http.Client
}

// NeedLeaderElection makes only the leader ask.
func (r *EgressReader) NeedLeaderElection() bool { return true }

// Start asks until the context ends.
func (r *EgressReader) Start(ctx context.Context) error {
	r.http = http.Client{Timeout: noticeTimeout, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: refuseRedirects}
	wait.NonSlidingUntilWithContext(ctx, r.round, r.Interval)
	return nil
}

func (r *EgressReader) round(ctx context.Context) {
	pods := &corev1.PodList{}
	if err := r.Client.List(ctx, pods, client.MatchingLabels{resources.LabelComponent: string(resources.ComponentInstance)}, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "listing the pods of instances")
		return
	}
	instances, known := map[string][]*corev1.Pod{}, map[string]bool{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		dataID := pod.Labels[resources.LabelDataID]
		known[dataID] = true
		if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil && pod.Status.PodIP != "" {
			instances[dataID] = append(instances[dataID], pod)
		}
	}
	readers := errgroup.Group{}
	readers.SetLimit(noticeReaders)
	for dataID, pods := range instances {
		readers.Go(func() error {
			if sample := r.ask(ctx, pods); ctx.Err() == nil && !sample.At.IsZero() {
				r.Book.PutEgress(dataID, sample)
			}
			return nil
		})
	}
	_ = readers.Wait() // the readers enter their errors into the book
	r.Book.KeepEgress(known)
}

// ask puts the answers of a tenant's pods together: what one of them reaches, the tenant reaches. A pod that has just
// started need not answer; when no other does, nothing was measured.
func (r *EgressReader) ask(ctx context.Context, pods []*corev1.Pod) (all compliance.Sample[compliance.Egress]) {
	all.Value.Declared = true
	for _, pod := range pods {
		asked := time.Now()
		report, err := r.fetch(ctx, pod.Status.PodIP)
		if err == nil && report.AgeSeconds < 0 {
			err = errors.New("it has not tried its network yet")
		}
		if err != nil {
			if asked.Sub(pod.CreationTimestamp.Time) > settling {
				return compliance.Sample[compliance.Egress]{At: asked, Err: fmt.Errorf("%s: %w", podName(client.ObjectKeyFromObject(pod)), err)}
			}
			continue
		}
		at := asked.Add(-time.Duration(report.AgeSeconds * float64(time.Second)))
		if all.At.IsZero() || at.Before(all.At) {
			all.At = at
		}
		if all.Value.Tried == 0 || report.Tried < all.Value.Tried {
			all.Value.Tried = report.Tried
		}
		all.Value.Declared = all.Value.Declared && report.Declared
		all.Value.Open = append(all.Value.Open, report.Open...)
	}
	slices.Sort(all.Value.Open)
	all.Value.Open = slices.Compact(all.Value.Open)
	return all
}

// fetch asks one instance. Its errors name no address.
func (r *EgressReader) fetch(ctx context.Context, ip string) (*settings.EgressReport, error) {
	address := "http://" + net.JoinHostPort(ip, strconv.Itoa(resources.PortInternal)) + settings.EgressPath
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, errors.New("it has no address")
	}
	response, err := r.http.Do(request)
	if err != nil {
		return nil, errors.New("it does not answer")
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %d when asked for its network", response.StatusCode)
	}
	report := &settings.EgressReport{}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<16)).Decode(report); err != nil {
		return nil, errors.New("it answers something else when asked for its network")
	}
	return report, nil
}
