// SPDX-License-Identifier: Apache-2.0

//go:build !operand

package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/concept"
)

// newPolicy groups what can be done with a RetentionPolicy without a cluster.
func newPolicy() *cobra.Command {
	command := &cobra.Command{Use: "policy", Short: "Work with RetentionPolicies", Args: cobra.NoArgs}
	command.AddCommand(newPolicyPrint())
	return command
}

func newPolicyPrint() *cobra.Command {
	var language string
	command := &cobra.Command{
		Use:   "print FILE",
		Short: "Print a RetentionPolicy as a deletion concept (DIN 66398, ISO/IEC 27555) in Markdown",
		Example: `  kubectl get retentionpolicy basel-idg -o yaml > basel-idg.yaml
  termintreu policy print basel-idg.yaml --language de`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, arguments []string) error {
			raw, err := os.ReadFile(arguments[0])
			if err != nil {
				return fmt.Errorf("reading the policy: %w", err)
			}
			policy := &v1alpha1.RetentionPolicy{}
			if err := yaml.Unmarshal(raw, policy); err != nil {
				return fmt.Errorf("reading the policy %s: %w", arguments[0], err)
			}
			if policy.Kind != "RetentionPolicy" {
				return errors.New("the file holds no RetentionPolicy: give one as `kubectl get retentionpolicy NAME -o yaml` prints it")
			}
			return concept.Print(cmd.OutOrStdout(), policy, language)
		},
	}
	command.Flags().StringVar(&language, "language", "de", "language of the headings: de or en")
	return command
}
