// SPDX-License-Identifier: Apache-2.0

// Package settings is what the operator hands to its operands: JSON documents in ConfigMaps, mounted beside the
// Secrets they never contain. Writer and reader share these types, so that the two cannot drift apart.
package settings

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/termintreu/termintreu/api/v1alpha1"
)

// Where pods find what is mounted into them.
const (
	// File holds the settings document.
	File = "/etc/termintreu/settings/settings.json"
	// FileKey is the key of the document in its ConfigMap.
	FileKey = "settings.json"
	// DatabaseDir holds the files username and password of the operand's own role.
	DatabaseDir = "/etc/termintreu/database"
	// StoresDir holds, per store, the files NAME.accessKeyID and NAME.secretAccessKey.
	StoresDir = "/etc/termintreu/stores"
	// IdentityDir holds the file IdentityKey: the age identity an export or a backup is opened with.
	IdentityDir = "/etc/termintreu/identity"
	// IdentityKey is the key of the Secret, and the file, that holds an age identity.
	IdentityKey = "identity"
	// StaffDir holds the files of the Secret with the client's secret at the identity provider.
	StaffDir = "/etc/termintreu/staff"
	// ClientSecretKey and NextClientSecretKey are its keys. While a client's secret is exchanged, both may be in use.
	ClientSecretKey     = "clientSecret"
	NextClientSecretKey = "nextClientSecret"
	// TLSDir holds tls.crt and tls.key of the instance.
	TLSDir = "/etc/termintreu/tls"
	// ScratchDir is a small writable directory.
	ScratchDir = "/tmp"

	// UsernameKey and PasswordKey are the keys of a database Secret.
	UsernameKey = "username"
	PasswordKey = "password"
)

// Database is how an operand reaches its tenant's schema; the connection is verified against CABundle and Host.
type Database struct {
	Host     string `json:"host"`
	Port     int32  `json:"port"`
	Name     string `json:"name"`
	Schema   string `json:"schema"`
	CABundle string `json:"caBundle"`
}

// Store is one object store and the only prefix of it the operand's identity reaches.
type Store struct {
	Name          string `json:"name"`
	Endpoint      string `json:"endpoint"`
	Bucket        string `json:"bucket"`
	SigningRegion string `json:"signingRegion"`
	CABundle      string `json:"caBundle,omitempty"`
	// Prefix ends in a slash.
	Prefix string `json:"prefix"`
}

// Mail is the region's relay.
type Mail struct {
	Host     string `json:"host"`
	Port     int32  `json:"port"`
	From     string `json:"from"`
	CABundle string `json:"caBundle,omitempty"`
}

// Staff is how the authority's staff signs in; without it there is no staff side.
type Staff struct {
	// Issuer of the identity provider, an https URL.
	Issuer   string `json:"issuer"`
	ClientID string `json:"clientID"`
	CABundle string `json:"caBundle,omitempty"`
	// Claim of the ID token that holds a person's groups; a dot leads into an object.
	Claim  string       `json:"claim"`
	Grants []StaffGrant `json:"grants"`
}

// StaffGrant gives a role to whoever has one of the values in the claim, at some offices or at all.
type StaffGrant struct {
	Role    v1alpha1.StaffRole       `json:"role"`
	Values  []string                 `json:"values"`
	Offices []v1alpha1.CatalogueName `json:"offices,omitempty"`
}

// Instance is the document of `termintreu serve`.
type Instance struct {
	// PlanHash identifies the plan the document was made from.
	PlanHash string `json:"planHash"`
	// URL is the site's public base URL without a trailing slash; empty when it has no host.
	URL       string             `json:"url,omitempty"`
	Locales   []v1alpha1.Locale  `json:"locales"`
	Database  Database           `json:"database"`
	Mail      *Mail              `json:"mail,omitempty"`
	Staff     *Staff             `json:"staff,omitempty"`
	Egress    Egress             `json:"egress"`
	Catalogue v1alpha1.Catalogue `json:"catalogue"`
	// Challenge is what holding a slot costs; empty for nothing.
	Challenge v1alpha1.Challenge `json:"challenge,omitempty"`
	// Appearance is nil for the site's own look.
	Appearance *v1alpha1.Appearance `json:"appearance,omitempty"`
	Notice     Notice               `json:"notice"`
	// Restoring makes the site say that a backup is being brought back, and do nothing else.
	Restoring bool `json:"restoring,omitempty"`
	// Importing tells that it is not a backup but what the authority brings from another place; Restoring is set too, so
	// that an instance of the release before does nothing else either.
	Importing bool `json:"importing,omitempty"`
	// Closing makes the site say that it takes no bookings any more; what was booked is still shown and cancelled.
	Closing bool `json:"closing,omitempty"`
}

// Egress is what an instance tries its network with, beside the API server of its cluster.
type Egress struct {
	// Undeclared addresses, as IP:port, that must refuse.
	Undeclared []string `json:"undeclared,omitempty"`
}

// EgressPath is where an instance tells on its internal port what it found of its network.
const EgressPath = "/egress"

// EgressReport is what an instance found of its network.
type EgressReport struct {
	// AgeSeconds since the addresses were tried; negative before the first time.
	AgeSeconds float64 `json:"ageSeconds"`
	// Declared tells whether the database server answered.
	Declared bool `json:"declared"`
	// Tried is the number of undeclared addresses tried, Open those of them that answered.
	Tried int      `json:"tried"`
	Open  []string `json:"open,omitempty"`
}

// OrphansPath is where an instance tells on its internal port which appointments its catalogue has no room for.
const OrphansPath = "/orphans"

// OrphansReport is what an instance found when it held the confirmed appointments ahead against its catalogue.
type OrphansReport struct {
	// AgeSeconds since it looked; negative before the first time, and while it cannot look.
	AgeSeconds float64 `json:"ageSeconds"`
	// CatalogueHash of the settings they were held against.
	CatalogueHash string `json:"catalogueHash"`
	// Appointments without room, all in all.
	Appointments int `json:"appointments"`
	// Orphans are the same by office, service and cause; of very many, the first.
	Orphans []Orphans `json:"orphans,omitempty"`
}

// Orphans is a number of confirmed appointments the catalogue has no room for. It says nothing of who comes, or when.
type Orphans struct {
	Office  string `json:"office"`
	Service string `json:"service"`
	// Cause in words that end a sentence, such as "the office is gone".
	Cause        string `json:"cause"`
	Appointments int    `json:"appointments"`
}

// CatalogueHash tells one catalogue from another.
func (i *Instance) CatalogueHash() string {
	raw, err := json.Marshal(i.Catalogue)
	if err != nil {
		panic("a catalogue is plain data: " + err.Error())
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}

// Rule gives the instance the rule of a category, or nil when the policy has none and the category is not stored.
func (i *Instance) Rule(category v1alpha1.Category) *Rule {
	for n := range i.Notice.Rules {
		if i.Notice.Rules[n].Category == category {
			return &i.Notice.Rules[n]
		}
	}
	return nil
}

// Notice is what the privacy notice says; every word of it comes from the plan (D1, D2, B9, B10, A16).
type Notice struct {
	// Date of this version of the notice, YYYY-MM-DD.
	Date        string                `json:"date"`
	Controllers []v1alpha1.Controller `json:"controllers"`
	Regime      string                `json:"regime"`
	LegalBasis  string                `json:"legalBasis"`
	// Country the data is stored in.
	Country    v1alpha1.CountryCode `json:"country"`
	Processors []Processor          `json:"processors"`
	Rules      []Rule               `json:"rules"`
	// BackupPeriod is how long a backup lives; BackupCopies at how many stores.
	BackupPeriod v1alpha1.Period `json:"backupPeriod"`
	BackupCopies int32           `json:"backupCopies"`
}

// NoticeDocument is the notice for machines, as a site publishes it: what a reader compares with the plan (invariant 8).
type NoticeDocument struct {
	PlanHash string `json:"planHash"`
	Notice   Notice `json:"notice"`
}

// Function of a processor for the tenant.
type Function string

// Functions of processors.
const (
	FunctionDatabase Function = "Database"
	FunctionBackup   Function = "Backup"
	FunctionArchive  Function = "Archive"
	FunctionMail     Function = "Mail"
	FunctionIngress  Function = "Ingress"
)

// Processor is a company that handles data, and what it does.
type Processor struct {
	Function Function `json:"function"`
	v1alpha1.Processor
}

// Rule is one rule of the policy as the notice prints it and the database enforces it.
type Rule struct {
	Category   v1alpha1.Category   `json:"category"`
	StartEvent v1alpha1.StartEvent `json:"startEvent"`
	Period     v1alpha1.Period     `json:"period"`
	Action     v1alpha1.Action     `json:"action"`
	// ArchivePeriod from the start event, and the law that asks for it; for the action Archive alone.
	ArchivePeriod v1alpha1.Period `json:"archivePeriod,omitempty"`
	ArchiveBasis  string          `json:"archiveBasis,omitempty"`
}

// Retain is the document of `termintreu retain`.
type Retain struct {
	PlanHash string   `json:"planHash"`
	Database Database `json:"database"`
	// RewriteEvery asks for a rewrite of the storage when the last is older; empty means none.
	RewriteEvery v1alpha1.Period `json:"rewriteEvery,omitempty"`
}

// Backup is the document of `termintreu backup` and `termintreu expire`.
type Backup struct {
	PlanHash string   `json:"planHash"`
	DataID   string   `json:"dataID"`
	Database Database `json:"database"`
	Stores   []Store  `json:"stores"`
	// Recipients are age public keys.
	Recipients []string `json:"recipients"`
	// Period from the start of the snapshot until every version is gone.
	Period v1alpha1.Period `json:"period"`
	// ExpireAhead is how long the next expiry may be away: what falls due before it goes now, so that nothing is ever
	// past its period. It must be shorter than Period; empty means that only what is due goes.
	ExpireAhead v1alpha1.Period `json:"expireAhead,omitempty"`
	// RestoreTestEvery asks for a restore on trial when the last proof is older; empty means never.
	RestoreTestEvery v1alpha1.Period `json:"restoreTestEvery,omitempty"`
}

// Archive is the document of `termintreu archive`.
type Archive struct {
	PlanHash string   `json:"planHash"`
	DataID   string   `json:"dataID"`
	Database Database `json:"database"`
	// Stores that must each show a record before it is deleted.
	Stores []Store `json:"stores"`
	// Recipients are age public keys.
	Recipients []string `json:"recipients"`
}

// Export is the document of `termintreu export`.
type Export struct {
	PlanHash string   `json:"planHash"`
	DataID   string   `json:"dataID"`
	Database Database `json:"database"`
	Stores   []Store  `json:"stores"`
	// Recipients are age public keys of the authority.
	Recipients []string `json:"recipients"`
	// Controllers and Catalogue go with the records, and tell whose each office is (A2).
	Controllers []v1alpha1.Controller `json:"controllers"`
	Catalogue   v1alpha1.Catalogue    `json:"catalogue"`
}

// Import is the document of `termintreu import`.
type Import struct {
	PlanHash string `json:"planHash"`
	DataID   string `json:"dataID"`
	// Database to import into; its Schema is the tenant's, beside which the quarantine lies.
	Database Database `json:"database"`
	// Source is the store the export lies at, with the tenant's own prefix.
	Source Store `json:"source"`
	// Key of the export at the store, and the SHA-256 (hex) it must have.
	Key    string `json:"key"`
	SHA256 string `json:"sha256"`
	// Offices and Services of the tenant's catalogue.
	Offices  []string `json:"offices"`
	Services []string `json:"services"`
	// Offline asks the holder of the key by a challenge instead of reading an identity from a file.
	Offline bool `json:"offline,omitempty"`
}

// Restore is the document of `termintreu restore`.
type Restore struct {
	// DataID of the tenant that is restored; Source is whose backups are read, which differs after a cluster was lost.
	DataID string `json:"dataID"`
	Source string `json:"source"`
	// Database to restore into; its Schema is the quarantine.
	Database Database `json:"database"`
	// Stores in the order to try them, with the prefix of the source.
	Stores []Store `json:"stores"`
	// Store the backup must come from; empty means the first that has it.
	Store string `json:"store,omitempty"`
	// At is the moment to go back to: the newest snapshot that began by then. Nil means the newest.
	At *time.Time `json:"at,omitempty"`
	// WithoutJournalOf names stores whose erasure journal may be missing.
	WithoutJournalOf []string `json:"withoutJournalOf,omitempty"`
	// Offline asks the holder of the key by a challenge instead of reading an identity from a file.
	Offline bool `json:"offline,omitempty"`
}

// Credentials of an operand's own database role.
type Credentials struct{ Username, Password string }

// Read reads a document. Unknown fields are ignored, since an operand may be one release older than its operator.
func Read[T any](path string) (*T, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading settings: %w", err)
	}
	document := new(T)
	if err := json.Unmarshal(raw, document); err != nil {
		return nil, fmt.Errorf("reading settings %s: %w", path, err)
	}
	return document, nil
}

// ReadCredentials reads the username and password files of a directory.
func ReadCredentials(dir string) (Credentials, error) {
	dir = generation(dir)
	username, err := readSecret(dir, UsernameKey)
	if err != nil {
		return Credentials{}, err
	}
	password, err := readSecret(dir, PasswordKey)
	return Credentials{username, password}, err
}

// ReadClientSecrets reads the secrets of the client at the identity provider, the one in use first.
func ReadClientSecrets(dir string) (secrets []string, err error) {
	dir = generation(dir)
	current, err := readSecret(dir, ClientSecretKey)
	if err != nil {
		return nil, err
	}
	secrets = append(secrets, current)
	if next, err := readSecret(dir, NextClientSecretKey); err == nil && next != "" {
		secrets = append(secrets, next)
	}
	return secrets, nil
}

// generation is where the files of a mounted Secret lie now. The kubelet exchanges them all at once by a link, so that
// whoever follows it once never reads the name of one generation with the password of another.
func generation(dir string) string {
	if now, err := filepath.EvalSymlinks(filepath.Join(dir, "..data")); err == nil {
		return now
	}
	return dir
}

// StoreKeys names the files, and the keys of the Secret, that hold a store's credentials.
func StoreKeys(store string) (accessKeyID, secretAccessKey string) {
	return store + ".accessKeyID", store + ".secretAccessKey"
}

// ReadStoreKeys reads the credentials of a store.
func ReadStoreKeys(dir, store string) (accessKeyID, secretAccessKey string, err error) {
	idFile, secretFile := StoreKeys(store)
	if accessKeyID, err = readSecret(dir, idFile); err != nil {
		return "", "", err
	}
	secretAccessKey, err = readSecret(dir, secretFile)
	return accessKeyID, secretAccessKey, err
}

func readSecret(dir, name string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return "", fmt.Errorf("reading credentials: %w", err)
	}
	return strings.TrimRight(string(raw), "\n"), nil
}
