// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/termintreu/termintreu/internal/settings"
)

const (
	// idleFor is how long an instance is left alone before it counts as idle: longer than it takes to settle.
	idleFor = 20 * time.Second
	// restFor is longer than a site that was asked waits until it gives memory back.
	restFor = 130 * time.Second
)

// instanceProcess is `termintreu serve`, a process of its own so that its memory is its own.
type instanceProcess struct {
	command        *exec.Cmd
	site, internal string
	// ready is the time from its start to the first answer that it is ready, in seconds.
	ready float64
}

// announced is what an instance logs once its ports are open.
var announced = regexp.MustCompile(`"msg":"listening","site":"([^"]+)","internal":"([^"]+)"`)

// lines hands over what a process writes as it comes.
type lines chan []byte

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- bytes.Clone(p):
	default:
	}
	return len(p), nil
}

func startInstance(tb testing.TB, s *site) *instanceProcess {
	tb.Helper()
	document, err := json.Marshal(s.settings)
	must(tb, err)
	path := filepath.Join(tb.TempDir(), settings.FileKey)
	must(tb, os.WriteFile(path, document, 0o600))
	i := &instanceProcess{command: exec.Command(operand(tb), "serve", "--settings="+path, "--database-dir="+s.credentials,
		"--tls-dir=", "--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0", "--drain=0s")}
	log := make(lines, 64)
	i.command.Stdout, i.command.Stderr = log, log
	i.command.Env = operatorEnvironment()
	i.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	must(tb, i.command.Start())
	tb.Cleanup(func() {
		_ = i.command.Process.Signal(syscall.SIGTERM)
		_ = i.command.Wait()
	})
	timeout := time.After(patience)
	for i.internal == "" {
		select {
		case line := <-log:
			if found := announced.FindSubmatch(line); found != nil {
				i.site, i.internal = "http://"+string(found[1]), "http://"+string(found[2])
			}
		case <-timeout:
			tb.Fatalf("the instance did not listen within %s", patience)
		}
	}
	for get(tb, i.internal+"/readyz") != http.StatusOK {
		if time.Since(start) > patience {
			tb.Fatalf("the instance was not ready within %s", patience)
		}
		time.Sleep(time.Millisecond)
	}
	i.ready = time.Since(start).Seconds()
	return i
}

func get(tb testing.TB, address string) (status int) {
	tb.Helper()
	response, err := http.Get(address)
	must(tb, err)
	_, err = io.Copy(io.Discard, response.Body)
	must(tb, err)
	must(tb, response.Body.Close())
	return response.StatusCode
}

// reportInstance measures what a thousand sites cost while nobody books: a process that has just started, and one that
// has served its dearest page before it was left alone.
func reportInstance(tb testing.TB, report *Report, s *site) {
	tb.Helper()
	i := startInstance(tb, s)
	report.Tell("an instance: from its start until it is ready", Duration, i.ready)
	time.Sleep(idleFor)
	report.Limit("resident memory of an idle instance, its program included", Bytes, i.resident(tb, "VmRSS"), 30<<20)
	report.Tell("  of which pages of the program file, which the kernel may drop", Bytes, i.resident(tb, "RssFile"))
	for range 100 {
		if status := get(tb, i.site+slotsPath); status != http.StatusOK {
			tb.Fatalf("the page of free slots answers %d", status)
		}
	}
	report.Tell("the same right after 100 pages of free slots", Bytes, i.resident(tb, "VmRSS"))
	time.Sleep(restFor)
	report.Tell("  and left alone again", Bytes, i.resident(tb, "VmRSS"))
	report.Tell("  of which pages of the program file", Bytes, i.resident(tb, "RssFile"))
}

func (i *instanceProcess) resident(tb testing.TB, figure string) float64 {
	tb.Helper()
	bytes, err := memory(i.command.Process.Pid, figure)
	must(tb, err)
	return bytes
}
