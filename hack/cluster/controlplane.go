// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/termintreu/termintreu/hack/internal/netns"
	"github.com/termintreu/termintreu/hack/internal/pki"
	"github.com/termintreu/termintreu/hack/internal/supervisor"
)

const (
	etcdAddress  = "127.0.0.1:2379"
	etcdPeer     = "127.0.0.1:2380"
	clusterAdmin = "admin"
	// policyTable is where hack/policies keeps its rules.
	policyTable = "network_policies"
)

var apiServerAddress = net.JoinHostPort(apiServerIP, strconv.Itoa(apiServerPort))

// identities are the certificates of the cluster's own components.
func (c *Cluster) identities() map[string]pki.Request {
	requests := map[string]pki.Request{
		"kube-apiserver": {
			CommonName: "kube-apiserver",
			Names: []string{
				"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
			},
			Addresses: []string{"127.0.0.1", apiServerIP, apiServiceIP},
		},
		"kubelet-client":          {CommonName: "kube-apiserver-kubelet-client"},
		"service-account":         {CommonName: "service-account"},
		clusterAdmin:              {CommonName: "local-admin", Organizations: []string{"system:masters"}},
		"kube-controller-manager": {CommonName: "system:kube-controller-manager"},
		"kube-scheduler":          {CommonName: "system:kube-scheduler"},
		"kube-proxy":              {CommonName: "system:kube-proxy"},
		"coredns":                 {CommonName: "coredns"},
		"network-policies":        {CommonName: "network-policies"},
		"mail":                    {CommonName: hostName("mail"), Names: []string{hostName("mail")}, Addresses: []string{mailServerIP}},
	}
	for _, n := range c.Spec.Nodes {
		requests["kubelet-"+n.Name] = pki.Request{CommonName: "system:node:" + n.Name, Organizations: []string{"system:nodes"}}
	}
	for i, pg := range c.Spec.Postgres {
		requests[pg.Name] = pki.Request{CommonName: hostName(pg.Name), Names: []string{hostName(pg.Name)}, Addresses: []string{postgresIP(i)}}
	}
	for i, s := range c.Spec.Stores {
		requests[s.Name] = pki.Request{CommonName: hostName(s.Name), Names: []string{hostName(s.Name)}, Addresses: []string{storeIP(i)}}
	}
	return requests
}

// ensureIdentities issues every certificate and writes the kubeconfigs. The
// data is marked as this authority's before there is any.
func (c *Cluster) ensureIdentities() error {
	authority, err := pki.Open(c.dir)
	if err != nil {
		return err
	}
	mark, err := os.ReadFile(c.file("ca.crt"))
	if err != nil {
		return err
	}
	if err := write(c.owner(), mark, 0o644); err != nil {
		return err
	}
	for name, request := range c.identities() {
		if err := authority.Ensure(c.cert(name), c.key(name), request); err != nil {
			return err
		}
	}
	inside := "https://" + apiServerAddress
	kubeconfigs := map[string]string{
		"kube-controller-manager": inside, "kube-scheduler": inside, "kube-proxy": inside, "coredns": inside, "network-policies": inside,
	}
	for _, n := range c.Spec.Nodes {
		kubeconfigs["kubelet-"+n.Name] = inside
	}
	for name, server := range kubeconfigs {
		if err := c.writeKubeconfig(c.config(name+".kubeconfig"), name, server); err != nil {
			return err
		}
	}
	return c.writeKubeconfig(c.kubeconfig(), clusterAdmin, fmt.Sprintf("https://127.0.0.1:%d", c.ports.API))
}

func (c *Cluster) writeKubeconfig(path, identity, server string) error {
	encode := func(file string) (string, error) {
		raw, err := os.ReadFile(file)
		return base64.StdEncoding.EncodeToString(raw), err
	}
	ca, err := encode(c.file("ca.crt"))
	if err != nil {
		return err
	}
	cert, err := encode(c.cert(identity))
	if err != nil {
		return err
	}
	key, err := encode(c.key(identity))
	if err != nil {
		return err
	}
	out, err := render("kubeconfig", map[string]string{"Name": c.id, "Server": server, "CA": ca, "Cert": cert, "Key": key})
	if err != nil {
		return err
	}
	return write(path, out, 0o600)
}

func (c *Cluster) controlPlane() []supervisor.Process {
	return []supervisor.Process{
		c.etcd(), c.apiServer(), c.controllerManager(), c.scheduler(), c.coreDNS(), c.kubeProxy(), c.networkPolicies(),
	}
}

func (c *Cluster) etcd() supervisor.Process {
	return supervisor.Process{Name: "etcd", Args: []string{
		c.bin["etcd"], "--name=local", "--data-dir=" + c.data("etcd"),
		"--listen-client-urls=http://" + etcdAddress, "--advertise-client-urls=http://" + etcdAddress,
		"--listen-peer-urls=http://" + etcdPeer, "--initial-advertise-peer-urls=http://" + etcdPeer,
		"--initial-cluster=local=http://" + etcdPeer,
		"--unsafe-no-fsync", "--log-level=warn", "--auto-compaction-retention=10m", "--quota-backend-bytes=4294967296",
	}}
}

func (c *Cluster) apiServer() supervisor.Process {
	return supervisor.Process{Name: "kube-apiserver", After: etcdAddress, Args: []string{
		c.bin["kube-apiserver"],
		"--etcd-servers=http://" + etcdAddress,
		"--advertise-address=" + apiServerIP, "--bind-address=0.0.0.0", "--secure-port=" + strconv.Itoa(apiServerPort),
		"--tls-cert-file=" + c.cert("kube-apiserver"), "--tls-private-key-file=" + c.key("kube-apiserver"),
		"--client-ca-file=" + c.file("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + c.cert("service-account"),
		"--service-account-signing-key-file=" + c.key("service-account"),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--kubelet-client-certificate=" + c.cert("kubelet-client"), "--kubelet-client-key=" + c.key("kubelet-client"),
		"--kubelet-preferred-address-types=InternalIP", "--profiling=false",
	}}
}

func (c *Cluster) controllerManager() supervisor.Process {
	return supervisor.Process{Name: "kube-controller-manager", After: apiServerAddress, Args: []string{
		c.bin["kube-controller-manager"],
		"--kubeconfig=" + c.config("kube-controller-manager.kubeconfig"), "--bind-address=127.0.0.1",
		"--service-account-private-key-file=" + c.key("service-account"), "--root-ca-file=" + c.file("ca.crt"),
		"--cluster-signing-cert-file=" + c.file("ca.crt"), "--cluster-signing-key-file=" + c.file("ca.key"),
		"--use-service-account-credentials", "--leader-elect=false", "--profiling=false",
	}}
}

func (c *Cluster) scheduler() supervisor.Process {
	return supervisor.Process{Name: "kube-scheduler", After: apiServerAddress, Args: []string{
		c.bin["kube-scheduler"], "--kubeconfig=" + c.config("kube-scheduler.kubeconfig"),
		"--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false",
	}}
}

func (c *Cluster) coreDNS() supervisor.Process {
	return supervisor.Process{
		Name: "coredns", After: apiServerAddress, Inputs: digest(c.config("Corefile"), c.config("hosts")),
		Args: []string{c.bin["coredns"], "-conf", c.config("Corefile")},
	}
}

// kubeProxy is one process: all nodes share the namespace and so its rules.
func (c *Cluster) kubeProxy() supervisor.Process {
	return supervisor.Process{
		Name: "kube-proxy", After: apiServerAddress, Inputs: digest(c.config("kube-proxy.yaml")),
		Args: []string{c.bin["kube-proxy"], "--config=" + c.config("kube-proxy.yaml")},
	}
}

// networkPolicies enforces them, as a network plugin of a real cluster would.
func (c *Cluster) networkPolicies() supervisor.Process {
	return supervisor.Process{
		Name: "network-policies", After: apiServerAddress, Inputs: digest(c.run("network-policies")),
		Args: []string{c.run("network-policies"), "--kubeconfig=" + c.config("network-policies.kubeconfig"), "--dns=" + dnsServerIP},
	}
}

// awaitPolicies returns once there are rules.
func (c *Cluster) awaitPolicies(ctx context.Context) error {
	err := eventually(ctx, time.Minute, func() error {
		return netns.Run(ctx, c.id, "nft", "list", "table", "ip", policyTable)
	})
	if err != nil {
		return fmt.Errorf("%w (see %s)", err, c.file("logs", "network-policies.log"))
	}
	return nil
}
