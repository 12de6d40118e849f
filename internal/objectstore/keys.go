// SPDX-License-Identifier: Apache-2.0

package objectstore

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Kind of an object under a tenant's prefix.
type Kind string

// Kinds of objects. A key is the tenant's opaque data id, a slash, the start of the snapshot in UTC, and the kind; no
// key says anything about a citizen.
const (
	// KindDump is a backup: pg_dump's custom format, compressed, encrypted.
	KindDump Kind = ".dump.zst.age"
	// KindManifest is a backup's description: size, SHA-256, versions of server and client. JSON.
	KindManifest Kind = ".json"
	// KindUpload names an unfinished upload, so that whoever comes after a killed run can end it. It is how a tenant's
	// identity finds its own unfinished uploads, since S3 has no listing of uploads that can be bound to a prefix.
	KindUpload Kind = ".upload"
	// KindExport is an export in the open format: a tar, compressed, encrypted to the authority.
	KindExport Kind = ".export.tar.zst.age"
	// KindExportManifest describes the exports of one start. It is written last: who finds one finds verified copies.
	KindExportManifest Kind = ".export.json"
)

// KindExportOf is the export of the nth controller of several, counted from 1 (A2): no key names an authority.
func KindExportOf(n int) Kind { return Kind(fmt.Sprintf(".export-%d.tar.zst.age", n)) }

var exportOf = regexp.MustCompile(`^\.export-[1-9][0-9]?\.tar\.zst\.age$`)

// JournalFolder lies under a tenant's prefix and holds its erasure journal, which outlives the backups it is for.
const JournalFolder = "journal/"

// JournalExtra is how much longer than a backup an entry of the journal lives: whatever backup may hold whom it names,
// and any restore of one that is under way, is over by then.
const JournalExtra = 30 * 24 * time.Hour

// ArchiveFolder lies under a tenant's prefix at an archive and holds what was handed over.
const ArchiveFolder = "archive/"

const archiveEnd = ".json.age"

// ArchiveKey names a record at an archive: by the moment its lock ends and an opaque name, which tell nothing of it.
func ArchiveKey(prefix string, until time.Time, object string) string {
	return prefix + ArchiveFolder + until.UTC().Format(KeyTime) + "-" + object + archiveEnd
}

// ParseArchiveKey gives when what a key names may go; ok is false for keys that are none of an archive's. Nobody of ours
// needs it to hand over: it is for whoever reads an archive, as the tests do.
func ParseArchiveKey(key string) (until time.Time, ok bool) {
	_, name, _ := strings.Cut(key, "/")
	name, folder := strings.CutPrefix(name, ArchiveFolder)
	if !folder || !strings.HasSuffix(name, archiveEnd) || len(name) <= len(KeyTime) || name[len(KeyTime)] != '-' {
		return time.Time{}, false
	}
	until, err := time.Parse(KeyTime, name[:len(KeyTime)])
	return until, err == nil
}

// KeyTime is the layout of snapshot starts in keys, in UTC.
const KeyTime = "20060102T150405Z"

// Key of an object under prefix, which ends in a slash.
func Key(prefix string, snapshotStart time.Time, kind Kind) string {
	return prefix + snapshotStart.UTC().Format(KeyTime) + string(kind)
}

// ParseKey splits a key. ok is false, and the rest means nothing, for keys that are none of ours.
func ParseKey(key string) (dataID string, snapshotStart time.Time, kind Kind, ok bool) {
	dataID, name, found := strings.Cut(key, "/")
	if !found || dataID == "" || len(name) < len(KeyTime) {
		return "", time.Time{}, "", false
	}
	snapshotStart, err := time.Parse(KeyTime, name[:len(KeyTime)])
	if err != nil {
		return "", time.Time{}, "", false
	}
	kind = Kind(name[len(KeyTime):])
	switch kind {
	case KindDump, KindManifest, KindUpload, KindExport, KindExportManifest:
		return dataID, snapshotStart, kind, true
	}
	return dataID, snapshotStart, kind, exportOf.MatchString(string(kind))
}
