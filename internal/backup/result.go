// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"time"

	"github.com/termintreu/termintreu/internal/objectstore"
)

// Copy is what became of a store's copy of the backup.
type Copy string

// What became of a copy.
const (
	// CopyWritten means it was written, read back and found equal.
	CopyWritten Copy = "Written"
	// CopyRepaired means the first attempt failed; it was then written from another store's copy, and read back.
	CopyRepaired Copy = "Repaired"
	// CopyMissing means the store lacks the copy.
	CopyMissing Copy = "Missing"
)

// Result of a run, printed as JSON and left as the container's termination message. It holds no personal data: opaque
// names, sizes, times, digests.
type Result struct {
	DataID string `json:"dataID"`
	// SnapshotStart in UTC, to the second; the backup period starts here. Nil when no backup was taken.
	SnapshotStart *time.Time `json:"snapshotStart,omitempty"`
	// Size in bytes and SHA-256 (hex) of the encrypted backup; the same at every store.
	Size          int64  `json:"size,omitempty"`
	SHA256        string `json:"sha256,omitempty"`
	ServerVersion string `json:"serverVersion,omitempty"`
	ClientVersion string `json:"clientVersion,omitempty"`
	// Extensions of the database as "name version", and Owners of what is in the schema.
	Extensions []string `json:"extensions,omitempty"`
	Owners     []string `json:"owners,omitempty"`
	// Tables whose rows pg_restore found in the backup, decrypted as it was read back from a store.
	Tables int `json:"tables,omitempty"`
	// Shown tells how that was found.
	Shown *Shown `json:"shown,omitempty"`
	// Restored is what a trial restored and found equal; nil when it was not time for one, or it failed.
	Restored *Restored     `json:"restored,omitempty"`
	Stores   []StoreResult `json:"stores"`
	// Erased records on request: a store had shown their journal entries, and the hidden rows went.
	Erased int64 `json:"erased,omitempty"`
	// Error says in a sentence why no backup was taken, what was to be erased is not journalled, or a trial failed.
	Error string `json:"error,omitempty"`
}

// StoreResult is what happened at one store.
type StoreResult struct {
	Name string `json:"name"`
	// Copy of the backup; empty when none was taken.
	Copy Copy `json:"copy,omitempty"`
	// Error is why the copy is missing, or why the first attempt failed.
	Error objectstore.Class `json:"error,omitempty"`
	// VersionID of the copy, as the store tells it.
	VersionID string `json:"versionID,omitempty"`
	// Lock says what became of the copy's lock; LockedUntil is what the store shows.
	Lock        Locked     `json:"lock,omitempty"`
	LockedUntil *time.Time `json:"lockedUntil,omitempty"`
	// Expired versions that were deleted, delete markers and unfinished uploads included.
	Expired int `json:"expired"`
	// ExpiryError is why what is past its period could not be deleted, or not be shown to be.
	ExpiryError objectstore.Class `json:"expiryError,omitempty"`
	// Uncovered is the number of delete markers that hid a live backup and were taken away.
	Uncovered int `json:"uncovered,omitempty"`
	// Mended is the number of copies the store had lost and got again from another store.
	Mended int `json:"mended,omitempty"`
	// MendError is why a copy the store lacks could not be made good.
	MendError objectstore.Class `json:"mendError,omitempty"`
}
