// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/retention"
	"github.com/termintreu/termintreu/internal/settings"
)

// newRetain purges one tenant. It runs as a CronJob and needs neither the operator nor the tenant object (invariant 4).
func newRetain() *cobra.Command {
	var (
		file, credentials string
		dryRun            bool
		options           retention.Options
	)
	command := &cobra.Command{
		Use:   "retain",
		Short: "Delete, anonymise or strip the tenant's records whose period has ended",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return withRetention(file, credentials, func(found retention.Options) error {
				options.Config, options.RewriteEvery = found.Config, found.RewriteEvery
				return runRetain(ctx, cmd, options, dryRun)
			})
		},
	}
	flags := command.Flags()
	flags.StringVar(&file, "settings", settings.File, "settings document")
	flags.StringVar(&credentials, "credentials", settings.DatabaseDir, "directory with the username and password of the retention role")
	flags.BoolVar(&dryRun, "dry-run", false, "print what would be removed, and remove nothing")
	flags.IntVar(&options.BatchSize, "batch-size", retention.DefaultBatchSize, "most records of one transaction")
	flags.DurationVar(&options.TimeBudget, "time-budget", 10*time.Minute, "begin no further batch after this time; 0 means no limit")
	return command
}

func runRetain(ctx context.Context, cmd *cobra.Command, options retention.Options, dryRun bool) error {
	if dryRun {
		due, err := retention.DryRun(ctx, options.Config)
		if err != nil {
			return err
		}
		return retention.PrintDue(cmd.OutOrStdout(), due)
	}
	options.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
	if file, ok := cmd.ErrOrStderr().(*os.File); ok && isTerminal(file) {
		options.Log, options.Progress = nil, progress(file)
	}
	report, err := retention.Run(ctx, options)
	if printing := report.Print(cmd.OutOrStdout()); err == nil {
		err = printing
	}
	return err
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progress shows a person at a terminal one line that moves.
func progress(w io.Writer) func(v1alpha1.Category, int64, int64) {
	return func(category v1alpha1.Category, removed, due int64) {
		fmt.Fprintf(w, "\r\x1b[K%s: %d of %d", category, removed, due)
		if removed >= due {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
}
