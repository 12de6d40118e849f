// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
)

// Endpoints says how to reach everything, from the host and from inside the
// cluster's network. It is kept as endpoints.json in the cluster's folder.
type Endpoints struct {
	// Name is the cluster's network namespace.
	Name string `json:"name"`
	// Kubeconfig is the path of the administrator's kubeconfig.
	Kubeconfig string `json:"kubeconfig"`
	// APIServer is its address on the host.
	APIServer string `json:"apiServer"`
	// CAFile is the authority that issued every certificate there is.
	CAFile string `json:"caFile"`
	// Domain is the domain of the services outside the cluster.
	Domain string `json:"domain"`
	// PodRange and ServiceRange are the CIDRs inside the cluster's network;
	// APIServerInside is the API server's own address in it.
	PodRange        string `json:"podRange"`
	ServiceRange    string `json:"serviceRange"`
	APIServerInside string `json:"apiServerInside"`

	Ingresses []IngressEndpoint  `json:"ingresses"`
	Postgres  []PostgresEndpoint `json:"postgres"`
	Stores    []StoreEndpoint    `json:"stores"`
	Mail      MailEndpoint       `json:"mail"`
}

// IngressEndpoint is the ingress controller of a region.
type IngressEndpoint struct {
	Region string `json:"region"`
	// Class is the ingressClassName it serves.
	Class string `json:"class"`
	// HTTP and HTTPS are its URLs on the host; any host name under
	// .localhost leads there, as in http://city.localhost:8080.
	HTTP      string `json:"http"`
	HTTPS     string `json:"https"`
	HTTPPort  int    `json:"httpPort"`
	HTTPSPort int    `json:"httpsPort"`
	// Namespace and PodLabels select its pods.
	Namespace string            `json:"namespace"`
	PodLabels map[string]string `json:"podLabels"`
}

// PostgresEndpoint is one PostgreSQL server.
type PostgresEndpoint struct {
	Name    string `json:"name"`
	Region  string `json:"region"`
	Host    string `json:"host"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	// OperatorUser is the role the operator administers the server with, and
	// OperatorPasswordFile the file that holds its password.
	OperatorUser         string   `json:"operatorUser"`
	OperatorPasswordFile string   `json:"operatorPasswordFile"`
	Databases            []string `json:"databases"`
	// SuperuserSocketDir is the folder of the Unix socket on which root
	// connects as postgres without a password.
	SuperuserSocketDir string `json:"superuserSocketDir"`
}

// StoreEndpoint is one S3 object store.
type StoreEndpoint struct {
	Name     string `json:"name"`
	Region   string `json:"region"`
	Endpoint string `json:"endpoint"`
	Host     string `json:"host"`
	Address  string `json:"address"`
	Port     int    `json:"port"`
	Bucket   string `json:"bucket"`
	// SigningRegion is the region in request signatures.
	SigningRegion string `json:"signingRegion"`
	// AccessKeyFile and SecretKeyFile hold the store's root credentials.
	AccessKeyFile string `json:"accessKeyFile"`
	SecretKeyFile string `json:"secretKeyFile"`
}

// MailEndpoint is the mail catcher.
type MailEndpoint struct {
	Host    string `json:"host"`
	Address string `json:"address"`
	Port    int    `json:"port"`
	// Dir holds the caught messages, Web lists them on the host.
	Dir string `json:"dir"`
	Web string `json:"web"`
}

// Ingress returns the ingress controller of a region.
func (e Endpoints) Ingress(region string) (IngressEndpoint, bool) {
	for _, i := range e.Ingresses {
		if i.Region == region {
			return i, true
		}
	}
	return IngressEndpoint{}, false
}

func (c *Cluster) endpoints() Endpoints {
	e := Endpoints{
		Name: c.id, Kubeconfig: c.kubeconfig(), APIServer: fmt.Sprintf("https://127.0.0.1:%d", c.ports.API),
		CAFile: c.file("ca.crt"), Domain: Domain,
		PodRange: podRange, ServiceRange: serviceRange, APIServerInside: apiServerAddress,
		Mail: MailEndpoint{
			Host: hostName("mail"), Address: mailServerIP, Port: mailServerPort, Dir: c.file("mail"),
			Web: fmt.Sprintf("http://127.0.0.1:%d/", c.ports.Mail),
		},
	}
	for i, spec := range c.Spec.Ingresses {
		ports := c.ports.Ingresses[i]
		e.Ingresses = append(e.Ingresses, IngressEndpoint{
			Region: spec.Region, Class: ingressClass(spec.Region), HTTPPort: ports[0], HTTPSPort: ports[1],
			HTTP:      "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])),
			HTTPS:     "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[1])),
			Namespace: "ingress",
			PodLabels: map[string]string{"app.kubernetes.io/name": "ingress", RegionLabel: spec.Region},
		})
	}
	for i, pg := range c.Spec.Postgres {
		e.Postgres = append(e.Postgres, PostgresEndpoint{
			Name: pg.Name, Region: pg.Region, Host: hostName(pg.Name), Address: postgresIP(i), Port: postgresPort,
			OperatorUser: operatorRole, OperatorPasswordFile: c.passwordFile(pg.Name),
			Databases: pg.Databases, SuperuserSocketDir: c.socketDir(pg.Name),
		})
	}
	for i, s := range c.Spec.Stores {
		e.Stores = append(e.Stores, StoreEndpoint{
			Name: s.Name, Region: s.Region, Endpoint: c.storeEndpoint(s.Name), Host: hostName(s.Name), Address: storeIP(i),
			Port: storePort, Bucket: backupBucket, SigningRegion: storeRegion,
			AccessKeyFile: c.accessKey(s.Name), SecretKeyFile: c.secretKey(s.Name),
		})
	}
	return e
}

func (c *Cluster) writeEndpoints() error {
	raw, err := json.MarshalIndent(c.endpoints(), "", "  ")
	if err != nil {
		return err
	}
	return write(c.endpointsFile(), append(raw, '\n'), 0o644)
}
