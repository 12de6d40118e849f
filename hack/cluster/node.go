// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"

	"github.com/termintreu/termintreu/hack/internal/supervisor"
)

// writeConfigs renders the configuration files of all components.
func (c *Cluster) writeConfigs() error {
	var hosts bytes.Buffer
	names := c.Spec.hosts()
	for _, name := range slices.Sorted(maps.Keys(names)) {
		_, _ = fmt.Fprintf(&hosts, "%s %s\n", names[name], name)
	}
	files := map[string][]byte{
		"hosts":       hosts.Bytes(),
		"resolv.conf": []byte("nameserver " + dnsServerIP + "\n"),
	}
	for name, values := range map[string]any{
		"Corefile": map[string]string{
			"Address": dnsServerIP, "HostsFile": c.config("hosts"), "Domain": Domain, "Kubeconfig": c.config("coredns.kubeconfig"),
		},
		"kube-proxy.yaml": map[string]string{
			"PodRange": podRange, "Node": c.Spec.Nodes[0].Name, "Kubeconfig": c.config("kube-proxy.kubeconfig"),
		},
	} {
		out, err := render(name, values)
		if err != nil {
			return err
		}
		files[name] = out
	}
	for i, n := range c.Spec.Nodes {
		if err := c.renderNode(i, n, files); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := write(c.config(name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) renderNode(i int, n NodeSpec, files map[string][]byte) error {
	first, last := podRangeOf(i)
	values := map[string]any{
		"Data": c.data("nodes", n.Name), "Run": c.run("nodes", n.Name), "Socket": c.containerd(n.Name),
		"PauseImage": pauseImage, "CNIConfDir": c.config(n.Name + "/cni"), "Network": c.id,
		"PodRange": podRange, "FirstPodIP": first, "LastPodIP": last, "Gateway": gatewayAddress,
		"NodeIP": nodeIP(i), "Port": kubeletPort(i), "HealthzPort": kubeletHealthzPort(i),
		"CAFile": c.file("ca.crt"), "CgroupRoot": c.cgroup(n.Name), "ClusterDNS": dnsServiceIP,
		"ResolvConf": c.config("resolv.conf"),
	}
	for name, file := range map[string]string{
		"containerd.toml": n.Name + "/containerd.toml",
		"cni.conflist":    n.Name + "/cni/10-local.conflist",
		"kubelet.yaml":    n.Name + "/kubelet.yaml",
	} {
		out, err := render(name, values)
		if err != nil {
			return err
		}
		files[file] = out
	}
	return nil
}

func (c *Cluster) nodeProcesses() []supervisor.Process {
	var processes []supervisor.Process
	for i, n := range c.Spec.Nodes {
		containerdConfig, kubeletConfig := c.config(n.Name+"/containerd.toml"), c.config(n.Name+"/kubelet.yaml")
		processes = append(processes,
			supervisor.Process{
				Name: "containerd-" + n.Name, Args: []string{"containerd", "--config", containerdConfig},
				Inputs: digest(containerdConfig, c.config(n.Name+"/cni/10-local.conflist")),
			},
			supervisor.Process{
				Name: "kubelet-" + n.Name, After: c.containerd(n.Name), Inputs: digest(kubeletConfig),
				Args: []string{
					c.bin["kubelet"], "--config=" + kubeletConfig, "--hostname-override=" + n.Name, "--node-ip=" + nodeIP(i),
					"--kubeconfig=" + c.config("kubelet-"+n.Name+".kubeconfig"),
					"--root-dir=" + c.data("nodes", n.Name, "kubelet"), "--cert-dir=" + c.data("nodes", n.Name, "kubelet-pki"),
					"--housekeeping-interval=30s",
				},
			},
		)
	}
	return processes
}

// digest identifies the content of files. A file that cannot be read counts as
// empty: whoever needs it fails with a better message.
func digest(files ...string) string {
	sum := sha256.New()
	for _, file := range files {
		raw, _ := os.ReadFile(file)
		_, _ = fmt.Fprintf(sum, "%d:", len(raw))
		sum.Write(raw)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// RestartKubelet ends the kubelet of a node; the supervisor starts it again,
// and it registers its node when that was deleted.
func (c *Cluster) RestartKubelet(node string) error {
	status, err := supervisor.ReadStatus(c.statusFile())
	if err != nil {
		return err
	}
	pid := status.Processes["kubelet-"+node].PID
	if !supervisor.Owns(c.id, pid) {
		return fmt.Errorf("node %s: its kubelet does not run", node)
	}
	return syscall.Kill(pid, syscall.SIGTERM)
}
