// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// expositionType is Prometheus' text format, by
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format.
const expositionType = "text/plain; version=0.0.4; charset=utf-8"

// exposition writes gauges in Prometheus' text format as it is told of them, and keeps none. The first error of the
// writer is given by Flush.
type exposition struct {
	out *bufio.Writer
	// number is where a value is spelled.
	number []byte
}

func newExposition(out io.Writer) *exposition { return &exposition{out: bufio.NewWriter(out)} }

// family begins the series of a name.
func (e *exposition) family(name, help string) {
	e.write("# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n")
}

// series of the family begun last, with pairs of a label's name and its value.
func (e *exposition) series(name string, value float64, labels ...string) {
	e.write(name, "{")
	for i := 0; i < len(labels); i += 2 {
		if i > 0 {
			e.write(",")
		}
		e.write(labels[i], `="`)
		_, _ = labelEscapes.WriteString(e.out, labels[i+1])
		e.write(`"`)
	}
	e.write("} ")
	e.number = strconv.AppendFloat(e.number[:0], value, 'g', -1, 64)
	_, _ = e.out.Write(e.number)
	e.write("\n")
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func (e *exposition) write(texts ...string) {
	for _, text := range texts {
		_, _ = e.out.WriteString(text)
	}
}
