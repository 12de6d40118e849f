// SPDX-License-Identifier: Apache-2.0

package binaries_test

import (
	"os"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/hack/internal/binaries"
)

// The cache is keyed by these versions: one that differs from what the tool
// module builds would keep an old program under a new name.
func TestVersionsAreThoseOfTheToolModules(t *testing.T) {
	for file, lines := range map[string][]string{
		"../../kubernetes/go.mod": {
			"k8s.io/kubernetes " + binaries.KubernetesVersion,
			"go.etcd.io/etcd/server/v3 " + binaries.EtcdVersion,
		},
		"../../coredns/go.mod": {"github.com/coredns/coredns " + binaries.CoreDNSVersion},
	} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !strings.Contains(string(raw), line) {
				t.Errorf("%s does not require %q", file, line)
			}
		}
	}
}
