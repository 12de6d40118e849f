// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/settings"
)

type importFlags struct{ settings, credentials, stores, identity, terminationLog string }

func newImport() *cobra.Command {
	var flags importFlags
	command := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Fill a new tenant from an export, in one transaction, and read it back",
		Long: `Reads an export, from a file or from the store the settings name, into a tenant that has no records yet. Nothing
is stored unless all of it fits and what was stored is read back the same.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			backup.LimitMemory()
			return flags.run(command.Context(), command.OutOrStdout(), args)
		},
	}
	f := command.Flags()
	f.StringVar(&flags.settings, "settings", settings.File, "the settings document")
	f.StringVar(&flags.credentials, "credentials", settings.DatabaseDir, "directory with the files username and password of the import role")
	f.StringVar(&flags.stores, "stores", settings.StoresDir, "directory with the files NAME.accessKeyID and NAME.secretAccessKey of the store")
	f.StringVar(&flags.identity, "identity", settings.IdentityDir+"/"+settings.IdentityKey, "file with the age identity the export opens with; empty when it was opened before")
	f.StringVar(&flags.terminationLog, "termination-log", terminationLog, "file the result is left in, if it exists")
	return command
}

// importResult is printed as JSON: counts alone.
type importResult struct {
	Already bool  `json:"already,omitempty"`
	Records int64 `json:"records"`
}

func (f *importFlags) run(ctx context.Context, out io.Writer, args []string) error {
	document, err := settings.Read[settings.Import](f.settings)
	if err != nil {
		return err
	}
	content, err := f.open(ctx, document, args)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	conn, err := connect(ctx, document.Database, f.credentials)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	imported, err := export.Import(ctx, conn, content, document.Offices)
	if err != nil {
		return err
	}
	return report(out, f.terminationLog, importResult{imported.Already, imported.Manifest.Total()})
}

func (f *importFlags) open(ctx context.Context, document *settings.Import, args []string) (io.ReadCloser, error) {
	identities, err := readIdentities(f.identity)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		keys := func(store string) (string, string, error) { return settings.ReadStoreKeys(f.stores, store) }
		return export.Fetch(ctx, document.Source, document.Key, keys, identities...)
	}
	file, err := os.Open(args[0])
	if err != nil {
		return nil, fmt.Errorf("reading the export: %w", err)
	}
	content, err := export.Open(file, identities...)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return content, nil
}
