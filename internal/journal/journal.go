// SPDX-License-Identifier: Apache-2.0

// Package journal is the erasure journal at the stores: what was erased on request, by marks that tell nothing to who
// has neither the tenant's key nor a copy of what was erased. A restore repeats it (invariant 5).
package journal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/termintreu/termintreu/internal/objectstore"
)

const (
	// KeySize is the length of a tenant's key in bytes.
	KeySize = 32
	// Limit is how many bytes a document may have.
	Limit = 4 << 20
	// MostEntries is how many erasures go into one document.
	MostEntries = 5000

	format = "termintreu erasure journal 1"
	// nameLength of keys, in hexadecimal digits.
	nameLength = 16
)

// Document is one object at a store. It is complete in itself: the key its marks were made with is in it, encrypted to
// the tenant's recipients, so that losing the cluster does not lose it.
type Document struct {
	Format string `json:"format"`
	DataID string `json:"dataID"`
	// Key names the tenant's key; empty when every entry was made without one, by an instance of an older release.
	Key string `json:"key,omitempty"`
	// WrappedKey is the key as an age file.
	WrappedKey []byte  `json:"wrappedKey,omitempty"`
	Entries    []Entry `json:"entries"`
}

// Entry is one erasure.
type Entry struct {
	// Mark is an HMAC-SHA256.
	Mark []byte    `json:"mark"`
	At   time.Time `json:"at"`
}

// Mark of a row: an HMAC-SHA256 under the tenant's key of its table and identifier.
func Mark(key []byte, table, id string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(table))
	mac.Write([]byte{0})
	mac.Write([]byte(id))
	return mac.Sum(nil)
}

// NameOf a key, by which a mark tells which key it was made with. It does not lead back to the key.
func NameOf(key []byte) string { return hex.EncodeToString(Mark(key, "", "name"))[:nameLength] }

// Prefix under which a tenant's journal lies at a store; dataPrefix ends in a slash.
func Prefix(dataPrefix string) string { return dataPrefix + objectstore.JournalFolder }

// Make renders a document.
func Make(dataID, key string, wrapped []byte, entries []Entry) ([]byte, error) {
	raw, err := json.Marshal(Document{Format: format, DataID: dataID, Key: key, WrappedKey: wrapped, Entries: entries})
	if err != nil {
		return nil, fmt.Errorf("writing the erasure journal: %w", err)
	}
	return raw, nil
}

// Parse reads a document as a store gives it: whatever it says was written by whoever can write there.
func Parse(raw []byte) (*Document, error) {
	if len(raw) > Limit {
		return nil, errors.New("the journal document is too large to be one")
	}
	var d Document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, errors.New("the journal document is no JSON of ours")
	}
	if d.Format != format {
		return nil, errors.New("the journal document has a format this release does not know: restore with the release that wrote it, or a later one")
	}
	if d.DataID == "" || len(d.Entries) > MostEntries || (d.Key == "") != (len(d.WrappedKey) == 0) ||
		d.Key != "" && (len(d.Key) != nameLength || strings.Trim(d.Key, "0123456789abcdef") != "") {
		return nil, errors.New("the journal document contradicts itself")
	}
	for _, entry := range d.Entries {
		if len(entry.Mark) != sha256.Size || entry.At.IsZero() {
			return nil, errors.New("the journal document holds an entry that is no mark with a time")
		}
	}
	return &d, nil
}
