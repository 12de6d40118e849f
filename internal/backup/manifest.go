// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// manifestFormat is how every backup is made.
const manifestFormat = "pg_dump custom, zstd, age"

// Manifest is the object beside a backup that describes it to whoever restores. It is written last of all, so that who
// finds one finds a copy that was read back.
type Manifest struct {
	Format        string    `json:"format"`
	DataID        string    `json:"dataID"`
	SnapshotStart time.Time `json:"snapshotStart"`
	// Size in bytes and SHA-256 (hex) of the encrypted backup.
	Size          int64  `json:"size"`
	SHA256        string `json:"sha256"`
	ServerVersion string `json:"serverVersion"`
	ClientVersion string `json:"clientVersion"`
	// SchemaVersion of the tenant's schema; backups of releases that did not say have FirstSchemaVersion.
	SchemaVersion int64 `json:"schemaVersion,omitempty"`
	// Extensions of the database as "name version"; Owners are roles that own something in the schema.
	Extensions []string `json:"extensions,omitempty"`
	Owners     []string `json:"owners,omitempty"`
	// Tables whose rows pg_restore found in the backup when it was read back.
	Tables int `json:"tables,omitempty"`
	// Shown tells how that was found; backups of releases that did not say have none.
	Shown *Shown `json:"shown,omitempty"`
}

// Shown is how a backup was shown to be restorable: what was done, when, and with the copy of which store.
type Shown struct {
	Proof v1alpha1.RestoreProof `json:"proof"`
	At    time.Time             `json:"at"`
	Store string                `json:"store"`
}

// FirstSchemaVersion is that of backups whose manifest does not say.
const FirstSchemaVersion = 2

// ManifestLimit is how many bytes a manifest may have.
const ManifestLimit = 64 << 10

// ParseManifest reads a manifest as a store gives it: whatever it says was written by whoever can write there.
func ParseManifest(raw []byte) (*Manifest, error) {
	if len(raw) > ManifestLimit {
		return nil, errors.New("the manifest is too large to be one")
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errors.New("the manifest is no JSON document of ours")
	}
	if m.Format != manifestFormat {
		return nil, errors.New("the backup has a format this release does not know: restore it with the release that made it")
	}
	if digest, err := hex.DecodeString(m.SHA256); err != nil || len(digest) != 32 || m.Size <= 0 || m.SnapshotStart.IsZero() || m.DataID == "" || m.SchemaVersion < 0 {
		return nil, fmt.Errorf("the manifest lacks what identifies a backup: size, SHA-256, start of the snapshot, data ID")
	}
	if m.SchemaVersion == 0 {
		m.SchemaVersion = FirstSchemaVersion
	}
	return &m, nil
}
