// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/termintreu/termintreu/hack/internal/binaries"
	"github.com/termintreu/termintreu/hack/internal/hostpkg"
	"github.com/termintreu/termintreu/hack/internal/progress"
	"github.com/termintreu/termintreu/hack/internal/supervisor"
	"golang.org/x/sys/unix"
)

// step is one line of progress.
type step struct {
	name string
	do   func(context.Context) error
}

func runSteps(ctx context.Context, p *progress.Printer, steps []step) error {
	for _, s := range steps {
		if err := p.Step(s.name, func() error { return s.do(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// Up makes the cluster as the spec says and returns when it is ready. A cluster
// that already is ready is left alone; one whose supervisor died, or that a
// reboot ended, is cleared of what is left of it and started again with its
// data. Data of a cluster whose folder was removed is removed too: nobody has
// its keys any more. Progress goes to out.
func Up(ctx context.Context, spec Spec, out io.Writer) (*Cluster, error) {
	p := progress.New(out)
	l, err := newLayout(spec.Dir)
	if err != nil {
		return nil, err
	}
	spec.Dir = l.dir
	c := &Cluster{layout: l, Spec: spec}
	if err := c.spec(); err != nil {
		return nil, err
	}
	unlock, err := c.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if c.strange() {
		if err := runSteps(ctx, p, []step{{"removing the data of a cluster whose folder is gone", c.disown}}); err != nil {
			return nil, err
		}
	}
	if err := hostpkg.Ensure(ctx, p, false); err != nil {
		return nil, err
	}
	if c.root, err = ModuleRoot(ctx); err != nil {
		return nil, err
	}
	if c.bin, err = binaries.All(ctx, c.root, p); err != nil {
		return nil, err
	}
	if err := runSteps(ctx, p, []step{{"images of the system", c.buildSystemImages}}); err != nil {
		return nil, err
	}
	if err := c.start(ctx, p); err != nil {
		return nil, err
	}
	if err := runSteps(ctx, p, c.convergence()); err != nil {
		return nil, err
	}
	return c, c.writeEndpoints()
}

// spec validates and keeps the spec, so that Load knows it.
func (c *Cluster) spec() error {
	if os.Geteuid() != 0 {
		return errors.New("a local cluster needs root: it makes network namespaces, mounts and cgroups")
	}
	if err := c.Spec.validate(); err != nil {
		return err
	}
	raw, err := json.MarshalIndent(c.Spec, "", "  ")
	if err != nil {
		return err
	}
	return write(c.file("spec.json"), raw, 0o644)
}

// lock keeps two commands from working on the same cluster at once.
func (c *Cluster) lock() (func(), error) {
	if err := os.MkdirAll("/run/termintreu", 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join("/run/termintreu", c.id+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// start makes sure that the supervisor runs with the wanted configuration.
func (c *Cluster) start(ctx context.Context, p *progress.Printer) error {
	if c.alive() {
		var err error
		if c.ports, err = readPorts(c.file("ports.json")); err != nil {
			return err
		}
		config, err := c.prepare(ctx)
		if err != nil {
			return err
		}
		if same, err := c.runs(config); same || err != nil {
			return err
		}
	}
	var config supervisor.Config
	return runSteps(ctx, p, []step{
		{"clearing what is left of an earlier run", c.clear},
		{"writing certificates and configuration", func(ctx context.Context) (err error) {
			if err := c.choosePorts(ctx); err != nil {
				return err
			}
			config, err = c.prepare(ctx)
			return err
		}},
		{"making the network and cgroups", func(ctx context.Context) error {
			return errors.Join(c.ensureNetwork(ctx), c.ensureCgroups(), recordSysctls())
		}},
		{"starting the supervisor", func(ctx context.Context) error { return c.supervise(ctx, config) }},
	})
}

// prepare writes all files the processes read and returns the configuration of
// their supervisor.
func (c *Cluster) prepare(ctx context.Context) (supervisor.Config, error) {
	config := supervisor.Config{
		ID: c.id, LogDir: c.file("logs"), StatusFile: c.statusFile(),
		Mail: &supervisor.Mail{
			Dir: c.file("mail"), Domain: hostName("mail"), SMTP: fmt.Sprintf("%s:%d", mailServerIP, mailServerPort),
			Web: loopback(c.ports.Mail), CertFile: c.cert("mail"), KeyFile: c.key("mail"),
		},
		Forwards: []supervisor.Forward{{Listen: loopback(c.ports.API), Target: apiServerAddress}},
	}
	for i, p := range c.ports.Ingresses {
		config.Forwards = append(config.Forwards,
			supervisor.Forward{Listen: loopback(p[0]), Target: ingressIP(i) + ":80"},
			supervisor.Forward{Listen: loopback(p[1]), Target: ingressIP(i) + ":443"})
	}
	if err := c.ensureIdentities(); err != nil {
		return config, err
	}
	if err := c.writeConfigs(); err != nil {
		return config, err
	}
	if err := c.preparePostgres(ctx); err != nil {
		return config, err
	}
	if err := c.prepareStores(); err != nil {
		return config, err
	}
	for _, dir := range []string{c.data("etcd"), c.run()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return config, err
		}
	}
	if err := c.build(ctx, "policies", c.run("network-policies")); err != nil {
		return config, err
	}
	servers, err := c.postgresProcesses()
	if err != nil {
		return config, err
	}
	stores, err := c.storeProcesses()
	if err != nil {
		return config, err
	}
	config.Processes = append(config.Processes, c.controlPlane()...)
	config.Processes = append(config.Processes, c.nodeProcesses()...)
	config.Processes = append(config.Processes, servers...)
	config.Processes = append(config.Processes, stores...)
	return config, nil
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// supervise starts the supervisor so that it outlives this process.
func (c *Cluster) supervise(ctx context.Context, config supervisor.Config) error {
	raw, err := json.Marshal(config)
	if err != nil {
		return err
	}
	// It holds the keys of the stores.
	if err := write(c.supervisorFile(), raw, 0o600); err != nil {
		return err
	}
	if err := os.MkdirAll(c.file("logs"), 0o755); err != nil {
		return err
	}
	binary := c.run("supervisor")
	if err := c.build(ctx, "supervisor", binary); err != nil {
		return err
	}
	logPath := c.file("logs", "supervisor.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(binary, c.supervisorFile())
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), supervisor.Marker+"="+c.id)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return eventually(ctx, 20*time.Second, func() error {
		select {
		case err := <-ended:
			return permanent{fmt.Errorf("the supervisor ended (%w), see %s", err, logPath)}
		default:
		}
		if same, err := c.runs(config); err != nil || !same {
			return errors.Join(err, errors.New("the supervisor does not answer, see "+logPath))
		}
		return nil
	})
}

// build makes a program of hack; the same source gives the same bytes.
func (c *Cluster) build(ctx context.Context, program, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-trimpath", "-o", out, "./hack/"+program)
	cmd.Dir = c.root
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build hack/%s: %w: %s", program, err, output)
	}
	return nil
}

// alive reports whether the cluster's supervisor runs.
func (c *Cluster) alive() bool {
	status, err := supervisor.ReadStatus(c.statusFile())
	return err == nil && supervisor.Owns(c.id, status.PID)
}

// runs reports whether the supervisor runs with this configuration.
func (c *Cluster) runs(config supervisor.Config) (bool, error) {
	if !c.alive() {
		return false, nil
	}
	wanted, err := config.Digest()
	if err != nil {
		return false, err
	}
	status, err := supervisor.ReadStatus(c.statusFile())
	return err == nil && status.Digest == wanted, err
}

// ModuleRoot returns the folder of the main module.
func ModuleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	gomod := strings.TrimSpace(string(out))
	if err != nil || filepath.Base(gomod) != "go.mod" {
		return "", errors.New("run this inside the repository: the local cluster is built from it")
	}
	return filepath.Dir(gomod), nil
}
