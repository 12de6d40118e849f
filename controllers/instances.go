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
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/termintreu/termintreu/internal/evidence"
	"github.com/termintreu/termintreu/internal/resources"
)

const (
	// settling is how long a new pod may take before its silence counts.
	settling = time.Minute
	// maxReport of an instance, in bytes.
	maxReport = 1 << 16
)

// InstanceReader asks every instance what it found of its own network, and which appointments its catalogue has no room
// for, a few at a time, at an interval of its own. It is a leader-elected runnable.
type InstanceReader struct {
	Client   client.Reader
	Book     *evidence.Book
	Interval time.Duration

	http http.Client
}

// NeedLeaderElection makes only the leader ask.
func (r *InstanceReader) NeedLeaderElection() bool { return true }

// Start asks until the context ends.
func (r *InstanceReader) Start(ctx context.Context) error {
	r.http = http.Client{Timeout: noticeTimeout, Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: refuseRedirects}
	wait.NonSlidingUntilWithContext(ctx, r.round, r.Interval)
	return nil
}

func (r *InstanceReader) round(ctx context.Context) {
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
			if sample := r.askEgress(ctx, pods); ctx.Err() == nil && !sample.At.IsZero() {
				r.Book.PutEgress(dataID, sample)
			}
			if sample := r.askOrphans(ctx, pods); ctx.Err() == nil && !sample.At.IsZero() {
				r.Book.PutOrphans(dataID, sample)
			}
			return nil
		})
	}
	_ = readers.Wait() // the readers enter their errors into the book
	r.Book.KeepInstances(known)
}

// fetch asks one instance on its internal port. Its errors name no address.
func (r *InstanceReader) fetch(ctx context.Context, pod *corev1.Pod, path, what string, report any) error {
	address := "http://" + net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(resources.PortInternal)) + path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return errors.New("it has no address")
	}
	response, err := r.http.Do(request)
	if err != nil {
		return errors.New("it does not answer")
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %d when asked for %s", response.StatusCode, what)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxReport)).Decode(report); err != nil {
		return fmt.Errorf("it answers something else when asked for %s", what)
	}
	return nil
}

// measured is when an instance measured what it told when asked.
func measured(asked time.Time, ageSeconds float64) time.Time {
	return asked.Add(-time.Duration(ageSeconds * float64(time.Second)))
}
