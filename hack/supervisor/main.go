// SPDX-License-Identifier: Apache-2.0

// Command supervisor keeps the processes of a local cluster running. It is a
// program of its own so that it is small and builds whatever else is being
// worked on; `go run ./hack/local up` starts it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/termintreu/termintreu/hack/internal/supervisor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: supervisor CONFIG")
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var config supervisor.Config
	if err := json.Unmarshal(raw, &config); err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	return supervisor.Run(ctx, config)
}
