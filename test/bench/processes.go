// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// ticks per second of /proc/PID/stat; the kernel shows user space 100 whatever its own rate is.
const ticks = 100

// process is a line of /proc/PID/stat.
type process struct {
	pid, parent int
	name        string
	// cpu in seconds, with that of children that ended.
	cpu float64
}

// treeCPU gives the CPU time in seconds of a process and everything it started, living or ended.
func treeCPU(tb testing.TB, root int) (total float64) {
	tb.Helper()
	for _, cpu := range cpuByName(tb, root) {
		total += cpu
	}
	return total
}

// cpuByName is treeCPU by the name of the program; what has ended counts to whoever waited for it.
func cpuByName(tb testing.TB, root int) map[string]float64 {
	tb.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		tb.Fatal(err)
	}
	all, children := map[int]process{}, map[int][]int{}
	for _, path := range paths {
		if p, ok := readStat(path); ok {
			all[p.pid] = p
			children[p.parent] = append(children[p.parent], p.pid)
		}
	}
	used := map[string]float64{}
	var visit func(pid int)
	visit = func(pid int) {
		used[all[pid].name] += all[pid].cpu
		for _, child := range children[pid] {
			visit(child)
		}
	}
	visit(root)
	return used
}

// readStat is false for a process that has ended meanwhile.
func readStat(path string) (process, bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return process{}, false
	}
	// The name, in parentheses, may hold anything.
	end := bytes.LastIndexByte(content, ')')
	fields := strings.Fields(string(content[end+1:]))
	if end < 0 || len(fields) < 15 {
		return process{}, false
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(fields[i])
		return n
	}
	pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
	used := number(11) + number(12) + number(13) + number(14)
	name := string(content[bytes.IndexByte(content, '(')+1 : end])
	return process{pid: pid, parent: number(1), name: name, cpu: float64(used) / ticks}, true
}

// memory gives a figure of /proc/PID/status in bytes, such as VmHWM, the largest resident size the process had.
func memory(pid int, figure string) (float64, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if rest, found := strings.CutPrefix(lines.Text(), figure+":"); found {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("process %d has no %s", pid, figure)
}
