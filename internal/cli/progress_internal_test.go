// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// A person at a terminal sees one line that moves and is gone when its category is done.
func TestProgressIsOneLineThatMoves(t *testing.T) {
	var terminal bytes.Buffer
	show := progress(&terminal)
	show(v1alpha1.CategoryContact, 500, 1200)
	show(v1alpha1.CategoryContact, 1200, 1200)
	lines := strings.Split(terminal.String(), "\r\x1b[K")
	if len(lines) != 4 || lines[1] != "Contact: 500 of 1200" || lines[2] != "Contact: 1200 of 1200" || lines[3] != "" || strings.Contains(terminal.String(), "\n") {
		t.Errorf("the terminal was sent %q", terminal.String())
	}
}
