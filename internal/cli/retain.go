// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"log/slog"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/postgres"
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
			document, err := settings.Read[settings.Retain](file)
			if err != nil {
				return err
			}
			login, err := settings.ReadCredentials(credentials)
			if err != nil {
				return err
			}
			if options.Config, err = postgres.OperandConfig(document.Database, login); err != nil {
				return err
			}
			if dryRun {
				due, err := retention.DryRun(ctx, options.Config)
				if err != nil {
					return err
				}
				return retention.PrintDue(cmd.OutOrStdout(), due)
			}
			options.Log = slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), nil))
			report, err := retention.Run(ctx, options)
			if printing := report.Print(cmd.OutOrStdout()); err == nil {
				err = printing
			}
			return err
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
