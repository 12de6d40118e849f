// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Labels that say where a node is. They are Kubernetes' own, so that the
// operator needs no labels of its own to find the nodes of a region.
const (
	RegionLabel = "topology.kubernetes.io/region"
	ZoneLabel   = "topology.kubernetes.io/zone"
)

// Spec is what a local cluster shall look like.
type Spec struct {
	// Dir holds what people and tests read: kubeconfig, endpoints.json,
	// certificates, passwords, mail, logs.
	Dir string `json:"dir"`
	// Nodes are the nodes, each with its own containerd and kubelet.
	Nodes []NodeSpec `json:"nodes"`
	// Postgres are the database servers outside the cluster.
	Postgres []PostgresSpec `json:"postgres"`
	// Stores are the S3 object stores outside the cluster.
	Stores []StoreSpec `json:"stores"`
	// Ingresses are the ingress controllers, one per region: an ingress
	// terminates TLS and so sees every form, hence it has a place too.
	Ingresses []IngressSpec `json:"ingresses"`
}

// NodeSpec is one node.
type NodeSpec struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels"`
}

// PostgresSpec is one PostgreSQL server.
type PostgresSpec struct {
	Name      string   `json:"name"`
	Region    string   `json:"region"`
	Databases []string `json:"databases"`
}

// StoreSpec is one object store.
type StoreSpec struct {
	Name   string `json:"name"`
	Region string `json:"region"`
}

// IngressSpec is the ingress controller of one region.
type IngressSpec struct {
	Region string `json:"region"`
	// HTTPPort and HTTPSPort are the wanted ports on 127.0.0.1; when they
	// are 0 or taken, free ones are chosen and written to endpoints.json.
	HTTPPort  int `json:"httpPort"`
	HTTPSPort int `json:"httpsPort"`
}

// DefaultSpec is the cluster of the demo: three regions with Switzerland as
// the largest, so that both moves within a region and the borders between
// regions can be shown.
func DefaultSpec(dir string) Spec {
	node := func(name, region, zone string) NodeSpec {
		return NodeSpec{Name: name, Labels: map[string]string{RegionLabel: region, ZoneLabel: zone}}
	}
	spec := Spec{
		Dir: dir,
		Nodes: []NodeSpec{
			node("ch-1", "ch", "ch-zrh-1"),
			node("ch-2", "ch", "ch-brn-1"),
			node("de-1", "de", "de-fra-1"),
			node("eu-1", "eu", "se-sto-1"),
		},
		Postgres: []PostgresSpec{
			{Name: "pg-ch-1", Region: "ch", Databases: []string{"appointments_1", "appointments_2"}},
			{Name: "pg-ch-2", Region: "ch", Databases: []string{"appointments_1"}},
			{Name: "pg-de-1", Region: "de", Databases: []string{"appointments_1"}},
			{Name: "pg-eu-1", Region: "eu", Databases: []string{"appointments_1"}},
		},
	}
	for i, region := range []string{"ch", "de", "eu"} {
		for n := 1; n <= 3; n++ {
			spec.Stores = append(spec.Stores, StoreSpec{Name: fmt.Sprintf("store-%s-%d", region, n), Region: region})
		}
		spec.Ingresses = append(spec.Ingresses, IngressSpec{Region: region, HTTPPort: 8080 + i, HTTPSPort: 8443 + i})
	}
	return spec
}

var dns1123 = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// identifier names the cluster machine-wide. Two clones of the repository have
// folders of the same name, so the full path is part of it; it stays short
// because Unix socket paths and interface names are.
func identifier(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	base := strings.ToLower(strings.Trim(filepath.Base(abs), "."))
	if !dns1123.MatchString(base) || len(base) > 20 {
		return "", fmt.Errorf("cluster folder %q: its name must be 1 to 20 letters, digits or hyphens", dir)
	}
	sum := sha256.Sum256([]byte(abs))
	return base + "-" + hex.EncodeToString(sum[:3]), nil
}
