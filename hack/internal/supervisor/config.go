// SPDX-License-Identifier: Apache-2.0

// Package supervisor keeps the processes of one local cluster running after
// the command that started them has returned.
package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"time"
)

// Marker is the environment variable, set to the cluster's identifier, that
// every started process and its children carry. What does not carry it is
// never signalled.
const Marker = "TERMINTREU_CLUSTER"

// Config is all the supervisor needs to know.
type Config struct {
	// ID is the cluster's identifier and the name of its network namespace.
	ID         string    `json:"id"`
	LogDir     string    `json:"logDir"`
	StatusFile string    `json:"statusFile"`
	Processes  []Process `json:"processes"`
	Forwards   []Forward `json:"forwards"`
	Mail       *Mail     `json:"mail,omitempty"`
}

// Process is one program that is kept running inside the namespace.
type Process struct {
	Name string   `json:"name"`
	Args []string `json:"args"`
	Env  []string `json:"env,omitempty"`
	Dir  string   `json:"dir,omitempty"`
	// UID and GID are the user to run as; 0 is root.
	UID int `json:"uid,omitempty"`
	GID int `json:"gid,omitempty"`
	// After is an address inside the namespace, or the path of a Unix socket,
	// that must accept connections first. It only spares log noise.
	After string `json:"after,omitempty"`
	// Stop is the signal that ends it in order and is worth waiting for; 0 is
	// SIGTERM, and little patience.
	Stop int `json:"stop,omitempty"`
	// Inputs is a digest of the files it reads, so that a change of them
	// changes the configuration.
	Inputs string `json:"inputs,omitempty"`
}

// Forward makes an address inside the namespace reachable on the host.
type Forward struct {
	Listen string `json:"listen"`
	Target string `json:"target"`
}

// Mail is the mail catcher.
type Mail struct {
	Dir      string `json:"dir"`
	Domain   string `json:"domain"`
	SMTP     string `json:"smtp"`
	Web      string `json:"web"`
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
}

// Digest identifies the configuration.
func (c Config) Digest() (string, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// Status is what the supervisor writes about itself.
type Status struct {
	PID       int                      `json:"pid"`
	Digest    string                   `json:"digest"`
	Processes map[string]ProcessStatus `json:"processes"`
}

// ProcessStatus is the state of one process.
type ProcessStatus struct {
	PID      int       `json:"pid,omitempty"`
	Since    time.Time `json:"since"`
	Restarts int       `json:"restarts"`
	LastExit string    `json:"lastExit,omitempty"`
}

// ReadStatus reads the status file.
func ReadStatus(file string) (Status, error) {
	var status Status
	raw, err := os.ReadFile(file)
	if err != nil {
		return status, err
	}
	return status, json.Unmarshal(raw, &status)
}

func (s Status) write(file string) error {
	raw, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".tmp", raw, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}
