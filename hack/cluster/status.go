// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/termintreu/termintreu/hack/internal/binaries"
	"github.com/termintreu/termintreu/hack/internal/supervisor"
)

// WriteStatus writes what runs and how to reach it.
func (c *Cluster) WriteStatus(ctx context.Context, out io.Writer) error {
	if !c.alive() {
		_, err := fmt.Fprintf(out, "%s: not running\n", c.id)
		return err
	}
	status, err := supervisor.ReadStatus(c.statusFile())
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "PROCESS\tPID\tUP\tRESTARTS\tLAST EXIT")
	for _, name := range slices.Sorted(maps.Keys(status.Processes)) {
		p := status.Processes[name]
		up := "-"
		if p.PID != 0 {
			up = time.Since(p.Since).Round(time.Second).String()
		}
		_, _ = fmt.Fprintf(table, "%s\t%d\t%s\t%d\t%s\n", name, p.PID, up, p.Restarts, p.LastExit)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	root, err := ModuleRoot(ctx)
	if err != nil {
		return err
	}
	if c.bin, err = binaries.Ensure(ctx, root, nil, "kubectl"); err != nil {
		return err
	}
	nodes, err := c.readyNodes(ctx)
	if err != nil {
		return err
	}
	e := c.endpoints()
	_, err = fmt.Fprintf(out, "\nready nodes: %v\nkubeconfig:  %s\nmail:        %s\n", nodes, e.Kubeconfig, e.Mail.Web)
	for _, i := range e.Ingresses {
		_, err = fmt.Fprintf(out, "ingress %s:  %s  %s  (class %s)\n", i.Region, i.HTTP, i.HTTPS, i.Class)
	}
	return err
}
