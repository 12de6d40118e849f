// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: operator, instance and jobs are commands of one tree. With the build tag `operand`
// it has what tenants' pods run, and links no client of Kubernetes; without, all but the site.
package cli

import (
	"slices"

	"github.com/spf13/cobra"
)

// jobs lists a constructor per subcommand of both programs: what runs in tenants' pods, and by hand.
var jobs = []func() *cobra.Command{
	newRetain,
	newArchive,
	newHold,
	newBackup,
	newExpire,
	newExport,
	newImport,
	newRestore,
}

// New gives the root command. Errors are returned, not printed, so that main decides the exit code.
func New(version string) *cobra.Command {
	root := &cobra.Command{
		Use:           "termintreu",
		Short:         "Appointment booking whose place of storage and deletion are enforced and measured",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, constructor := range slices.Concat(jobs, others) {
		root.AddCommand(constructor())
	}
	return root
}
