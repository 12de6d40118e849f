// SPDX-License-Identifier: Apache-2.0

//go:build !operand

package cli

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/termintreu/termintreu/internal/operator"
)

func newOperator() *cobra.Command {
	var options operator.Options
	command := &cobra.Command{
		Use:   "operator",
		Short: "Run the operator",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			options.LimitMemory = os.Getenv("GOMEMLIMIT") == ""
			return start(options.PprofAddress, func(ctx context.Context, config *rest.Config) (manager.Manager, error) {
				return operator.New(ctx, config, options)
			})
		},
	}
	flags := command.Flags()
	commonFlags(flags, &options)
	flags.StringVar(&options.Image, "image", os.Getenv("TERMINTREU_IMAGE"), "image operands run; the operator's own")
	flags.StringVar((*string)(&options.ImagePullPolicy), "image-pull-policy", string(corev1.PullIfNotPresent), "image pull policy of operands")
	flags.DurationVar(&options.MaxEvidenceAge, "max-evidence-age", 15*time.Minute, "evidence older than this proves nothing")
	flags.DurationVar(&options.MeasureInterval, "measure-interval", time.Minute, "time between two audits of a database, or two listings of a store")
	flags.BoolVar(&options.ReadNotices, "read-notices", false, "read the privacy notice of every site and hold it against the plan, and ask every site what it can connect to and which appointments its catalogue has no room for; the operator must run inside the cluster")
	flags.IntVar(&options.Workers, "workers", 16, "tenants reconciled at the same time")
	return command
}

func newSentinel() *cobra.Command {
	var options operator.Options
	command := &cobra.Command{
		Use:   "sentinel",
		Short: "Turn verdicts nobody renews to Unknown",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return start(options.PprofAddress, func(_ context.Context, config *rest.Config) (manager.Manager, error) {
				return operator.NewSentinel(config, options)
			})
		},
	}
	commonFlags(command.Flags(), &options)
	return command
}

// garbagePercent is how much garbage may lie beside what lives before it is collected. A reconcile leaves several times
// more than the operator keeps: while 60 tenants are made it peaks at 66 MiB with 30, at 71 with 50, and some 13 MiB
// higher with Go's own 100. What the collector takes more is lost in what the API server takes.
const garbagePercent = 30

// start runs a manager until a signal ends it.
func start(pprofAddress string, build func(context.Context, *rest.Config) (manager.Manager, error)) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	if pprofAddress == "0" {
		runtime.MemProfileRate = 0 // nobody will ask for a profile, which takes 4 MiB to keep
	}
	ctx := ctrl.SetupSignalHandler()
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewJSONHandler(os.Stderr, nil)))
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	mgr, err := build(ctx, config)
	if err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func commonFlags(flags *pflag.FlagSet, options *operator.Options) {
	flags.StringVar(&options.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace of the operator")
	flags.StringVar(&options.MetricsAddress, "metrics-bind-address", "0", "address of authenticated metrics over HTTPS, such as :8443; 0 for none")
	flags.StringVar(&options.ProbeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	flags.StringVar(&options.PprofAddress, "pprof-bind-address", "0", "address of /debug/pprof, without authentication: loopback only; 0 for none")
	flags.BoolVar(&options.LeaderElection, "leader-elect", false, "let one of several replicas work")
}
