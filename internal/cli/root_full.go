// SPDX-License-Identifier: Apache-2.0

//go:build !operand

package cli

import "github.com/spf13/cobra"

// others are the commands of the operator's pods and of people: the main program alone has them.
var others = []func() *cobra.Command{
	newOperator,
	newSentinel,
	newPolicy,
	newLintNotice,
}
