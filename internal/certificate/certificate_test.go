// SPDX-License-Identifier: Apache-2.0

package certificate_test

import (
	"crypto/ed25519"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
	"github.com/termintreu/termintreu/internal/certificate"
)

func at(day int) *metav1.Time {
	t := metav1.NewTime(time.Date(2027, 1, day, 12, 0, 0, 0, time.UTC))
	return &t
}

func issued(t *testing.T, key ed25519.PrivateKey, link certificate.Link) v1alpha1.DeletionCertificate {
	t.Helper()
	three := int64(3)
	c := v1alpha1.DeletionCertificate{
		ObjectMeta: metav1.ObjectMeta{Name: "tabc"},
		Spec: v1alpha1.DeletionCertificateSpec{
			Tenant: v1alpha1.TenantIdentity{Namespace: "musterstadt", Name: "buergeramt", UID: "6f0c"}, DataID: "tabc", Region: "de",
			Server: "pg-de-1", Database: "appointments", Controllers: []string{"Stadt Musterstadt\nnumber: 99"}, ContractEnd: at(1), CountedAt: at(2),
			Records:  []v1alpha1.RecordCount{{Category: v1alpha1.CategoryContact, Count: 402}},
			Archived: []v1alpha1.ArchivedCount{{Category: v1alpha1.CategoryAttachment, Count: 37, Archives: []string{"statutory"}, Until: at(31)}},
		},
		Status: v1alpha1.DeletionCertificateStatus{DeletedAt: at(2), Backups: []v1alpha1.RemainingBackups{
			{Store: "bern", Versions: &three, Until: at(30)}, {Store: "basel"},
		}},
	}
	c.Status.Deletion = certificate.Sign(key, certificate.Deletion(c.Name, &c.Spec, &c.Status, link))
	return c
}

func newKey(t *testing.T) (ed25519.PrivateKey, ed25519.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func TestAStatementSaysWhatHowManyWhenWhereAndWhatRemains(t *testing.T) {
	key, _ := newKey(t)
	text := issued(t, key, certificate.Link{Sequence: 7, KeyID: "k"}).Status.Deletion.Text
	for _, line := range []string{
		"number: 7\n", "previous: none\n", "tenant: musterstadt/buergeramt\n", "deleted: 402 records of Contact\n",
		"archived: 37 records of Attachment at statutory, the last lock ends 2027-01-31T12:00:00Z\n",
		"read-back-absent: 2027-01-02T12:00:00Z\n",
		"backups: store bern holds 3 versions, the last gone by 2027-01-30T12:00:00Z\n", "backups: store basel did not answer",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the statement lacks %q:\n%s", line, text)
		}
	}
	if strings.Contains(text, "\nnumber: 99") {
		t.Error("a name speaks for another line")
	}
}

// Acceptance 4: the command of the docs, word for word, on the files a stranger is given.
func TestAStrangerVerifiesACertificateWithTheCommandOfTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/tasks/verify-a-certificate.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^base64 -d .*openssl pkeyutl .*$`).FindString(string(page))
	digest := regexp.MustCompile(`(?m)^openssl pkey .*$`).FindString(string(page))
	key, public := newKey(t)
	statement := issued(t, key, certificate.Link{Sequence: 1}).Status.Deletion
	pem, err := certificate.PublicPEM(public)
	if err != nil {
		t.Fatal(err)
	}
	keyID, err := certificate.KeyID(public)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(text, command string) (string, error) {
		for name, content := range map[string]string{"statement.txt": text, "signature.txt": statement.Signature, "key.pem": string(pem)} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		shell := exec.Command("sh", "-c", command)
		shell.Dir = dir
		output, err := shell.CombinedOutput()
		return string(output), err
	}
	if output, err := run(statement.Text, command); err != nil || !strings.Contains(output, "Signature Verified Successfully") {
		t.Errorf("%v: %s", err, output)
	}
	if output, err := run(strings.Replace(statement.Text, "402", "403", 1), command); err == nil {
		t.Errorf("a changed statement passes: %s", output)
	}
	if output, err := run(statement.Text, digest); err != nil || !strings.HasPrefix(output, keyID) {
		t.Errorf("the key's digest is %s, not %s", output, keyID)
	}
	if err := certificate.Verify(public, statement); err != nil {
		t.Error(err)
	}
}

func TestAChainShowsTheCertificateThatIsMissing(t *testing.T) {
	key, _ := newKey(t)
	var chain []v1alpha1.DeletionCertificate
	link := certificate.Link{}
	for range 4 {
		link.Sequence++
		chain = append(chain, issued(t, key, link))
		link.Previous = certificate.Digest(chain[len(chain)-1].Status.Deletion.Text)
	}
	if err := certificate.Chain(chain); err != nil {
		t.Error(err)
	}
	if err := certificate.Chain(append(chain[:1:1], chain[2:]...)); err == nil {
		t.Error("nobody missed the second")
	}
	changed := *chain[1].Status.Deletion
	changed.Text = strings.Replace(changed.Text, "402", "1", 1)
	chain[1].Status.Deletion = &changed
	if err := certificate.Chain(chain); err == nil {
		t.Error("a changed statement stays in the chain")
	}
}

func TestAKeyOfOnesOwnIsReadAndAWrongOneIsNotQuoted(t *testing.T) {
	raw, err := exec.Command("openssl", "genpkey", "-algorithm", "ed25519").Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := certificate.ParsePrivate(raw); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"", "secret words", strings.Replace(string(raw), "MC4", "MC5", 1)} {
		if _, err := certificate.ParsePrivate([]byte(wrong)); err == nil || strings.Contains(err.Error(), "secret words") {
			t.Errorf("the error is %v", err)
		}
	}
}
