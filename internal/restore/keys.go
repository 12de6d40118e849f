// SPDX-License-Identifier: Apache-2.0

package restore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// errWrongKey says what is known and how to mend it.
var errWrongKey = errors.New("the identity opens neither the backup nor its erasure journal, nor the export that was asked for: it is not the secret key of any recipient they were made for; give one of those the tenant had when they were made")

// Identity opens backups with secret keys that are at hand: the weaker way, since they then lie where the job runs.
type Identity []age.Identity

// ReadIdentity reads secret keys as age-keygen writes them. Its error never repeats what it read.
func ReadIdentity(file io.Reader) (Identity, error) {
	identities, err := age.ParseIdentities(io.LimitReader(file, 64<<10))
	if err != nil || len(identities) == 0 {
		return nil, errors.New("the identity is no age secret key: give the file age-keygen wrote, with a line that begins with AGE-SECRET-KEY-")
	}
	return identities, nil
}

// Open tries each header at once, so that a wrong key is found before anything is fetched.
func (i Identity) Open(_ context.Context, headers [][]byte, _ *Box) ([]age.Identity, error) {
	opened := make([]age.Identity, 0, len(headers))
	for _, header := range headers {
		key, err := FileKey(header, i)
		if err != nil {
			return nil, err
		}
		opened = append(opened, age.NewInjectedFileKeyIdentity(key))
	}
	return opened, nil
}

// FileKey opens a header.
func FileKey(header []byte, identities []age.Identity) ([]byte, error) {
	key, err := age.DecryptHeader(header, identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, errWrongKey
	}
	if err != nil {
		return nil, fmt.Errorf("opening the header of the backup: %w", err)
	}
	return key, nil
}
