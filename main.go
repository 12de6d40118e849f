// SPDX-License-Identifier: Apache-2.0

// Termintreu is operator and jobs; with the build tag `operand` booking instance and jobs.
package main

import (
	"fmt"
	"os"

	"github.com/termintreu/termintreu/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	if err := cli.New(version).Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "termintreu:", err)
		os.Exit(1)
	}
}
