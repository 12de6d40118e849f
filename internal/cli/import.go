// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"
)

// newImport is the job of spec.bootstrap.import: it works in the quarantine the operator made for it.
func newImport() *cobra.Command {
	var flags restoreFlags
	command := &cobra.Command{
		Use:   "import",
		Short: "Take an export into the quarantine of a new tenant, read it back, purge it, and prove both",
		Long: `Fetches the export spec.bootstrap.import names from the region's store, decrypts it and puts its records into the
quarantine the operator made; reads them back and compares counts and digests with those of the export; deletes what is
past its period by now, and counts again: all in one transaction, of which nothing is left when anything of it fails.
Nothing outside the quarantine is touched: the operator swaps it in when the proof is there. Prints the result as JSON.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			backup.LimitMemory()
			options, err := flags.importOptions()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(command.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			imported, err := restore.Import(ctx, options)
			if err != nil {
				return err
			}
			return report(command.OutOrStdout(), flags.terminationLog, imported)
		},
	}
	f := command.Flags()
	f.StringVar(&flags.settings, "settings", settings.File, "the settings document")
	f.StringVar(&flags.credentials, "credentials", settings.DatabaseDir, "directory with the files username and password of the role that owns the quarantine")
	f.StringVar(&flags.stores, "stores", settings.StoresDir, "directory with the files NAME.accessKeyID and NAME.secretAccessKey of the store")
	f.StringVar(&flags.identity, "identity", filepath.Join(settings.IdentityDir, settings.IdentityKey), "file with the age secret key the export opens with")
	f.StringVar(&flags.terminationLog, "termination-log", terminationLog, "file the result is left in, if it exists")
	return command
}

func (f *restoreFlags) importOptions() (options restore.ImportOptions, err error) {
	document, err := settings.Read[settings.Import](f.settings)
	if err != nil {
		return restore.ImportOptions{}, err
	}
	options = restore.ImportOptions{Settings: *document, Stores: f.keysOf}
	options.Credentials, options.Keys, err = f.secrets(document.Offline)
	return options, err
}
