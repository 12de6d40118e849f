// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/termintreu/termintreu/hack/cluster"
)

// Elsewhere installs the operator on the current kube context, for machines that cannot run the local cluster. What the
// local cluster would bring along, servers and stores, somebody has to declare there.
func Elsewhere(ctx context.Context, out io.Writer) error {
	root, err := cluster.ModuleRoot(ctx)
	if err != nil {
		return err
	}
	kubectl := func(args ...string) *exec.Cmd {
		command := exec.CommandContext(ctx, "kubectl", args...)
		command.Dir, command.Stdout, command.Stderr = root, out, os.Stderr
		return command
	}
	current := kubectl("config", "current-context")
	current.Stdout = nil
	name, err := current.Output()
	if err != nil {
		return fmt.Errorf("the local cluster needs Linux and root, and kubectl has no current context to use instead: run as root on Linux, or choose a context: %w", err)
	}
	context := strings.TrimSpace(string(name))
	if _, err := fmt.Fprintf(out, "The local cluster needs Linux and root. Using the current kube context instead: %s\n", context); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "--server-side", "-k", "config/default"},
		{"apply", "--server-side", "-k", "config/samples"},
		{"get", "bookingtenants", "-A"},
	} {
		if err := kubectl(append([]string{"--context", context}, args...)...).Run(); err != nil {
			return fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
		}
	}
	_, err = fmt.Fprintln(out, `
The tenants are Stalled until you declare the regions ch, de and eu: complete config/samples/regions/*.yaml with your
servers, stores and their admin Secrets (docs/kinds/dataregion.md). The operator's image must be one your nodes can
pull: make image builds dist/termintreu.tar.`)
	return err
}
