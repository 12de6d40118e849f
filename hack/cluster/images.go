// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/termintreu/termintreu/hack/internal/image"
	"golang.org/x/sync/errgroup"
)

const pauseImage = "localhost/termintreu-pause:1"

type systemImage struct{ ref, archive string }

// buildSystemImages builds the images the cluster itself needs. They are kept
// with its data: go build does not link again what has not changed.
func (c *Cluster) buildSystemImages(ctx context.Context) error {
	if err := os.MkdirAll(c.data("images"), 0o755); err != nil {
		return err
	}
	c.images = map[string]systemImage{}
	for _, name := range []string{"pause", "ingress"} {
		binary := c.data("images", name)
		if err := image.GoBuild(ctx, c.root, "./hack/"+name, binary); err != nil {
			return err
		}
		raw, err := os.ReadFile(binary)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(raw)
		built := systemImage{ref: pauseImage, archive: binary + ".tar"}
		if name != "pause" {
			// Tagged by content, so that a changed one is rolled out.
			built.ref = "localhost/termintreu-" + name + ":" + hex.EncodeToString(sum[:6])
		}
		if err := image.Static(built.ref, binary, built.archive); err != nil {
			return err
		}
		c.images[name] = built
	}
	return nil
}

// loadSystemImages imports them where they are missing.
func (c *Cluster) loadSystemImages(ctx context.Context) error {
	for _, built := range c.images {
		missing, err := c.nodesWithout(ctx, built.ref)
		if err != nil {
			return err
		}
		if err := c.importInto(ctx, missing, built.archive); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) nodesWithout(ctx context.Context, ref string) ([]string, error) {
	var missing []string
	for _, n := range c.Spec.Nodes {
		var out string
		err := eventually(ctx, time.Minute, func() (err error) {
			out, err = c.ctr(ctx, n.Name, "images", "ls", "-q")
			return err
		})
		if err != nil {
			return nil, err
		}
		if !slices.Contains(strings.Fields(out), ref) {
			missing = append(missing, n.Name)
		}
	}
	return missing, nil
}

// LoadImage imports an image archive into every node.
func (c *Cluster) LoadImage(ctx context.Context, archive string) error {
	var nodes []string
	for _, n := range c.Spec.Nodes {
		nodes = append(nodes, n.Name)
	}
	return c.importInto(ctx, nodes, archive)
}

func (c *Cluster) importInto(ctx context.Context, nodes []string, archive string) error {
	if _, err := os.Stat(archive); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for _, n := range nodes {
		group.Go(func() error {
			_, err := c.ctr(ctx, n, "images", "import", archive)
			return err
		})
	}
	return group.Wait()
}

func (c *Cluster) ctr(ctx context.Context, node string, args ...string) (string, error) {
	args = append([]string{"--address", c.containerd(node), "--namespace", "k8s.io"}, args...)
	out, err := exec.CommandContext(ctx, "ctr", args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("import into %s: %w: %s", node, err, strings.TrimSpace(string(exit.Stderr)))
	}
	return string(out), err
}
