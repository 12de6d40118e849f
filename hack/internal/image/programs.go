// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Programs builds what the image holds into a folder and returns their paths:
// the main program, and the one of tenants' pods, which has the
// site and lacks the operator.
func Programs(ctx context.Context, root, dir string, ldflags ...string) ([]string, error) {
	full, operand := filepath.Join(dir, "termintreu"), filepath.Join(dir, "termintreu-operand")
	if err := goBuild(ctx, root, ".", full, "", ldflags); err != nil {
		return nil, err
	}
	if err := goBuild(ctx, root, ".", operand, "operand", ldflags); err != nil {
		return nil, err
	}
	return []string{full, operand}, nil
}

// GoBuild builds a static binary from a package of the main module.
func GoBuild(ctx context.Context, root, pkg, out string) error {
	return goBuild(ctx, root, pkg, out, "", nil)
}

func goBuild(ctx context.Context, root, pkg, out, tags string, ldflags []string) error {
	flags := strings.Join(append([]string{"-s", "-w"}, ldflags...), " ")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", tags, "-ldflags", flags, "-o", out, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, output)
	}
	return nil
}
