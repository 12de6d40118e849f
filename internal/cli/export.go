// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"strings"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/backup"
	"github.com/termintreu/termintreu/internal/export"
	"github.com/termintreu/termintreu/internal/postgres"
	"github.com/termintreu/termintreu/internal/settings"
)

type exportFlags struct {
	settings, credentials, stores, terminationLog string
	output, controller, identity                  string
	verify                                        bool
}

func newExport() *cobra.Command {
	var flags exportFlags
	command := &cobra.Command{
		Use:   "export",
		Short: "Write everything a tenant has in an open format, encrypted to the authority",
		Long: `Writes every record of the tenant as JSON Lines with a JSON Schema per entity, a CSV file per office and a
manifest, as a tar, compressed and encrypted to the authority's age recipients: to every store of the region, reading each
copy back, and where there are several controllers one more for each; or to a file. With --verify it compares two exports
and fails when their records differ.`,
		Example: `  termintreu export --output everything.tar.zst.age
  termintreu export --verify --identity key.txt before.tar.zst.age after.tar.zst.age`,
		Args: func(_ *cobra.Command, args []string) error {
			if flags.verify != (len(args) == 2) || !flags.verify && len(args) > 0 {
				return errors.New("give two files with --verify, and none without")
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			backup.LimitMemory()
			switch {
			case flags.verify:
				return runVerify(command.OutOrStdout(), args[0], args[1], flags.identity)
			case flags.output != "":
				return flags.toFile(command.Context())
			}
			return flags.toStores(command.Context(), command.OutOrStdout())
		},
	}
	f := command.Flags()
	f.StringVar(&flags.settings, "settings", settings.File, "the settings document")
	f.StringVar(&flags.credentials, "credentials", settings.DatabaseDir, "directory with the files username and password of the backup role")
	f.StringVar(&flags.stores, "stores", settings.StoresDir, "directory with the files NAME.accessKeyID and NAME.secretAccessKey of each store")
	f.StringVar(&flags.terminationLog, "termination-log", terminationLog, "file the result is left in, if it exists")
	f.StringVar(&flags.output, "output", "", "write to this new file instead of the stores")
	f.StringVar(&flags.controller, "controller", "", "with --output: only the records of this controller's offices")
	f.BoolVar(&flags.verify, "verify", false, "compare the records of two exports, encrypted or opened")
	f.StringVar(&flags.identity, "identity", "", "with --verify: file with the age identity the exports open with")
	return command
}

func (f *exportFlags) options() (export.Options, error) {
	document, err := settings.Read[settings.Export](f.settings)
	if err != nil {
		return export.Options{}, err
	}
	return export.Options{
		Settings: *document,
		Connect:  func(ctx context.Context) (*pgx.Conn, error) { return connect(ctx, document.Database, f.credentials) },
		Keys:     func(store string) (string, string, error) { return settings.ReadStoreKeys(f.stores, store) },
	}, nil
}

func connect(ctx context.Context, database settings.Database, dir string) (*pgx.Conn, error) {
	credentials, err := settings.ReadCredentials(dir)
	if err != nil {
		return nil, err
	}
	config, err := postgres.OperandConfig(database, credentials)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connecting to database %s: %w", database.Name, err)
	}
	return conn, nil
}

func (f *exportFlags) toStores(ctx context.Context, out io.Writer) error {
	options, err := f.options()
	if err != nil {
		return err
	}
	delivered, exportErr := export.Deliver(ctx, options)
	if delivered == nil {
		return exportErr
	}
	return errors.Join(exportErr, report(out, f.terminationLog, delivered))
}

func (f *exportFlags) toFile(ctx context.Context) (err error) {
	options, err := f.options()
	if err != nil {
		return err
	}
	recipients, err := backup.ParseRecipients(options.Settings.Recipients)
	if err != nil {
		return err
	}
	scope := export.Scope{Catalogue: &export.Catalogue{Controllers: options.Settings.Controllers, Catalogue: options.Settings.Catalogue}}
	if f.controller != "" {
		if scope = scope.Catalogue.Of(f.controller); len(scope.Catalogue.Controllers) == 0 {
			return fmt.Errorf("the tenant has no controller %q: name one of spec.controllers", f.controller)
		}
	}
	conn, err := options.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	file, err := os.OpenFile(f.output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the export: %w", err)
	}
	defer func() {
		// What is incomplete must not be taken for an export.
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(err, os.Remove(f.output))
		}
	}()
	sealed, err := export.Seal(file, recipients)
	if err != nil {
		return err
	}
	if _, err := export.Write(ctx, conn, sealed, scope); err != nil {
		return err
	}
	return sealed.Close()
}

func runVerify(out io.Writer, first, second, identity string) error {
	a, err := readExport(first, identity)
	if err != nil {
		return err
	}
	b, err := readExport(second, identity)
	if err != nil {
		return err
	}
	if differences := export.Compare(a, b); len(differences) > 0 {
		return fmt.Errorf("the exports hold different records:\n%s", strings.Join(differences, "\n"))
	}
	_, err = fmt.Fprintf(out, "equal: %d records of %d entities\n", a.Total(), len(a.Records))
	return err
}

func readExport(path, identity string) (*export.Manifest, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the export: %w", err)
	}
	defer func() { _ = file.Close() }()
	identities, err := readIdentities(identity)
	if err != nil {
		return nil, err
	}
	content, err := export.Open(file, identities...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer func() { _ = content.Close() }()
	manifest, err := export.Read(content, export.Visitor{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return manifest, nil
}

// readIdentities reads a file as age-keygen writes it; none when no file is named.
func readIdentities(path string) ([]age.Identity, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the identity: %w", err)
	}
	defer func() { _ = file.Close() }()
	identities, err := age.ParseIdentities(file)
	if err != nil {
		// The parser's error could quote a part of the key.
		return nil, errors.New("the identity file holds no age identity: give the file age-keygen wrote")
	}
	return identities, nil
}
