// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/archive"
	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
)

// newArchive hands over for one tenant. It runs as a CronJob and needs neither the operator nor the tenant object
// (invariant 4).
func newArchive() *cobra.Command {
	var (
		flags  backupFlags
		budget time.Duration
	)
	command := &cobra.Command{
		Use:   "archive",
		Short: "Hand the tenant's documents whose period has ended over to the region's archives, then delete them",
		Long: `Encrypts each record that is due under a rule of action Archive, writes it to every archive of the region,
locked until its own date, and reads it back: size, SHA-256, version, lock and the lock's end. Only then the database takes
the receipt that lets the purge delete the record. Prints the result as JSON. Fails when a record stays for an archive.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			backup.LimitMemory()
			options, err := archiveOptions(flags)
			if err != nil {
				return err
			}
			options.TimeBudget, options.Log = budget, slog.New(slog.NewJSONHandler(command.ErrOrStderr(), nil))
			result, runErr := archive.Run(command.Context(), options)
			return errors.Join(runErr, report(command.OutOrStdout(), flags.terminationLog, result))
		},
	}
	flags.add(command)
	command.Flags().StringVar(&flags.credentials, "credentials", settings.DatabaseDir, "directory with the files username and password of the archive role")
	command.Flags().DurationVar(&budget, "time-budget", 10*time.Minute, "begin no further record after this time; 0 means no limit")
	return command
}

func archiveOptions(flags backupFlags) (archive.Options, error) {
	document, err := settings.Read[settings.Archive](flags.settings)
	if err != nil {
		return archive.Options{}, err
	}
	login, err := settings.ReadCredentials(flags.credentials)
	if err != nil {
		return archive.Options{}, err
	}
	config, err := postgres.OperandConfig(document.Database, login)
	return archive.Options{
		Settings: *document, Config: config,
		Keys: func(store string) (string, string, error) { return settings.ReadStoreKeys(flags.stores, store) },
	}, err
}
