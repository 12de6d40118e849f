// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: one binary is operator, instance and job.
package cli

import "github.com/spf13/cobra"

// commands lists a constructor per subcommand.
var commands = []func() *cobra.Command{
	newServe,
	newRetain,
	newHold,
	newPolicy,
	newBackup,
	newExpire,
	newExport,
	newImport,
	newRestore,
	newOperator,
	newSentinel,
	newLintNotice,
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
	for _, constructor := range commands {
		root.AddCommand(constructor())
	}
	return root
}
