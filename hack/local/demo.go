// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/termintreu/termintreu/hack/demo"
)

// demoCommand installs the product on the cluster and shows it.
func demoCommand(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Start the cluster, install the product and its samples, show what was measured", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runtime.GOOS != "linux" || os.Geteuid() != 0 {
				return demo.Elsewhere(cmd.Context(), os.Stderr)
			}
			installation, err := demo.Up(cmd.Context(), demo.Options{
				Dir: *dir, MeasureInterval: 10 * time.Second, MaxEvidenceAge: 2 * time.Minute, Out: os.Stderr,
			})
			if err != nil {
				return err
			}
			if err := installation.Settle(cmd.Context()); err != nil {
				return err
			}
			return installation.Show(cmd.Context())
		},
	}
}
