// SPDX-License-Identifier: Apache-2.0

// Package programs gives tests outside hack/ the programs of the local cluster, from the same cache, so that nothing
// is built twice.
package programs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/termintreu/termintreu/hack/internal/binaries"
	"github.com/termintreu/termintreu/hack/internal/progress"
)

// VersityGateway returns the path of versitygw, built on first use.
func VersityGateway(ctx context.Context) (string, error) {
	if path, err := exec.LookPath("versitygw"); err == nil {
		return path, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	set, err := binaries.Ensure(ctx, root, progress.New(os.Stderr), "versitygw")
	if err != nil {
		return "", fmt.Errorf("finding versitygw: %w", err)
	}
	return set["versitygw"], nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory: run the tests inside the repository")
		}
		dir = parent
	}
}
