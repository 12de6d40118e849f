// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/restore"
	"github.com/termintreu/termintreu/internal/settings"
)

type restoreFlags struct{ settings, credentials, stores, identity, terminationLog string }

// newRestore is the job of a TenantRestore: it works in the quarantine the operator made for it.
func newRestore() *cobra.Command {
	var flags restoreFlags
	command := &cobra.Command{
		Use:   "restore",
		Short: "Restore a backup into quarantine, purge it, erase again who was erased, and prove both",
		Long: `Fetches a backup from the region's stores, decrypts it and puts its data, never its statements, into the
quarantine the operator made; deletes what is past its period by now; erases whoever the erasure journal at the stores
names; counts both again. Nothing outside the quarantine is touched: the operator swaps it in when the proof is there.
Prints the result as JSON.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			backup.LimitMemory()
			options, err := flags.options()
			if err != nil {
				return err
			}
			options.Log = slog.New(slog.NewJSONHandler(command.ErrOrStderr(), nil))
			ctx, stop := signal.NotifyContext(command.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			result, err := restore.Run(ctx, options)
			if err != nil {
				return err
			}
			return report(command.OutOrStdout(), flags.terminationLog, result)
		},
	}
	f := command.Flags()
	f.StringVar(&flags.settings, "settings", settings.File, "the settings document")
	f.StringVar(&flags.credentials, "credentials", settings.DatabaseDir, "directory with the files username and password of the role that owns the quarantine")
	f.StringVar(&flags.stores, "stores", settings.StoresDir, "directory with the files NAME.accessKeyID and NAME.secretAccessKey of each store")
	f.StringVar(&flags.identity, "identity", filepath.Join(settings.IdentityDir, settings.IdentityKey), "file with the age secret key")
	f.StringVar(&flags.terminationLog, "termination-log", terminationLog, "file the result is left in, if it exists")
	command.AddCommand(newRestoreAnswer())
	return command
}

// newRestoreAnswer runs where the recovery key is, without any connection.
func newRestoreAnswer() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "answer --identity FILE < challenge",
		Short: "Answer the challenge of a restore or an import with the secret key, offline",
		Long: `Reads status.challenge of a TenantRestore, or status.import.challenge of a BookingTenant, from standard input,
opens the file key of the backup or export with the secret key in FILE and prints it encrypted to the job's one-time
recipient. The secret key does not leave this machine; the answer opens that one backup and its erasure journal, or that
one export, and only for the job that asked.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			identity, err := readIdentity(file)
			if err != nil {
				return err
			}
			challenge, err := io.ReadAll(io.LimitReader(command.InOrStdin(), 1<<20))
			if err != nil {
				return fmt.Errorf("reading the challenge: %w", err)
			}
			answer, err := restore.Answer(string(challenge), identity)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), answer)
			return err
		},
	}
	command.Flags().StringVar(&file, "identity", "", "file with the age secret key, as age-keygen wrote it")
	_ = command.MarkFlagRequired("identity")
	return command
}

func readIdentity(path string) (restore.Identity, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the identity: %w", err)
	}
	defer func() { _ = file.Close() }()
	return restore.ReadIdentity(file)
}

func (f *restoreFlags) options() (options restore.Options, err error) {
	document, err := settings.Read[settings.Restore](f.settings)
	if err != nil {
		return restore.Options{}, err
	}
	options = restore.Options{Settings: *document, Stores: f.keysOf}
	options.Credentials, options.Keys, err = f.secrets(document.Offline)
	return options, err
}

func (f *restoreFlags) keysOf(store string) (accessKeyID, secretAccessKey string, err error) {
	return settings.ReadStoreKeys(f.stores, store)
}

// secrets are the login, and what opens the file: an identity that was given, or whoever holds it offline.
func (f *restoreFlags) secrets(offline bool) (login settings.Credentials, keys restore.Keys, err error) {
	if login, err = settings.ReadCredentials(f.credentials); err != nil {
		return settings.Credentials{}, nil, err
	}
	if offline {
		return login, restore.Challenge{}, nil
	}
	keys, err = readIdentity(f.identity)
	return login, keys, err
}
