// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/hack/internal/hostpkg"
	"github.com/termintreu/termintreu/hack/internal/progress"
)

// packagesCommand installs what tests need before any cluster is up.
func packagesCommand() *cobra.Command {
	tests := false
	command := &cobra.Command{
		Use: "packages", Short: "Install the Debian packages the cluster and the tests need, or name them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return hostpkg.Ensure(cmd.Context(), progress.New(os.Stderr), tests)
		},
	}
	command.Flags().BoolVar(&tests, "tests", false, "those too that only the tests need: a browser and what drives it")
	return command
}
