// SPDX-License-Identifier: Apache-2.0

//go:build operand

package cli

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/booking/instance"
	"github.com/termintreu/termintreu/internal/settings"
)

func newServe() *cobra.Command {
	options := instance.Options{Log: slog.New(slog.NewJSONHandler(os.Stdout, nil))}
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the booking instance of one tenant",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(command.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return instance.Run(ctx, options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.SettingsFile, "settings", settings.File, "settings document")
	flags.StringVar(&options.DatabaseDir, "database-dir", settings.DatabaseDir, "directory of the database role's username and password")
	flags.StringVar(&options.StaffDir, "staff-dir", settings.StaffDir, "directory of the client's secrets at the identity provider")
	flags.StringVar(&options.TLSDir, "tls-dir", settings.TLSDir, "directory of tls.crt and tls.key, read anew when they change; empty for a site in the clear")
	flags.StringVar(&options.Listen, "listen", ":8443", "address the site listens on")
	flags.StringVar(&options.InternalListen, "internal-listen", ":9090", "address of /healthz, /readyz and /metrics")
	flags.DurationVar(&options.Drain, "drain", 5*time.Second, "how long readiness is false before connections are drained")
	return command
}
