// SPDX-License-Identifier: Apache-2.0

package backup_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/termintreu/termintreu/internal/backup"
)

func TestRecipientsAreTakenOrRefusedWithASentence(t *testing.T) {
	classic, err := age.GenerateX25519Identity()
	must(t, err)
	hybrid, err := age.GenerateHybridIdentity()
	must(t, err)
	one, two := classic.Recipient().String(), hybrid.Recipient().String()
	for name, c := range map[string]struct {
		keys []string
		want string
	}{
		"one":                  {[]string{one}, ""},
		"several":              {[]string{one, one}, ""},
		"post-quantum":         {[]string{two, two}, ""},
		"none":                 {nil, "needs a recipient"},
		"both kinds":           {[]string{one, two}, "cannot be mixed"},
		"a secret key":         {[]string{one, classic.String()}, "recipient 2 is no age public key"},
		"an ssh key":           {[]string{"ssh-ed25519 AAAA"}, "is no age public key"},
		"a key with a mistake": {[]string{one[:len(one)-1]}, "is no age public key"},
	} {
		t.Run(name, func(t *testing.T) {
			recipients, err := backup.ParseRecipients(c.keys)
			if c.want == "" {
				if err != nil || len(recipients) != len(c.keys) {
					t.Errorf("%d recipients, %v", len(recipients), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// What is taken must also encrypt: age refuses some lists only then.
func FuzzWhatIsTakenAlsoEncrypts(f *testing.F) {
	classic, _ := age.GenerateX25519Identity()
	hybrid, _ := age.GenerateHybridIdentity()
	f.Add(classic.Recipient().String(), hybrid.Recipient().String())
	f.Add(classic.Recipient().String(), "")
	f.Fuzz(func(t *testing.T, a, b string) {
		recipients, err := backup.ParseRecipients([]string{a, b})
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := age.Encrypt(&out, recipients...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "content"); err != nil {
			t.Fatal(err)
		}
	})
}
