// SPDX-License-Identifier: Apache-2.0

//go:build !operand

package cli

import "github.com/spf13/cobra"

// others are the commands of the operator's pods and of people: the main program alone has them. It lacks `serve`, which
// nobody runs by hand: html/template may call any method by its name, so that the linker would keep every method of
// every type of client-go too, a quarter of the program.
var others = []func() *cobra.Command{
	newOperator,
	newSentinel,
	newPolicy,
	newLintNotice,
}
