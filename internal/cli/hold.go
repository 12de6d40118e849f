// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/retention"
	"github.com/termintreu/termintreu/internal/settings"
)

// newHold opens and ends holds with the login of the retention role: the app's could not, since whoever can keep data
// can undo its deletion.
func newHold() *cobra.Command {
	var (
		file, credentials string
		hold              retention.Hold
		length            time.Duration
	)
	command := &cobra.Command{
		Use:   "hold",
		Short: "Keep exactly the records of a restriction (Art. 18 GDPR) or an abuse case until a date",
		Args:  cobra.NoArgs,
	}
	open := &cobra.Command{
		Use:   "open",
		Short: "Open a hold; record is an appointment's ID, an address for AccessLog and SessionAddress, else a record's number",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRetention(file, credentials, func(options retention.Options) error {
				hold.Until = time.Now().Add(length)
				n, err := retention.OpenHold(cmd.Context(), options.Config, hold)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "%d records are held until %s\n", n, hold.Until.UTC().Format(time.RFC3339))
				}
				return err
			})
		},
	}
	end := &cobra.Command{
		Use:   "end",
		Short: "End every hold of a case now",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withRetention(file, credentials, func(options retention.Options) error {
				n, err := retention.EndHold(cmd.Context(), options.Config, hold.Kind, hold.Reference)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "%d holds have ended\n", n)
				}
				return err
			})
		},
	}
	flags := command.PersistentFlags()
	flags.StringVar(&file, "settings", settings.File, "settings document of the purge")
	flags.StringVar(&credentials, "credentials", settings.DatabaseDir, "directory with the username and password of the retention role")
	flags.StringVar(&hold.Kind, "kind", "Restriction", "Restriction or AbuseCase")
	flags.StringVar(&hold.Reference, "reference", "", "reference of the case")
	open.Flags().StringVar((*string)(&hold.Category), "category", "", "category of the records")
	open.Flags().StringVar(&hold.Record, "record", "", "which records")
	open.Flags().DurationVar(&length, "for", 0, "how long, such as 720h; an abuse case at most as long as its rule")
	command.AddCommand(open, end)
	return command
}

// withRetention reads what the purge's job mounts.
func withRetention(file, credentials string, do func(retention.Options) error) error {
	document, err := settings.Read[settings.Retain](file)
	if err != nil {
		return err
	}
	login, err := settings.ReadCredentials(credentials)
	if err != nil {
		return err
	}
	var options retention.Options
	if options.Config, err = postgres.OperandConfig(document.Database, login); err != nil {
		return err
	}
	if document.RewriteEvery != "" {
		if options.RewriteEvery, err = document.RewriteEvery.Duration(); err != nil {
			return err
		}
	}
	return do(options)
}
