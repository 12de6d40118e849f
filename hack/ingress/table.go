// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	networking "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// route leads requests for a host and path to a service.
type route struct {
	host, path string
	exact      bool
	target     *url.URL
}

// table is what the Ingresses of one class say, in the order of precedence.
type table struct {
	class   string
	client  kubernetes.Interface
	factory informers.SharedInformerFactory
	routes  atomic.Pointer[[]route]
	secrets atomic.Pointer[map[string]secretRef]
	proxy   *httputil.ReverseProxy
}

type secretRef struct{ namespace, name string }

type targetKey struct{}

func newTable(class string, client kubernetes.Interface) *table {
	t := &table{class: class, client: client, factory: informers.NewSharedInformerFactory(client, 0)}
	t.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			target, _ := r.In.Context().Value(targetKey{}).(*url.URL)
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			slog.Warn("backend", "error", err)
			http.Error(w, "the backend does not answer", http.StatusBadGateway)
		},
	}
	t.proxy.Transport = t.transport()
	t.routes.Store(&[]route{})
	t.secrets.Store(&map[string]secretRef{})
	return t
}

func (t *table) start(ctx context.Context) error {
	changed := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { t.rebuild(ctx, o) },
		UpdateFunc: func(_, o any) { t.rebuild(ctx, o) },
		DeleteFunc: func(any) { t.rebuild(ctx, nil) },
	}
	for _, informer := range []cache.SharedIndexInformer{
		t.factory.Networking().V1().Ingresses().Informer(), t.factory.Core().V1().Services().Informer(),
	} {
		if _, err := informer.AddEventHandler(changed); err != nil {
			return err
		}
	}
	t.factory.Start(ctx.Done())
	for kind, synced := range t.factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return errors.New("cannot list " + kind.String())
		}
	}
	t.rebuild(ctx, nil)
	return nil
}

func (t *table) rebuild(ctx context.Context, changed any) {
	if ingress, ok := changed.(*networking.Ingress); ok && t.serves(ingress) {
		t.publish(ctx, ingress)
	}
	ingresses, err := t.factory.Networking().V1().Ingresses().Lister().List(labels.Everything())
	if err != nil {
		slog.Error("list ingresses", "error", err)
		return
	}
	var routes []route
	secrets := map[string]secretRef{}
	for _, ingress := range ingresses {
		if !t.serves(ingress) {
			continue
		}
		routes = append(routes, t.routesOf(ingress)...)
		for _, entry := range ingress.Spec.TLS {
			for _, host := range entry.Hosts {
				if entry.SecretName != "" {
					secrets[host] = secretRef{ingress.Namespace, entry.SecretName}
				}
			}
		}
	}
	// As the Ingress API says: exact before prefix, longer before shorter.
	slices.SortStableFunc(routes, func(a, b route) int {
		if a.exact != b.exact {
			if a.exact {
				return -1
			}
			return 1
		}
		return cmp.Compare(len(b.path), len(a.path))
	})
	t.routes.Store(&routes)
	t.secrets.Store(&secrets)
}

func (t *table) serves(ingress *networking.Ingress) bool {
	return ingress.Spec.IngressClassName != nil && *ingress.Spec.IngressClassName == t.class
}

func (t *table) routesOf(ingress *networking.Ingress) []route {
	var routes []route
	add := func(host, path string, exact bool, backend *networking.IngressBackend) {
		if target := t.target(ingress.Namespace, backend); target != nil {
			routes = append(routes, route{host: host, path: path, exact: exact, target: target})
		}
	}
	for _, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for _, p := range rule.HTTP.Paths {
			exact := p.PathType != nil && *p.PathType == networking.PathTypeExact
			add(rule.Host, p.Path, exact, &p.Backend)
		}
	}
	add("", "", false, ingress.Spec.DefaultBackend)
	return routes
}

func (t *table) target(namespace string, backend *networking.IngressBackend) *url.URL {
	if backend == nil || backend.Service == nil {
		return nil
	}
	service, err := t.factory.Core().V1().Services().Lister().Services(namespace).Get(backend.Service.Name)
	if err != nil {
		return nil
	}
	for _, port := range service.Spec.Ports {
		if port.Port != backend.Service.Port.Number && (port.Name == "" || port.Name != backend.Service.Port.Name) {
			continue
		}
		if port.AppProtocol != nil && *port.AppProtocol == "https" {
			// By name, which the certificate must carry.
			return &url.URL{Scheme: "https", Host: net.JoinHostPort(service.Name+"."+namespace+".svc", strconv.Itoa(int(port.Port)))}
		}
		return &url.URL{Scheme: "http", Host: net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(int(port.Port)))}
	}
	return nil
}

// publish says in the Ingress's status that it is served.
func (t *table) publish(ctx context.Context, ingress *networking.Ingress) {
	if len(ingress.Status.LoadBalancer.Ingress) > 0 {
		return
	}
	ingress = ingress.DeepCopy()
	ingress.Status.LoadBalancer.Ingress = []networking.IngressLoadBalancerIngress{{Hostname: "localhost"}}
	_, err := t.client.NetworkingV1().Ingresses(ingress.Namespace).UpdateStatus(ctx, ingress, metav1.UpdateOptions{})
	if err != nil {
		slog.Warn("status not written", "ingress", ingress.Namespace+"/"+ingress.Name, "error", err)
	}
}

func (t *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := match(*t.routes.Load(), r.Host, r.URL.Path)
	if target == nil {
		http.Error(w, "no such site", http.StatusNotFound)
		return
	}
	t.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), targetKey{}, target)))
}

// match finds the target of a request: rules that name the host win over
// those for a wildcard, and these over those for any host.
func match(routes []route, host, path string) *url.URL {
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	host = strings.ToLower(host)
	_, parent, _ := strings.Cut(host, ".")
	for _, wanted := range []string{host, "*." + parent, ""} {
		for _, r := range routes {
			if r.host == wanted && r.matches(path) {
				return r.target
			}
		}
	}
	return nil
}

func (r route) matches(path string) bool {
	if r.exact {
		return path == r.path
	}
	prefix := strings.TrimSuffix(r.path, "/")
	return prefix == "" || path == prefix || strings.HasPrefix(path, prefix+"/")
}
