// SPDX-License-Identifier: Apache-2.0

// Package bench measures the product's budgets (design, section 7) on real parts. A budget is a ratio against a bare
// baseline taken in the same run, since absolute times say more of the machine than of the product; the few limits that
// are absolute (memory, counts, what a citizen waits for) are promises of their own.
package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Rounds is how often value and baseline are each taken; the medians are compared.
const Rounds = 3

// ScaleVariable is the environment variable that scales sizes down, such as 0.1 for a tenth.
const ScaleVariable = "TERMINTREU_BENCH_SCALE"

// Scaled gives a size at the scale asked for, at least 1. Budgets stay what they are; figures taken at another scale
// than 1 are said to be so.
func Scaled(size int) int {
	return max(1, int(math.Round(float64(size)*scale())))
}

func scale() float64 {
	text := os.Getenv(ScaleVariable)
	if text == "" {
		return 1
	}
	factor, err := strconv.ParseFloat(text, 64)
	if err != nil || factor <= 0 || math.IsInf(factor, 0) {
		panic(ScaleVariable + " must be a positive number, such as 0.1")
	}
	return factor
}

// Unit prints the numbers of a figure.
type Unit func(float64) string

// Units of figures. A Duration is in seconds, Bytes in bytes; a Count has no unit.
var (
	Duration Unit = func(v float64) string {
		return time.Duration(v * float64(time.Second)).Round(digits(v)).String()
	}
	Bytes Unit = func(v float64) string { return fmt.Sprintf("%.1f MiB", v/(1<<20)) }
	Count Unit = func(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00") }
)

// digits rounds to three or four digits.
func digits(seconds float64) time.Duration {
	switch {
	case seconds >= 10:
		return 10 * time.Millisecond
	case seconds >= 0.1:
		return time.Millisecond / 10
	default:
		return time.Microsecond
	}
}

// Report prints one line per figure as it is taken, and fails the test of every one that is over its budget.
type Report struct{ tb testing.TB }

const row = "%-62s %12s %12s %7s %12s  %s\n"

// NewReport prints the head of a table. what says what was measured, at which size.
func NewReport(tb testing.TB, what string) *Report {
	tb.Helper()
	if scale() != 1 {
		what += fmt.Sprintf(" (scale %g)", scale())
	}
	fmt.Printf("\n%s\n"+row, what, "figure", "value", "baseline", "ratio", "budget", "")
	return &Report{tb}
}

// AtMost holds value to at most ratio times the baseline.
func (r *Report) AtMost(figure string, unit Unit, value, baseline, ratio float64) {
	r.tb.Helper()
	r.ratio(figure, unit, value, baseline, "<= ", ratio, value <= ratio*baseline)
}

// AtLeast holds value to at least ratio times the baseline.
func (r *Report) AtLeast(figure string, unit Unit, value, baseline, ratio float64) {
	r.tb.Helper()
	r.ratio(figure, unit, value, baseline, ">= ", ratio, value >= ratio*baseline)
}

func (r *Report) ratio(figure string, unit Unit, value, baseline float64, sign string, ratio float64, within bool) {
	r.tb.Helper()
	r.line(figure, unit(value), unit(baseline), fmt.Sprintf("%.2f", value/baseline), fmt.Sprintf("%s%gx", sign, ratio), within)
}

// Limit holds value to at most budget.
func (r *Report) Limit(figure string, unit Unit, value, budget float64) {
	r.tb.Helper()
	r.line(figure, unit(value), "-", fmt.Sprintf("%.2f", value/budget), "<= "+unit(budget), value <= budget)
}

// Exactly holds value to be budget, for what is counted.
func (r *Report) Exactly(figure string, value, budget int) {
	r.tb.Helper()
	r.line(figure, strconv.Itoa(value), "-", "-", "= "+strconv.Itoa(budget), value == budget)
}

// Tell prints a figure no budget holds, such as what a part costs.
func (r *Report) Tell(figure string, unit Unit, value float64) {
	fmt.Printf(row, figure, unit(value), "-", "-", "-", "told")
}

func (r *Report) line(figure, value, baseline, ratio, budget string, within bool) {
	r.tb.Helper()
	verdict := "within"
	if !within {
		verdict = "over"
	}
	fmt.Printf(row, figure, value, baseline, ratio, budget, verdict)
	if !within {
		r.tb.Errorf("%s is over its budget: %s (baseline %s, ratio %s, budget %s)", figure, value, baseline, ratio, budget)
	}
}

// Cost of one run.
type Cost struct {
	// Wall and CPU in seconds; CPU is that of this process and everything it started: servers, clients, programs.
	Wall, CPU float64
}

// Measure takes the cost of work.
func Measure(tb testing.TB, work func()) Cost {
	tb.Helper()
	cpu, start := treeCPU(tb, os.Getpid()), time.Now()
	work()
	return Cost{Wall: time.Since(start).Seconds(), CPU: treeCPU(tb, os.Getpid()) - cpu}
}

// Compare takes value and baseline in turn, Rounds times each, so that what else the machine does meets both; it gives
// the medians of wall time and of CPU time.
func Compare(tb testing.TB, value, baseline func()) (of, against Cost) {
	tb.Helper()
	var values, baselines []Cost
	for range Rounds {
		baselines = append(baselines, Measure(tb, baseline))
		values = append(values, Measure(tb, value))
	}
	return medianCost(values), medianCost(baselines)
}

func medianCost(costs []Cost) Cost {
	var wall, cpu []float64
	for _, cost := range costs {
		wall, cpu = append(wall, cost.Wall), append(cpu, cost.CPU)
	}
	return Cost{Wall: Median(wall), CPU: Median(cpu)}
}

// Median of at least one value.
func Median(values []float64) float64 { return Percentile(values, 50) }

// Percentile is the smallest of at least one value that p per cent of them do not exceed.
func Percentile(values []float64, p float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}
