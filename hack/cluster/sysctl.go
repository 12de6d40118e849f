// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// sysctlRecord is common to all clusters of the machine: only the first one
// sees the machine's own settings.
const sysctlRecord = "/var/lib/termintreu/sysctl.json"

// Settings of the whole machine that every kubelet changes at its start.
var kubeletSysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// recordSysctls notes the machine's settings before the first kubelet starts.
func recordSysctls() error {
	if exists(sysctlRecord) {
		return nil
	}
	settings := map[string]string{}
	for _, name := range kubeletSysctls {
		raw, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		settings[name] = string(raw)
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	return write(sysctlRecord, raw, 0o644)
}

// restoreSysctls puts them back when the last cluster is gone.
func restoreSysctls() error {
	raw, err := os.ReadFile(sysctlRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if others, err := filepath.Glob("/var/lib/termintreu/termintreu-*"); err != nil || len(others) > 0 {
		return err
	}
	settings := map[string]string{}
	if err := json.Unmarshal(raw, &settings); err != nil {
		return err
	}
	for name, value := range settings {
		path := filepath.Join("/proc/sys", name)
		if now, err := os.ReadFile(path); err == nil && string(now) == value {
			continue
		}
		err = errors.Join(err, os.WriteFile(path, []byte(value), 0o644))
	}
	return errors.Join(err, os.Remove(sysctlRecord))
}
