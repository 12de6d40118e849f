// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

func ingressClass(region string) string { return "local-" + region }

// convergence are the steps that make a running cluster ready. Each of them
// changes nothing where nothing is to be done.
func (c *Cluster) convergence() []step {
	return []step{
		{"PostgreSQL servers", c.provisionPostgres},
		{"object stores", c.provisionStores},
		{"API server", c.awaitAPIServer},
		{"images on the nodes", c.loadSystemImages},
		{"objects of the system", c.applySystem},
		{"network policies", c.awaitPolicies},
		{"nodes", c.awaitNodes},
		{"ingress controllers", c.awaitIngress},
	}
}

func (c *Cluster) awaitAPIServer(ctx context.Context) error {
	err := eventually(ctx, 2*time.Minute, func() error {
		_, err := c.kubectl(ctx, nil, "get", "--raw=/readyz")
		return err
	})
	if err != nil {
		return fmt.Errorf("%w (see %s)", err, c.file("logs", "kube-apiserver.log"))
	}
	return nil
}

// kubectl runs kubectl as the administrator, from the host.
func (c *Cluster) kubectl(ctx context.Context, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.bin["kubectl"], append([]string{"--kubeconfig=" + c.kubeconfig()}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A cache in the home of whoever runs this would outlive the cluster.
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+c.run("kubectl-cache"))
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func (c *Cluster) applySystem(ctx context.Context) error {
	manifests, err := c.systemManifests()
	if err != nil {
		return err
	}
	apply := []string{"apply", "--server-side", "--force-conflicts", "--field-manager=local-cluster", "-f", "-"}
	if err := eventually(ctx, 30*time.Second, func() error {
		_, err := c.kubectl(ctx, manifests, apply...)
		return err
	}); err != nil {
		return err
	}
	secret, err := c.kubectl(ctx, nil, "create", "secret", "tls", "local-ca", "--namespace=ingress",
		"--cert="+c.file("ca.crt"), "--key="+c.file("ca.key"), "--dry-run=client", "--output=yaml")
	if err != nil {
		return err
	}
	_, err = c.kubectl(ctx, []byte(secret), apply...)
	return err
}

func (c *Cluster) systemManifests() ([]byte, error) {
	out, err := render("cluster.yaml", map[string]string{"DNSService": dnsServiceIP, "DNSServer": dnsServerIP})
	if err != nil {
		return nil, err
	}
	for i, spec := range c.Spec.Ingresses {
		more, err := render("ingress.yaml", map[string]string{
			"Class": ingressClass(spec.Region), "Region": spec.Region, "ServiceIP": ingressIP(i), "Image": c.images["ingress"].ref,
		})
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// awaitNodes labels the nodes as an administrator, not as the nodes' kubelets
// would: a node that could say where it is could lie. It is one of those whom the regions of config/samples let do so,
// since a test that was killed may have left a node in a region of its own.
func (c *Cluster) awaitNodes(ctx context.Context) error {
	for i, n := range c.Spec.Nodes {
		// After a restart the API server still believes the last word of
		// kubelets that are gone.
		health := fmt.Sprintf("http://127.0.0.1:%d/healthz", kubeletHealthzPort(i))
		if err := eventually(ctx, time.Minute, func() error { return c.answers(ctx, health) }); err != nil {
			return fmt.Errorf("%w (see %s)", err, c.file("logs", "kubelet-"+n.Name+".log"))
		}
	}
	wait := []string{"wait", "--for=condition=Ready", "--timeout=120s"}
	for _, n := range c.Spec.Nodes {
		label := []string{
			"label", "--as=node-administrator", "--as-group=platform:node-administrators", "--as-group=system:masters", "--overwrite", "node", n.Name,
		}
		for key, value := range n.Labels {
			label = append(label, key+"="+value)
		}
		if err := eventually(ctx, time.Minute, func() error {
			_, err := c.kubectl(ctx, nil, label...)
			return err
		}); err != nil {
			return fmt.Errorf("%w (see %s)", err, c.file("logs", "kubelet-"+n.Name+".log"))
		}
		wait = append(wait, "node/"+n.Name)
	}
	_, err := c.kubectl(ctx, nil, wait...)
	return err
}

func (c *Cluster) awaitIngress(ctx context.Context) error {
	for i, spec := range c.Spec.Ingresses {
		if _, err := c.kubectl(ctx, nil, "rollout", "status", "deployment/"+ingressClass(spec.Region),
			"--namespace=ingress", "--timeout=120s"); err != nil {
			return err
		}
		url := "http://" + ingressIP(i) + "/"
		if err := eventually(ctx, time.Minute, func() error { return c.answers(ctx, url) }); err != nil {
			return err
		}
	}
	return nil
}

// answers succeeds when anything inside the cluster's network answers with
// other than a server error.
func (c *Cluster) answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	client, err := c.HTTPClient()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	client.CloseIdleConnections()
	if response.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	return response.Body.Close()
}

// readyNodes lists the names of the nodes that are ready.
func (c *Cluster) readyNodes(ctx context.Context) ([]string, error) {
	const ready = `{range .items[?(@.status.conditions[-1].status=="True")]}{.metadata.name}{"\n"}{end}`
	out, err := c.kubectl(ctx, nil, "get", "nodes", "--request-timeout=5s", "--output=jsonpath="+ready)
	names := strings.Fields(out)
	slices.Sort(names)
	return names, err
}
