// SPDX-License-Identifier: Apache-2.0

package web

import "testing"

// A template is parsed when it is first shown; a broken one must show here before.
func TestEveryPageParses(t *testing.T) {
	for name, parse := range *loadPages() {
		if parse().Lookup("layout") == nil {
			t.Errorf("%s has no layout", name)
		}
	}
}
