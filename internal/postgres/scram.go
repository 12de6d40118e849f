// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// scramIterations is PostgreSQL's own default; the passwords are random, so that more would only cost time.
const (
	scramIterations = 4096
	scramSaltBytes  = 16
)

// scramVerifier gives what PostgreSQL stores for a password (RFC 5803), so that the password itself never reaches the
// server in SQL, where a log could keep it. Passwords are printable ASCII, which needs no normalisation.
func scramVerifier(password string) (string, error) {
	for i := range len(password) {
		if password[i] < ' ' || password[i] > '~' {
			return "", errors.New("a password of a role must be printable ASCII")
		}
	}
	salt := make([]byte, scramSaltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", err
	}
	storedKey := sha256.Sum256(sign(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, encode(salt), encode(storedKey[:]), encode(sign(salted, "Server Key"))), nil
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
