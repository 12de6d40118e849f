// SPDX-License-Identifier: Apache-2.0

//go:build operand

package cli

import "github.com/spf13/cobra"

// others is the site alone: a tenant's pod loads no more than its own commands need, which is half of what the operator
// links.
var others = []func() *cobra.Command{newServe}
