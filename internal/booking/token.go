// SPDX-License-Identifier: Apache-2.0

package booking

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

const secretBytes = 32

// NewNonce gives 32 random bytes in base64url for the forms of one page.
func NewNonce() string {
	secret := make([]byte, secretBytes)
	_, _ = rand.Read(secret) // never fails, by its documentation
	return base64.RawURLEncoding.EncodeToString(secret)
}

// WellFormedNonce tells whether a page of ours could have made a nonce.
func WellFormedNonce(text string) bool { return wellFormedSecret(text) }

func wellFormedSecret(text string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && len(raw) == secretBytes
}

// Token is the secret of the appointment's link. It comes from the page's random nonce and the slot, so that pressing
// a slot's button twice leads to one hold and the same link, without a cookie to remember the first press.
func Token(nonce, office, service string, start time.Time) string {
	sum := sha256.Sum256([]byte(nonce + "\x00" + office + "\x00" + service + "\x00" + start.UTC().Format(time.RFC3339)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TokenHash is all the database keeps of a token.
func TokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
