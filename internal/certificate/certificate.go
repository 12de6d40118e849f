// SPDX-License-Identifier: Apache-2.0

// Package certificate writes and signs what a DeletionCertificate says. A statement is plain text, one fact a line, so
// that a person can read it and `openssl` alone can verify it; the same facts always give the same text.
package certificate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// First lines of statements.
const (
	deletionTitle   = "Termintreu deletion certificate 1"
	completionTitle = "Termintreu deletion certificate 1, completion"
	none            = "none"
)

// Link is a certificate's place in the chain of its cluster.
type Link struct {
	// Sequence counts from 1.
	Sequence int64
	// Previous is the SHA-256 (hex) of the text of the deletion statement before; empty for the first.
	Previous string
	// KeyID of the key that signs.
	KeyID string
}

// text collects lines.
type text struct{ strings.Builder }

// line adds one fact. A line end in a value would let a name speak for another line.
func (t *text) line(name, format string, values ...any) {
	value := strings.Join(strings.Fields(fmt.Sprintf(format, values...)), " ")
	if value == "" {
		value = none
	}
	fmt.Fprintf(t, "%s: %s\n", name, value)
}

// Deletion is the text of a certificate's first statement: what was deleted, where, when, and what remains until when.
func Deletion(name string, spec *v1alpha1.DeletionCertificateSpec, status *v1alpha1.DeletionCertificateStatus, link Link) string {
	t := &text{}
	t.WriteString(deletionTitle + "\n")
	t.line("certificate", "%s", name)
	t.line("number", "%d", link.Sequence)
	t.line("previous", "%s", link.Previous)
	t.line("key", "%s", link.KeyID)
	t.line("tenant", "%s/%s", spec.Tenant.Namespace, spec.Tenant.Name)
	t.line("tenant-uid", "%s", spec.Tenant.UID)
	for _, c := range spec.Controllers {
		t.line("controller", "%s", c)
	}
	t.line("region", "%s", spec.Region)
	t.line("contract-end", "%s", when(spec.ContractEnd))
	t.line("schema", "%s of database %s on server %s, with its roles", spec.DataID, spec.Database, spec.Server)
	t.line("read-back-absent", "%s", when(status.DeletedAt))
	if e := spec.Export; e != nil {
		for _, o := range e.Objects {
			t.line("export", "%s, %d bytes, SHA-256 %s", o.Key, o.Size, o.SHA256)
		}
		t.line("exported", "%d records, begun %s, to stores %s", e.Records, when(&e.At), strings.Join(e.Stores, " "))
	}
	t.line("counted", "%s", when(spec.CountedAt))
	for _, r := range spec.Records {
		t.line("deleted", "%d records of %s", r.Count, r.Category)
	}
	for _, a := range spec.Archived {
		t.line("archived", "%d records of %s at %s, the last lock ends %s", a.Count, a.Category, strings.Join(a.Archives, " "), when(a.Until))
	}
	for _, b := range status.Backups {
		t.line("backups", "%s", remaining(b))
	}
	return t.String()
}

func remaining(b v1alpha1.RemainingBackups) string {
	switch {
	case b.Versions == nil:
		return "store " + b.Store + " did not answer; it is asked until it does"
	case *b.Versions == 0:
		return fmt.Sprintf("store %s holds none, listed %s", b.Store, when(b.GoneAt))
	}
	return fmt.Sprintf("store %s holds %d versions, the last gone by %s", b.Store, *b.Versions, when(b.Until))
}

// Completion is the text of the second statement: no store holds anything any longer.
func Completion(name, deletion, keyID string, backups []v1alpha1.RemainingBackups) string {
	t := &text{}
	t.WriteString(completionTitle + "\n")
	t.line("certificate", "%s", name)
	t.line("deletion", "%s", Digest(deletion))
	t.line("key", "%s", keyID)
	for _, b := range backups {
		t.line("backups", "store %s holds none, listed %s", b.Store, when(b.GoneAt))
	}
	return t.String()
}

func when(at *metav1.Time) string {
	if at.IsZero() {
		return "unknown"
	}
	return at.UTC().Format(time.RFC3339)
}

// Digest is the SHA-256 (hex) of a text, as `sha256sum` gives it.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Sign signs a text.
func Sign(key ed25519.PrivateKey, text string) *v1alpha1.SignedStatement {
	return &v1alpha1.SignedStatement{Text: text, Signature: base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(text)))}
}

// Verify tells whether a statement bears the key's signature.
func Verify(key ed25519.PublicKey, s *v1alpha1.SignedStatement) error {
	signature, err := base64.StdEncoding.DecodeString(s.Signature)
	if err != nil || !ed25519.Verify(key, []byte(s.Text), signature) {
		return errors.New("the signature is not this key's over this text")
	}
	return nil
}

// KeyID is the SHA-256 (hex) of a public key in DER.
func KeyID(key ed25519.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("encoding the public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// PublicPEM is a public key as openssl reads it.
func PublicPEM(key ed25519.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// PrivatePEM is a private key as PKCS #8.
func PrivatePEM(key ed25519.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("encoding the signing key failed")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParsePrivate reads what PrivatePEM or `openssl genpkey -algorithm ed25519` wrote. Errors quote nothing of it.
func ParsePrivate(raw []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(raw)
	if block != nil && len(bytes.TrimSpace(rest)) == 0 {
		if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
			if ed, ok := key.(ed25519.PrivateKey); ok {
				return ed, nil
			}
		}
	}
	return nil, errors.New("it holds no Ed25519 private key in PEM (PKCS #8), as `openssl genpkey -algorithm ed25519` writes one")
}

// Chain checks that statements follow each other without a gap, given in the order of their numbers. It gives the first
// certificate that does not name the one before it.
func Chain(certificates []v1alpha1.DeletionCertificate) error {
	previous := none
	for i := range certificates {
		c := &certificates[i]
		if c.Status.Deletion == nil {
			return fmt.Errorf("certificate %s has no statement", c.Name)
		}
		if !strings.Contains(c.Status.Deletion.Text, "\nprevious: "+previous+"\n") {
			return fmt.Errorf("certificate %s does not follow the one before it: one is missing, or was changed", c.Name)
		}
		previous = Digest(c.Status.Deletion.Text)
	}
	return nil
}
