// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"os"
	"os/exec"
	"testing"
)

func TestPercentilesAreValuesThatWereMeasured(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for p, want := range map[float64]float64{0: 1, 20: 1, 50: 3, 95: 5, 100: 5} {
		if got := Percentile(values, p); got != want {
			t.Errorf("the %v th percentile of 1 to 5 is %v, not %v", p, got, want)
		}
	}
}

func TestTheCostOfAProgramThatEndedIsCounted(t *testing.T) {
	cost := Measure(t, func() {
		if err := exec.Command("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").Run(); err != nil {
			t.Fatal(err)
		}
	})
	if cost.CPU <= 0 {
		t.Error("a loop in a child cost nothing")
	}
}

func TestMemoryOfAProcessIsRead(t *testing.T) {
	if most, err := memory(os.Getpid(), "VmHWM"); err != nil || most < 1<<20 {
		t.Errorf("this process had %v bytes at most, error %v", most, err)
	}
}
