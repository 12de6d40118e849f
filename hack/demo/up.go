// SPDX-License-Identifier: Apache-2.0

// Package demo installs the product on a local cluster the way a platform engineer would: the operator from
// config/default under its own RBAC, then the regions, policies and tenants of config/samples. The end-to-end tests use
// the same steps, so that what they test is what the demo shows.
package demo

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/termintreu/termintreu/hack/cluster"
	"github.com/termintreu/termintreu/hack/internal/progress"
	"github.com/termintreu/termintreu/internal/operator"
)

// Options of an installation.
type Options struct {
	// Dir of the local cluster.
	Dir string
	// MeasureInterval and MaxEvidenceAge of the operator.
	MeasureInterval, MaxEvidenceAge time.Duration
	// Out takes progress lines.
	Out io.Writer
}

// Installation is the product on a local cluster.
type Installation struct {
	Cluster *cluster.Cluster
	Client  client.Client
	Options Options
	// Root of the source tree.
	Root string
	// rolledOut is when the operator that runs now was rolled out.
	rolledOut time.Time
	progress  *progress.Printer
}

// Up brings everything about, or mends it; it can be run again.
func Up(ctx context.Context, o Options) (*Installation, error) {
	root, err := cluster.ModuleRoot(ctx)
	if err != nil {
		return nil, err
	}
	c, err := cluster.Up(ctx, cluster.DefaultSpec(o.Dir), o.Out)
	if err != nil {
		return nil, err
	}
	i := &Installation{Cluster: c, Options: o, Root: root, progress: progress.New(o.Out)}
	if i.Client, err = newClient(c.Endpoints().Kubeconfig); err != nil {
		return nil, err
	}
	image, err := i.image(ctx)
	if err != nil {
		return nil, err
	}
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"installing the operator from config/default", func(ctx context.Context) error { return i.installOperator(ctx, image) }},
		{"applying regions, policies and tenants from config/samples", i.applySamples},
	}
	for _, step := range steps {
		if err := i.progress.Step(step.name, func() error { return step.do(ctx) }); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return i, nil
}

func newClient(kubeconfig string) (client.Client, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	// Warnings of the API server are for people who apply manifests; unset, the library tells of that with a stack trace.
	ctrl.SetLogger(logr.Discard())
	return client.New(config, client.Options{Scheme: operator.Scheme()})
}

// path of a file or folder of the installation.
func (i *Installation) path(parts ...string) string {
	return filepath.Join(append([]string{i.Options.Dir}, parts...)...)
}
