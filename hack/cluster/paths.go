// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"os"
	"path/filepath"
)

// layout says where the files of one cluster are.
//
// Three roots: the folder people read; the data, which must be reachable for
// the postgres user wherever the repository is cloned; and what a reboot ends,
// kept at a short path because a Unix socket's may have only 107 characters.
type layout struct {
	id  string
	dir string
}

func newLayout(dir string) (layout, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return layout{}, err
	}
	id, err := identifier(abs)
	return layout{id: "termintreu-" + id, dir: abs}, err
}

func (l layout) file(parts ...string) string {
	return filepath.Join(append([]string{l.dir}, parts...)...)
}

func (l layout) data(parts ...string) string {
	return filepath.Join(append([]string{"/var/lib/termintreu", l.id}, parts...)...)
}

func (l layout) run(parts ...string) string {
	return filepath.Join(append([]string{"/run/termintreu", l.id}, parts...)...)
}

// owner is a copy of the certificate of the authority all data was made under.
func (l layout) owner() string { return l.data("ca.crt") }

func (l layout) kubeconfig() string           { return l.file("kubeconfig") }
func (l layout) cert(name string) string      { return l.file("pki", name+".crt") }
func (l layout) key(name string) string       { return l.file("pki", name+".key") }
func (l layout) config(name string) string    { return l.file("config", name) }
func (l layout) statusFile() string           { return l.run("status.json") }
func (l layout) supervisorFile() string       { return l.run("supervisor.json") }
func (l layout) endpointsFile() string        { return l.file("endpoints.json") }
func (l layout) containerd(n string) string   { return l.run("nodes", n, "containerd.sock") }
func (l layout) cgroup(n string) string       { return "/" + l.id + "/" + n }
func (l layout) socketDir(pg string) string   { return l.run("postgres", pg) }
func (l layout) postgresData(p string) string { return l.data("postgres", p, "data") }
func (l layout) passwordFile(p string) string { return l.file("postgres", p, "operator-password") }
func (l layout) accessKey(s string) string    { return l.file("stores", s, "access-key") }
func (l layout) secretKey(s string) string    { return l.file("stores", s, "secret-key") }

// write creates or replaces a file, and leaves an equal one alone.
func write(path string, data []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == string(data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp", data, mode); err != nil {
		return err
	}
	return os.Rename(path+".tmp", path)
}
