// SPDX-License-Identifier: Apache-2.0

// Command local runs a real Kubernetes cluster on a bare Linux machine, for the
// demo and the end-to-end tests.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/termintreu/termintreu/hack/cluster"
	"github.com/termintreu/termintreu/hack/internal/binaries"
	"github.com/termintreu/termintreu/hack/internal/image"
	"github.com/termintreu/termintreu/hack/internal/progress"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		stop()
		os.Exit(1)
	}
}

func root() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:           "local",
		Short:         "Run a real Kubernetes cluster on this machine",
		SilenceUsage:  true,
		SilenceErrors: false,
	}
	cmd.PersistentFlags().StringVar(&dir, "dir", ".demo", "folder of the cluster")
	cmd.AddCommand(up(&dir), down(&dir), status(&dir), imageCommand(), loadImage(&dir), assets(), demoCommand(&dir), packagesCommand(), postgresCommand())
	return cmd
}

func up(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "up", Short: "Start the cluster, or mend it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.Up(cmd.Context(), cluster.DefaultSpec(*dir), os.Stderr)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "export KUBECONFIG=%s\n", c.Endpoints().Kubeconfig)
			return err
		},
	}
}

func down(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End the cluster and remove its data", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cluster.Down(cmd.Context(), *dir, os.Stderr)
		},
	}
}

func status(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show what runs and how to reach it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.Load(*dir)
			if err != nil {
				return err
			}
			return c.WriteStatus(cmd.Context(), cmd.OutOrStdout())
		},
	}
}

func imageCommand() *cobra.Command {
	var out, version string
	cmd := &cobra.Command{
		Use: "image", Short: "Build the operator's image without a container engine", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := cluster.ModuleRoot(cmd.Context())
			if err != nil {
				return err
			}
			if version == "" {
				version = image.Version(cmd.Context(), root)
			}
			ref, err := image.Operator(cmd.Context(), root, version, out, progress.New(os.Stderr))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), ref)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "termintreu.tar", "file to write the image to")
	cmd.Flags().StringVar(&version, "version", "", "version of the image (default: what git says)")
	return cmd
}

func loadImage(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "load-image ARCHIVE…", Short: "Import images into every node", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, archives []string) error {
			c, err := cluster.Load(*dir)
			if err != nil {
				return err
			}
			for _, archive := range archives {
				if err := c.LoadImage(cmd.Context(), archive); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func postgresCommand() *cobra.Command {
	return &cobra.Command{
		Use: "postgres", Short: "Fetch a PostgreSQL newer than Debian's and print the folder of its programs (PGTEST_BIN)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := binaries.Postgres(cmd.Context(), progress.New(os.Stderr))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), dir)
			return err
		},
	}
}

func assets() *cobra.Command {
	return &cobra.Command{
		Use: "assets", Short: "Build envtest's programs and print their folder (KUBEBUILDER_ASSETS)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := cluster.ModuleRoot(cmd.Context())
			if err != nil {
				return err
			}
			dir, err := binaries.AssetsDir(cmd.Context(), root, progress.New(os.Stderr))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), dir)
			return err
		},
	}
}
