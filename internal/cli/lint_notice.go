// SPDX-License-Identifier: Apache-2.0

//go:build !operand

package cli

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/internal/booking/lint"
)

func newLintNotice() *cobra.Command {
	var (
		linter lint.Linter
		bundle string
	)
	command := &cobra.Command{
		Use:   "lint-notice URL",
		Short: "Say what is wrong with the privacy notice of a booking site",
		Long: "Reads a booking site in every language as an auditor would: dead references, missing contacts, unnamed processors,\n" +
			"third parties the pages load from, legal bases that do not exist. Ends with an error when it finds something.",
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if bundle != "" {
				client, err := trusting(bundle)
				if err != nil {
					return err
				}
				linter.Client = client
			}
			findings, err := linter.Site(command.Context(), args[0])
			if err != nil {
				return err
			}
			for _, finding := range findings {
				fmt.Fprintln(command.OutOrStdout(), finding)
			}
			if len(findings) > 0 {
				return fmt.Errorf("%d findings", len(findings))
			}
			fmt.Fprintln(command.OutOrStdout(), "nothing found")
			return nil
		},
	}
	command.Flags().StringVar(&bundle, "ca-bundle", "", "file with the certificates the site is verified against, instead of the system's")
	command.Flags().BoolVar(&linter.SameSiteOnly, "same-site-only", false, "do not follow references to other sites")
	return command
}

func trusting(bundle string) (*http.Client, error) {
	raw, err := os.ReadFile(bundle)
	if err != nil {
		return nil, fmt.Errorf("reading the CA bundle: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("CA bundle %s holds no certificate", bundle)
	}
	return lint.Client(roots), nil
}
