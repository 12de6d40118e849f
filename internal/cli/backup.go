// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"
)

// terminationLog is where Kubernetes takes a container's last words from; they show in the pod's status.
const terminationLog = "/dev/termination-log"

type backupFlags struct{ settings, credentials, stores, terminationLog string }

func (f *backupFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&f.settings, "settings", settings.File, "the settings document")
	flags.StringVar(&f.stores, "stores", settings.StoresDir, "directory with the files NAME.accessKeyID and NAME.secretAccessKey of each store")
	flags.StringVar(&f.terminationLog, "termination-log", terminationLog, "file the result is left in, if it exists")
}

func (f *backupFlags) options() (backup.Options, error) {
	document, err := settings.Read[settings.Backup](f.settings)
	if err != nil {
		return backup.Options{}, err
	}
	return backup.Options{
		Settings: *document, Scratch: settings.ScratchDir,
		Keys: func(store string) (string, string, error) { return settings.ReadStoreKeys(f.stores, store) },
	}, nil
}

func newBackup() *cobra.Command {
	var flags backupFlags
	command := &cobra.Command{
		Use:   "backup",
		Short: "Back up one tenant to every store of its region and read it back",
		Long: `Takes pg_dump of one schema, compressed and encrypted, to every store of the region at once; reads it back
from each and compares; decrypts what it read back with an identity that lives no longer than the run, and lets
pg_restore list it; now and then restores it into a scratch schema and compares every table with what it was taken
from; repairs a missing copy from another store's. Prints the result as JSON. Fails when any store lacks
its copy, or took a lock and does not show it. It deletes nothing and needs no right to.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runBackup(command, flags, backup.Run, true)
		},
	}
	flags.add(command)
	command.Flags().StringVar(&flags.credentials, "credentials", settings.DatabaseDir, "directory with the files username and password of the backup role")
	return command
}

func newExpire() *cobra.Command {
	var flags backupFlags
	command := &cobra.Command{
		Use:   "expire",
		Short: "Delete the backups of one tenant that are past their period, at every store of its region, and mend copies",
		Long: `Deletes every version that is past the backup period at every store of the region, and what killed runs left
unfinished; takes delete markers off backups that must still be there; copies a backup that one store has lost from
another that has it, comparing what it reads with the manifest. Prints the result as JSON. Fails when a store still
holds what has expired or lacks a backup others have.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runBackup(command, flags, backup.Expire, false)
		},
	}
	flags.add(command)
	return command
}

func runBackup(command *cobra.Command, flags backupFlags, run func(context.Context, backup.Options) (backup.Result, error), database bool) error {
	backup.LimitMemory()
	options, err := flags.options()
	if err != nil {
		return err
	}
	if database {
		if options.Credentials, err = settings.ReadCredentials(flags.credentials); err != nil {
			return err
		}
		if options.Trial, err = trialOf(&options); err != nil {
			return err
		}
	}
	result, runErr := run(command.Context(), options)
	return errors.Join(runErr, report(command.OutOrStdout(), flags.terminationLog, result))
}

// trialOf is the restore on trial the settings ask for; nil when they ask for none.
func trialOf(options *backup.Options) (backup.Trial, error) {
	if options.Settings.RestoreTestEvery == "" {
		return nil, nil //nolint:nilnil // none is no error
	}
	every, err := options.Settings.RestoreTestEvery.Duration()
	if err != nil {
		return nil, fmt.Errorf("how often a restore is tried: %w", err)
	}
	return &restore.Trial{Database: options.Settings.Database, Credentials: options.Credentials, Every: every}, nil
}

// report prints the result and leaves it where Kubernetes looks, if this is a pod.
func report(out io.Writer, terminationLog string, result any) error {
	raw, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s\n", raw); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	file, err := os.OpenFile(terminationLog, os.O_WRONLY|os.O_TRUNC, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("leaving the result: %w", err)
	}
	_, err = file.Write(raw)
	return errors.Join(err, file.Close())
}
