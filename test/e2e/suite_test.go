// SPDX-License-Identifier: Apache-2.0

// Package e2e_test holds the promises of the product against the whole of it: the operator from config/default on a
// local cluster of several nodes, real PostgreSQL servers, object stores and a mail relay. Nothing is played.
package e2e_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/hack/cluster"
	"github.com/termintreu/termintreu/hack/demo"
)

const (
	measureInterval = 3 * time.Second
	maxEvidenceAge  = 45 * time.Second
	// patience is generous: nodes, servers and tests share the machine's few cores.
	patience = 4 * time.Minute
	glance   = 500 * time.Millisecond
	// operatorNamespace is the namespace of config/default.
	operatorNamespace = "termintreu-system"
)

var dir = flag.String("dir", ".e2e", "folder of the cluster, relative to the module")

// What every test works on.
var (
	installation *demo.Installation
	kube         client.Client
	kubeConfig   *rest.Config
	ends         cluster.Endpoints
	root         string
)

func TestEndToEnd(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(patience)
	SetDefaultEventuallyPollingInterval(glance)
	EnforceDefaultTimeoutsWhenUsingContexts()
	RunSpecs(t, "Termintreu on a real cluster")
}

// The cluster stays, so that the next run is quick; `make e2e-down` removes it. What an earlier run left behind, even
// a killed one, is mended first.
var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	root, err = cluster.ModuleRoot(ctx)
	Expect(err).NotTo(HaveOccurred())
	if !filepath.IsAbs(*dir) {
		*dir = filepath.Join(root, *dir)
	}
	installation, err = demo.Up(ctx, demo.Options{
		Dir: *dir, MeasureInterval: measureInterval, MaxEvidenceAge: maxEvidenceAge, Out: os.Stderr,
	})
	Expect(err).NotTo(HaveOccurred())
	kube, ends = installation.Client, installation.Cluster.Endpoints()
	kubeConfig, err = clientcmd.BuildConfigFromFlags("", ends.Kubeconfig)
	Expect(err).NotTo(HaveOccurred())
	kubeConfig.QPS, kubeConfig.Burst = 100, 200
	sweep(ctx)
	Expect(installation.Settle(ctx)).To(Succeed())
	bookEarly(ctx)
}, NodeTimeout(40*time.Minute))

// artefact is the path of a file people look at after a run.
func artefact(name string) string {
	folder := filepath.Join(*dir, "artefacts")
	Expect(os.MkdirAll(folder, 0o755)).To(Succeed())
	return filepath.Join(folder, name)
}

// noticed reports how long something took to be noticed.
func noticed(what string, since time.Time) {
	AddReportEntry(what, time.Since(since).Round(100*time.Millisecond).String())
}
