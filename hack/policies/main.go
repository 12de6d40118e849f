// SPDX-License-Identifier: Apache-2.0

// Command policies enforces NetworkPolicies on the local cluster, whose nodes share one network namespace, by rules of
// nftables. What a policy allows a pod is enforced from the moment the API server knows the pod's address; until then,
// for about a second, it is open. IPv4 alone; ports out of a pod are numbers.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// pause between two changes of the rules, so that a hundred new pods cost few of them.
const pause = 100 * time.Millisecond

func main() {
	kubeconfig := flag.String("kubeconfig", "", "whose pods, namespaces and NetworkPolicies to read")
	dns := flag.String("dns", "", "address of the name server every pod may reach")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, *dns); err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

type enforcer struct {
	pods       corelisters.PodLister
	namespaces corelisters.NamespaceLister
	policies   networkinglisters.NetworkPolicyLister
	dns        string
	applied    string
}

func run(ctx context.Context, kubeconfig, dns string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods, namespaces, policies := factory.Core().V1().Pods(), factory.Core().V1().Namespaces(), factory.Networking().V1().NetworkPolicies()
	changed := make(chan struct{}, 1)
	kick := func(any) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: kick, DeleteFunc: kick, UpdateFunc: func(_, now any) { kick(now) },
		}); err != nil {
			return err
		}
	}
	factory.StartWithContext(ctx)
	if err := factory.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return err
	}
	e := &enforcer{pods: pods.Lister(), namespaces: namespaces.Lister(), policies: policies.Lister(), dns: dns}
	for {
		if err := e.apply(ctx); err != nil {
			slog.Error("the rules stay as they were", "err", err)
		}
		time.Sleep(pause)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// apply makes the rules what the objects say, when they say something else than before.
func (e *enforcer) apply(ctx context.Context) error {
	v, err := e.view()
	if err != nil {
		return err
	}
	wanted := ruleset(v)
	if wanted == e.applied {
		return nil
	}
	nft := exec.CommandContext(ctx, "nft", "-f", "-")
	nft.Stdin = bytes.NewReader([]byte(wanted))
	if output, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, output)
	}
	e.applied = wanted
	return nil
}

func (e *enforcer) view() (view, error) {
	var all [3]error
	v := view{namespaces: map[string]labels.Set{}, dns: e.dns}
	var namespaces []*corev1.Namespace
	v.pods, all[0] = e.pods.List(labels.Everything())
	namespaces, all[1] = e.namespaces.List(labels.Everything())
	v.policies, all[2] = e.policies.List(labels.Everything())
	for _, namespace := range namespaces {
		v.namespaces[namespace.Name] = namespace.Labels
	}
	return v, errors.Join(all[:]...)
}
