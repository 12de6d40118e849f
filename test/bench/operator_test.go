// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/termintreu/termintreu/controllers"
)

const (
	image = "registry.example/termintreu:bench"
	// measureInterval is shorter than the shipped minute, so that settling takes no minutes.
	measureInterval = 5 * time.Second
	patience        = 5 * time.Minute
)

// programs are built once: the main one, and that of tenants' pods.
var full, pods = builder("termintreu"), builder("termintreu-operand", "-tags", "operand")

var builds = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "termintreu-bench-") })

func builder(name string, flags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := builds()
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, name)
		arguments := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", path}, flags...)
		command := exec.Command("go", append(arguments, "../..")...)
		command.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := command.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", name, err, output)
		}
		return path, nil
	})
}

// binary builds the product as `make build` does.
func binary(tb testing.TB) string {
	tb.Helper()
	path, err := full()
	must(tb, err)
	return path
}

// operand builds what tenants' pods run.
func operand(tb testing.TB) string {
	tb.Helper()
	path, err := pods()
	must(tb, err)
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := builds(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// operatorProcess is `termintreu operator`, a process of its own so that its memory and time are its own.
type operatorProcess struct {
	tb      testing.TB
	command *exec.Cmd
	exited  chan error
	// metrics is the base of their addresses.
	metrics string
	token   string
	client  *http.Client
	log     string
	// reviewed is how many reviews the API server had answered when the operator started.
	reviewed float64
}

// startOperator returns once the operator has measured every database and store, and so works.
func (c *cluster) startOperator(tb testing.TB, flags ...string) *operatorProcess {
	tb.Helper()
	port := freePort(tb)
	o := &operatorProcess{
		tb: tb, metrics: fmt.Sprintf("https://127.0.0.1:%d", port), token: c.token, exited: make(chan error, 1),
		log: filepath.Join(tb.TempDir(), "operator.log"), reviewed: c.reviews(tb),
		// The operator signs its metrics' certificate itself; this is loopback.
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}, //nolint:gosec // see above
	}
	arguments := append([]string{
		"operator", "--image=" + image, "--namespace=" + system, "--health-probe-bind-address=0",
		fmt.Sprintf("--metrics-bind-address=127.0.0.1:%d", port), "--measure-interval=" + measureInterval.String(),
	}, flags...)
	if address, found := os.LookupEnv("TERMINTREU_BENCH_PPROF"); found {
		arguments = append(arguments, "--pprof-bind-address="+address)
	}
	o.command = exec.Command(binary(tb), arguments...)
	log, err := os.Create(o.log)
	must(tb, err)
	defer func() { _ = log.Close() }()
	o.command.Stdout, o.command.Stderr = log, log
	o.command.Env = []string{"KUBECONFIG=" + c.kubeconfig, "PATH=" + os.Getenv("PATH")}
	o.command.Env = append(o.command.Env, operatorEnvironment()...)
	o.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(tb, o.command.Start())
	go func() { o.exited <- o.command.Wait() }()
	tb.Cleanup(o.stop)
	want := float64(len(c.region.Spec.DatabaseServers))
	o.wait("measuring", time.Second/4, func() string {
		seen, err := o.scrape()
		if err != nil {
			return err.Error()
		}
		audits, listings := seen.sum(auditsTotal), seen.sum(listingsTotal)
		if audits < want || listings < float64(len(c.stores)) {
			return fmt.Sprintf("%g audits and %g listings", audits, listings)
		}
		return ""
	})
	return o
}

// operatorEnvironment passes on what a developer profiles with.
func operatorEnvironment() (passed []string) {
	for _, name := range []string{"GODEBUG", "GOMEMLIMIT", "GOGC"} {
		if value, found := os.LookupEnv(name); found {
			passed = append(passed, name+"="+value)
		}
	}
	return passed
}

// stop asks it to end and waits; it may be called twice.
func (o *operatorProcess) stop() {
	if o.command.ProcessState != nil {
		return
	}
	_ = o.command.Process.Signal(syscall.SIGTERM)
	<-o.exited
	if o.tb.Failed() {
		content, _ := os.ReadFile(o.log)
		o.tb.Logf("the operator's log ends:\n%s", content[max(0, len(content)-4000):])
	}
}

// wait until missing, asked at every pause, says nothing any more, and fail with what it says when the operator ends before.
func (o *operatorProcess) wait(what string, pause time.Duration, missing func() string) {
	o.tb.Helper()
	ctx, cancel := context.WithTimeout(o.tb.Context(), patience)
	defer cancel()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		left := missing()
		if left == "" {
			return
		}
		select {
		case err := <-o.exited:
			o.exited <- err
			o.tb.Fatalf("the operator ended while %s: %v", what, err)
		case <-ctx.Done():
			o.tb.Fatalf("%s took longer than %s: %s", what, patience, left)
		case <-ticker.C:
		}
	}
}

// figures are the lines of metrics at one moment.
type figures []figure

// figure is one line: a name, its labels as they are written, and a value.
type figure struct {
	name, labels string
	value        float64
}

// scrape reads all that a Prometheus would, and gives what tells of the operator.
func (o *operatorProcess) scrape() (found figures, err error) {
	if err := o.read(controllers.TenantMetricsPath, func(tenants io.Reader) error { _, err := io.Copy(io.Discard, tenants); return err }); err != nil {
		return nil, err
	}
	return found, o.read("/metrics", func(text io.Reader) error { found, err = parse(text); return err })
}

func (o *operatorProcess) read(path string, body func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(o.tb.Context(), http.MethodGet, o.metrics+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+o.token)
	response, err := o.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return body(response.Body)
}

func parse(text io.Reader) (found figures, err error) {
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		series, text, _ := cutLast(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		if strings.HasPrefix(series, "#") || err != nil {
			continue
		}
		name, labels, _ := strings.Cut(series, "{")
		found = append(found, figure{name, "," + labels, value})
	}
	return found, lines.Err()
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// reviews is how many tokens and rights the API server was asked to review.
func (c *cluster) reviews(tb testing.TB) float64 {
	tb.Helper()
	config := rest.CopyConfig(c.config)
	config.NegotiatedSerializer = serializer.NewCodecFactory(c.client.Scheme())
	config.GroupVersion = &corev1.SchemeGroupVersion
	raw, err := rest.UnversionedRESTClientFor(config)
	must(tb, err)
	text, err := raw.Get().AbsPath("/metrics").DoRaw(tb.Context())
	must(tb, err)
	seen, err := parse(bytes.NewReader(text))
	must(tb, err)
	return seen.sum("apiserver_request_total", "resource", "tokenreviews") + seen.sum("apiserver_request_total", "resource", "subjectaccessreviews")
}

func (o *operatorProcess) figures() figures {
	o.tb.Helper()
	found, err := o.scrape()
	must(o.tb, err)
	return found
}

// sum adds up all series of a name whose labels fit: pairs of a label and a prefix of its value.
func (f figures) sum(name string, labels ...string) (total float64) {
	for _, line := range f {
		if line.name == name && line.fits(labels) {
			total += line.value
		}
	}
	return total
}

func (f *figure) fits(labels []string) bool {
	for i := 0; i < len(labels); i += 2 {
		if !strings.Contains(f.labels, ","+labels[i]+"=\""+labels[i+1]) {
			return false
		}
	}
	return true
}

// Names of metrics.
const (
	requestsTotal = "rest_client_requests_total"
	statusesTotal = "termintreu_tenant_status_writes_total"
	trialsTotal   = "termintreu_admission_trials_total"
	auditsTotal   = "termintreu_audit_duration_seconds_count"
	listingsTotal = "termintreu_store_listing_duration_seconds_count"
)

func freePort(tb testing.TB) int {
	tb.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	must(tb, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}
