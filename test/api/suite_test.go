// SPDX-License-Identifier: Apache-2.0

// Package api_test holds the kinds against a real API server: it accepts the CRDs within its CEL cost budget, accepts
// every sample, and refuses what is wrong with a sentence that says the mend.
package api_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/hack/cluster"
	"github.com/termintreu/termintreu/hack/demo/samples"
)

const (
	repository        = "../.."
	operatorNamespace = "termintreu-system"
)

var (
	apiServer client.Client
	set       *samples.Set
)

func TestAPI(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "API")
}

var _ = BeforeSuite(func(ctx context.Context) {
	environment := &envtest.Environment{
		CRDDirectoryPaths:     []string{repository + "/config/crd/bases"},
		ErrorIfCRDPathMissing: true,
		BinaryAssetsDirectory: assets(ctx),
	}
	config, err := environment.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(environment.Stop)
	Expect(v1alpha1.AddToScheme(clientgoscheme.Scheme)).To(Succeed())
	apiServer, err = client.New(config, client.Options{Scheme: clientgoscheme.Scheme})
	Expect(err).NotTo(HaveOccurred())

	set, err = samples.Load(repository + "/config/samples")
	Expect(err).NotTo(HaveOccurred())
	Expect(set.Complete(endpoints(), operatorNamespace)).To(Succeed())
	operator := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}
	Expect(apiServer.Create(ctx, operator)).To(Succeed())
	for i := range set.Namespaces {
		Expect(samples.Apply(ctx, apiServer, "test", &set.Namespaces[i])).To(Succeed())
	}
})

// assets is the folder of API server and etcd: KUBEBUILDER_ASSETS, or what the repository builds and keeps.
func assets(ctx context.Context) string {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir
	}
	build := exec.CommandContext(ctx, "go", "run", "./hack/local", "assets")
	build.Dir, build.Stderr = repository, GinkgoWriter
	out, err := build.Output()
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(string(out))
}

// endpoints stands for the local cluster's: the same names, as its specification gives them, nothing behind them.
func endpoints() cluster.Endpoints {
	file := func(content string) string {
		f, err := os.CreateTemp(GinkgoT().TempDir(), "")
		Expect(err).NotTo(HaveOccurred())
		_, err = f.WriteString(content)
		Expect(err).NotTo(HaveOccurred())
		Expect(f.Close()).To(Succeed())
		return f.Name()
	}
	secret, spec := file("secret\n"), cluster.DefaultSpec(GinkgoT().TempDir())
	e := cluster.Endpoints{CAFile: file("certificate\n"), Mail: cluster.MailEndpoint{Host: "mail.example.org", Address: "192.0.2.3", Port: 2525}}
	for _, p := range spec.Postgres {
		e.Postgres = append(e.Postgres, cluster.PostgresEndpoint{
			Name: p.Name, Region: p.Region, Host: p.Name + ".example.org", Address: "192.0.2.1", Port: 5432,
			OperatorUser: "operator", OperatorPasswordFile: secret, Databases: p.Databases,
		})
	}
	for _, s := range spec.Stores {
		e.Stores = append(e.Stores, cluster.StoreEndpoint{
			Name: s.Name, Region: s.Region, Endpoint: "https://" + s.Name + ".example.org", Address: "192.0.2.2", Port: 443,
			Bucket: "backups", SigningRegion: "us-east-1", AccessKeyFile: secret, SecretKeyFile: secret,
		})
	}
	for _, i := range spec.Ingresses {
		e.Ingresses = append(e.Ingresses, cluster.IngressEndpoint{
			Region: i.Region, Class: "ingress-" + i.Region, HTTPSPort: 8443, Namespace: "ingress",
			PodLabels: map[string]string{"app.kubernetes.io/name": "ingress"},
		})
	}
	return e
}
