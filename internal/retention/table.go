// SPDX-License-Identifier: Apache-2.0

package retention

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Print writes the report as a table for people.
func (r Report) Print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "CATEGORY\tREMOVED\tLEFT\tBATCHES\tLONGEST\tRESULT")
	for _, c := range r.Categories {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\t%s\n", c.Name, c.Removed, c.Left, c.Batches, c.Longest.Round(time.Millisecond), c.result())
	}
	return table.Flush()
}

func (c Category) result() string {
	switch {
	case c.SuspendedUntil != nil:
		return "suspended until " + c.SuspendedUntil.UTC().Format(time.RFC3339)
	case c.Uncovered:
		return "no rule"
	case c.Finished:
		return "done"
	}
	return "not finished"
}

// PrintDue writes what a purge would remove as a table for people.
func PrintDue(w io.Writer, due []Due) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "CATEGORY\tPERIOD\tACTION\tSTORED\tDUE\tHELD\tOLDEST")
	for _, d := range due {
		period, action, oldest := "none", "none", "-"
		if d.Period > 0 {
			period, action = string(v1alpha1.FormatPeriod(d.Period)), string(d.Action)
		}
		if d.Oldest != nil {
			oldest = d.Oldest.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", d.Category, period, action, d.Stored, d.Due, d.Held, oldest)
	}
	return table.Flush()
}
