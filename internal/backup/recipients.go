// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// hybridPrefix begins recipients that resist quantum computers; Debian's age 1.1 does not open files for them.
const hybridPrefix = "age1pq1"

// ParseRecipients reads age public keys: X25519 (age1…) or hybrid post-quantum ones (age1pq1…), not both, since a file
// is only as safe as its weakest recipient and age refuses to mix them. Errors say how to mend the list.
func ParseRecipients(keys []string) ([]age.Recipient, error) {
	if len(keys) == 0 {
		return nil, errors.New("a backup needs a recipient: give at least one age public key, as age-keygen prints it")
	}
	recipients := make([]age.Recipient, 0, len(keys))
	hybrid := 0
	for i, key := range keys {
		recipient, err := parseRecipient(key)
		if err != nil {
			// The key is not repeated: somebody may have pasted the secret one.
			return nil, fmt.Errorf("recipient %d is no age public key: give one that begins with age1 or age1pq1, as age-keygen prints it", i+1)
		}
		if strings.HasPrefix(key, hybridPrefix) {
			hybrid++
		}
		recipients = append(recipients, recipient)
	}
	if hybrid != 0 && hybrid != len(keys) {
		return nil, errors.New("age1pq1… and age1… recipients cannot be mixed, since a file is only as safe as its weakest recipient: give keys of one kind")
	}
	return recipients, nil
}

// Encrypt seals what is small enough to be held whole.
func Encrypt(plain io.Reader, to ...age.Recipient) ([]byte, error) {
	var sealed bytes.Buffer
	out, err := age.Encrypt(&sealed, to...)
	if err == nil {
		_, err = io.Copy(out, plain)
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

func parseRecipient(key string) (age.Recipient, error) {
	if strings.HasPrefix(key, hybridPrefix) {
		return age.ParseHybridRecipient(key)
	}
	return age.ParseX25519Recipient(key)
}
